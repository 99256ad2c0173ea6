"""Records with flipped, lost and added bytes are read or refused, and nothing else."""

from __future__ import annotations

import random

import numpy as np
import pytest

from netspec.data.database import Database
from netspec.data.decode import Channels
from netspec.data.inspect import verify
from netspec.errors import DataError
from tests.data.making import datum, encoded, image_file, pictures, smooth, write_lmdb

SOUND = [
    datum(pictures(1, (3, 5, 7))[0], 3),
    datum(pictures(1, (1, 4, 4))[0].astype(np.float32), -2),
    encoded(image_file("JPEG", smooth(16, 20)), 1),
    encoded(image_file("JPEG", smooth(16, 20, "CMYK")), 1),
    encoded(image_file("PNG", smooth(9, 8)), 2),
    encoded(image_file("GIF", smooth(9, 8)), 2),
    encoded(image_file("WEBP", smooth(9, 8)), 2),
    encoded(image_file("TIFF", smooth(9, 8), compression="tiff_lzw"), 2),
    encoded(image_file("BMP", smooth(9, 8)), 2),
    encoded(image_file("PPM", smooth(9, 8)), 2),
]


def mutated(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8))):
        at = draw.randrange(len(changed))
        how = draw.random()
        if how < 0.6:
            # Headers are at the front, and hurt most.
            at = draw.randrange(min(len(changed), draw.choice((12, 60, len(changed)))))
            changed[at] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        elif how < 0.8:
            del changed[at : at + draw.randrange(1, 9)]
        else:
            changed[at:at] = draw.randbytes(draw.randrange(1, 9))
        if not changed:
            return b""
    return bytes(
        changed[: draw.randrange(len(changed))] if draw.random() < 0.1 else changed
    )


def refusal(database: Database, index: int) -> DataError | None:
    """Why a record is refused, or None for one that gives a picture and a label."""
    try:
        pixels, label = database.record(index)
    except DataError as error:
        return error
    assert pixels.ndim == 3
    assert pixels.dtype in (np.uint8, np.float32)
    assert isinstance(label, int)
    assert database.glance(index).label == label
    return None


@pytest.mark.filterwarnings("ignore")  # a decoder's remarks on a damaged image
@pytest.mark.parametrize("channels", list(Channels))
def test_damaged_records(tmp_path, channels):
    draw = random.Random(f"damage {channels.value}")
    wires = [mutated(draw.choice(SOUND), draw) for _ in range(1200)]
    path = write_lmdb(tmp_path / "db", ((b"%05d" % i, w) for i, w in enumerate(wires)))
    database = Database(path, channels)
    errors = [refusal(database, i) for i in range(len(wires))]
    for i, error in enumerate(errors):
        if error is not None:
            assert error.problem.startswith(f"record '{i:05d}' of database")
            assert error.remedy
    good = errors.count(None)
    assert 100 < good < 1100
    if channels is Channels.NATIVE:
        assert len(list(verify(database, workers=2))) == len(wires) - good
