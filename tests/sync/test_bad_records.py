"""Bad records that others stand in for: the same bits on any number of ranks."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image

from netspec.proto import Datum
from tests.data.making import datum, encoded, write_lmdb

from .running import NET, digest, make_files, run

pytest.importorskip("mpi4py", reason="needs the extra mpi")
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="starts many processes"
)

RECORDS = 41  # a prime: every epoch deals the records to the ranks anew
# Every record is read by several ranks; iteration 5 is in the second epoch.
SETTINGS = "max_iter: 8 snapshot: 4 test_interval: 4 display: 1"
TRANSFORM = "crop_size: 6 mirror: true scale: 0.01 force_color: true"


def picture(number: int, height: int = 9, width: int = 8) -> np.ndarray:
    draw = np.random.default_rng(number)
    return draw.integers(0, 256, (height, width, 3), np.uint8)


def jpeg(number: int, *size: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture(number, *size)).save(out, "JPEG", quality=90)
    return out.getvalue()


def cut(file: bytes) -> bytes:
    return file[: len(file) // 2]


# By number: the first, neighbours, the last, whose next is the first, and another.
BAD: dict[int, Callable[[int], bytes]] = {
    0: lambda n: cut(jpeg(n)),
    7: lambda n: b"",
    8: lambda n: b"<html>404</html>",
    23: lambda n: jpeg(n, 5, 8),  # smaller than the crop
    40: lambda n: cut(jpeg(n)),
}


def label(number: int) -> int:
    return number % 3


def database(folder: Path) -> None:
    """Pictures as they are and files of pictures; damage inside and around them."""
    shutil.rmtree(folder / "db")
    records = []
    for i in range(RECORDS):
        if i in BAD:
            value = encoded(BAD[i](i), label(i))
        elif i % 2:
            value = encoded(jpeg(i), label(i))
        else:
            value = datum(picture(i).transpose(2, 0, 1), label(i))
        if i == 30:
            value = value[: len(value) // 2]  # no Datum any more
        if i == 31:
            claim = Datum.FromString(value)
            claim.encoded = False  # pixels, of which there are too few
            value = claim.SerializeToString()
        records.append((b"%05d" % i, value))
    write_lmdb(folder / "db", records)


def image_list(folder: Path) -> None:
    """Image files, of which one is missing."""
    for i in range(RECORDS):
        content = BAD[i](i) if i in BAD else jpeg(i)
        if i != 30:
            (folder / f"{i}.jpg").write_bytes(content)
    lines = (f"{i}.jpg {label(i)}\n" for i in range(RECORDS))
    (folder / "db").rename(folder / "unused")
    (folder / "db").write_text("".join(lines))


KINDS = {"Data": database, "ImageData": image_list}


def net_of(kind: str) -> str:
    net = NET.replace("crop_size: 6 mirror: true scale: 0.01", TRANSFORM)
    net = net.replace("crop_size: 6 scale: 0.01", "crop_size: 6 force_color: true")
    net = net.replace("batch_size:", "replace_bad: true workers: 2 batch_size:")
    if kind == "ImageData":
        net = net.replace("backend: LMDB", "").replace("data_param", "image_data_param")
        net = net.replace('type: "Data"', 'type: "ImageData"')
    return net


def trained(folder: Path, kind: str, *options: str) -> CompletedProcess[str]:
    make_files(folder, SETTINGS, net_of(kind))
    KINDS[kind](folder)
    done = run(folder, *options)
    assert done.returncode == 0, done.stderr
    return done


def warnings_of(text: str) -> list[str]:
    """What was said of bad records, on lines of their own."""
    lines = [line for line in text.splitlines() if "compiling kernels" not in line]
    assert all(line.startswith("netspec: warning: ") for line in lines)
    assert all(line.endswith("stands in its place.") for line in lines)
    return lines


def results(text: str) -> list[str]:
    """What training and tests found, line by line."""
    return [line for line in text.splitlines() if " = " in line]


@pytest.mark.parametrize(("kind", "ranks"), [("Data", (2, 4)), ("ImageData", (2,))])
def test_ranks_agree_on_what_stands_in(tmp_path, kind, ranks):
    on_one = trained(tmp_path / "1", kind)
    assert results(on_one.stdout)
    assert len(warnings_of(on_one.stderr)) == len(BAD) + (2 if kind == "Data" else 1)
    for size in ranks:
        folder = tmp_path / f"{size}"
        done = trained(folder, kind, "--ranks", f"{size}")
        for iteration in (4, 8):
            assert digest(folder, iteration) == digest(tmp_path / "1", iteration)
        assert results(done.stdout) == results(on_one.stdout)
        assert set(warnings_of(done.stderr)) == set(warnings_of(on_one.stderr))
