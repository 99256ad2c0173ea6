"""A certificate as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netspec.convert.certificate import Certificate
from netspec.convert.compare import Difference
from netspec.report.table import table
from netspec.shapes import describe

_HEAD = ("blob", "shape", "max abs", "max rel", "cosine", "")
_FEW = 12


def certificate_text(certificate: Certificate, whole: bool = False) -> str:
    """The verdict, a row for every blob (or the worst few), and what was tried."""
    return "\n".join(_lines(certificate, whole))


def _lines(certificate: Certificate, whole: bool) -> Iterator[str]:
    blobs = certificate.worst()
    shown = blobs if whole else _telling(blobs, certificate.tolerance)
    if shown:
        rows = [_row(blob, certificate.tolerance) for blob in shown]
        yield table(_HEAD, rows, right=(2, 3, 4))
    if len(shown) < len(blobs):
        yield f"{len(blobs) - len(shown)} more blobs, all closer: --verbose shows them"
    for trial in certificate.trials:
        yield f"tried {trial.about}"
    yield from certificate.notes
    yield _verdict(certificate, len(blobs))


def _telling(blobs: Sequence[Difference], tolerance: float) -> list[Difference]:
    """The blobs that fail and the worst of the others, in their order."""
    worst = sorted(blobs, key=lambda b: -b.max_rel)[:_FEW]
    return [b for b in blobs if b in worst or not b.passes(tolerance)]


def _row(blob: Difference, tolerance: float) -> tuple[str, ...]:
    verdict = blob.problem or ("equal" if blob.passes(tolerance) else "DIFFERS")
    if blob.passes(tolerance) and blob.max_abs:
        verdict = "agrees"
    return (
        blob.name,
        describe(blob.shape),
        f"{blob.max_abs:.2e}",
        f"{blob.max_rel:.2e}",
        f"{blob.cosine:.9f}",
        verdict,
    )


def _verdict(certificate: Certificate, blobs: int) -> str:
    if certificate.not_run:
        return f"not verified: {certificate.not_run}"
    between = f"{certificate.first} and {certificate.second}"
    if certificate.failed:
        return f"FAILED: {len(certificate.failed)} of {blobs} blobs of {between} differ"
    if not certificate.tolerance:
        return f"verified: {blobs} parts of {between} are equal"
    limit = f"within {certificate.tolerance:g} of each blob's maximum"
    return f"verified: {blobs} blobs of {between} agree {limit}"
