"""Damaged weights end in weights or in a DataError, soon and within the file's size."""

from __future__ import annotations

import random
import time
import tracemalloc

import numpy as np
import pytest

from netspec.errors import DataError
from netspec.weights import read_weights, write_hdf5
from tests.weights.samples import current, small, v0, v1

MUTANTS = 2000


def mutate(data: bytes, rng: random.Random) -> bytes:
    """A few random edits: bytes changed, flipped, removed, added, cut, overwritten."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        at = rng.randrange(len(out) + 1)
        some = rng.randbytes(rng.choice([1, 2, 5, 11]))
        match rng.randrange(6):
            case 0:
                out[at : at + 1] = some[:1]
            case 1 if at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            case 2:
                del out[at : at + rng.choice([1, 4, 100])]
            case 3:
                out[at:at] = some
            case 4 if rng.random() < 0.3:
                del out[at:]
            case _:
                out[at : at + 8] = rng.choice([b"\xff", b"\x80", b"\0"]) * 8
    return bytes(out)


def outcome(path, data: bytes) -> bool:
    """Whether damaged bytes were still weights."""
    path.unlink(missing_ok=True)  # a file that was mapped before stays as it was
    path.write_bytes(data)
    try:
        weights = read_weights(path)
    except DataError as error:
        return str(error).count("\n") < 1  # each has its remedy on a second line
    held = sum(array.nbytes for name in weights for array in weights[name])
    assert held <= len(data)
    return True


def seeds() -> list[bytes]:
    nets = [current(small()), v1(small()), v0(small())]
    doubled = current(
        {n: [a.astype("f8") for a in some] for n, some in small().items()}
    )
    for layer in doubled.layer:
        for blob in layer.blobs:
            blob.double_data.extend(blob.data)
            blob.ClearField("data")
    raw = current(small())
    for blob in raw.layer[1].blobs:
        values = np.array(blob.data, np.float16)
        blob.ClearField("data")
        blob.raw_data_type, blob.raw_data = 2, values.tobytes()
    return [net.SerializeToString() for net in [*nets, doubled, raw]]


def test_damaged_caffemodels(tmp_path) -> None:
    rng, start = random.Random(11), time.perf_counter()
    files = seeds()
    assert all(outcome(tmp_path / "a.caffemodel", data) for data in files)
    tracemalloc.start()
    kept = [
        outcome(tmp_path / "a.caffemodel", mutate(rng.choice(files), rng))
        for _ in range(MUTANTS)
    ]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.05 * MUTANTS < sum(kept) < 0.8 * MUTANTS  # both ends are reached
    assert peak < 20e6
    assert time.perf_counter() - start < 60


def test_damaged_hdf5(tmp_path) -> None:
    pytest.importorskip("h5py")
    rng, path = random.Random(12), tmp_path / "a.h5"
    write_hdf5(path, small())
    data = path.read_bytes()
    kept = [outcome(path, mutate(data, rng)) for _ in range(MUTANTS // 10)]
    assert 0 < sum(kept) < len(kept)
