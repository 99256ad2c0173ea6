"""The certificate: verdicts, JSON, and the table that is printed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from netspec.convert.certificate import Certificate, Trial, hash_file
from netspec.convert.compare import Difference
from netspec.report.certificate import certificate_text

GOOD = Difference("conv1", (2, 3), 1e-6, 2e-6, 1.0)
BETTER = Difference("conv1", (2, 3), 1e-7, 2e-7, 1.0)
EQUAL = Difference("pool1", (2,))
BAD = Difference("fc", (2,), 0.5, 0.25, 0.9)
LOST = Difference("prob", (2,), problem="missing")
ENDLESS = Difference("zero", (), 0.1, float("inf"), 0.0)


def certificate(*blobs: Difference, **options) -> Certificate:
    return Certificate("A", "B", trials=(Trial("x 2x3", {}, blobs),), **options)


@pytest.mark.parametrize(
    ("blobs", "verdict", "failed"),
    [
        ((GOOD, EQUAL), "pass", []),
        ((GOOD, BAD), "fail", ["fc"]),
        ((LOST, GOOD), "fail", ["prob"]),
        ((ENDLESS,), "fail", ["zero"]),
        ((), "not run", []),
    ],
)
def test_verdicts(blobs, verdict: str, failed: list[str]) -> None:
    found = certificate(*blobs)
    assert (found.verdict, found.failed) == (verdict, failed)


def test_what_could_not_run_has_not_passed() -> None:
    assert certificate(not_run="no runtime").verdict == "not run"


def test_the_worst_of_two_trials_is_shown() -> None:
    found = Certificate(
        "A", "B", trials=(Trial("", {}, (GOOD,)), Trial("", {}, (BETTER,)))
    )
    assert found.worst() == [GOOD]


def test_json_has_no_infinities() -> None:
    text = json.dumps(certificate(ENDLESS).as_dict(), allow_nan=False)
    assert json.loads(text)["trials"][0]["blobs"][0]["max_rel"] == "inf"


def test_files_are_hashed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"netspec" * 1000)
    found = hash_file(path)
    assert (found.bytes, found.sha256) == (
        7000,
        hashlib.sha256(b"netspec" * 1000).hexdigest(),
    )


@pytest.mark.smoke
def test_the_table() -> None:
    text = certificate_text(certificate(GOOD, EQUAL, BAD, LOST, notes=("a note.",)))
    head, rule, *lines = text.splitlines()
    assert head.split() == ["blob", "shape", "max", "abs", "max", "rel", "cosine"]
    assert set(rule) == {"-"}
    assert lines == [
        "conv1  2x3    1.00e-06  2.00e-06  1.000000000  agrees",
        "pool1  2      0.00e+00  0.00e+00  1.000000000  equal",
        "fc     2      5.00e-01  2.50e-01  0.900000000  DIFFERS",
        "prob   2      0.00e+00  0.00e+00  1.000000000  missing",
        "tried x 2x3",
        "a note.",
        "FAILED: 2 of 4 blobs of A and B differ",
    ]


def test_a_long_table_is_cut_to_what_tells_most() -> None:
    blobs = [Difference(f"b{i}", (1,), i * 1e-9, i * 1e-9) for i in range(40)]
    few = certificate_text(certificate(*blobs))
    assert "28 more blobs, all closer: --verbose shows them" in few
    assert "b39" in few
    assert "b5 " not in few
    assert "b5 " in certificate_text(certificate(*blobs), whole=True)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (certificate(GOOD), "verified: 1 blobs of A and B agree within 0.0001 of each "
         "blob's maximum"),
        (certificate(EQUAL, tolerance=0.0), "verified: 1 parts of A and B are equal"),
        (certificate(not_run="no runtime."), "not verified: no runtime."),
    ],
)  # fmt: skip
def test_the_last_line(found: Certificate, expected: str) -> None:
    assert certificate_text(found).splitlines()[-1] == expected
