"""The shipped database of handwritten digits, record by record."""

from __future__ import annotations

from collections import Counter

import lmdb
import numpy as np
import pytest

from netspec.proto import Datum

from .helpers import MODELS

IMAGES = {"train": 1437, "test": 360}


def records(split: str) -> list[tuple[bytes, Datum]]:
    folder = str(MODELS / f"digits_{split}_lmdb")
    with (
        lmdb.open(folder, readonly=True, lock=False) as environment,
        environment.begin() as transaction,
    ):
        return [(key, Datum.FromString(value)) for key, value in transaction.cursor()]


@pytest.mark.smoke
@pytest.mark.parametrize("split", IMAGES)
def test_every_record_is_a_grey_8_by_8_picture_of_a_digit(split: str) -> None:
    found = records(split)
    assert len(found) == IMAGES[split]
    for key, datum in found:
        assert (datum.channels, datum.height, datum.width) == (1, 8, 8)
        pixels = np.frombuffer(datum.data, np.uint8)
        assert pixels.shape == (64,)
        assert 0 < pixels.max() <= 16, key
        assert 0 <= datum.label <= 9


@pytest.mark.parametrize("split", IMAGES)
def test_keys_count_up_so_that_they_sort_in_writing_order(split: str) -> None:
    keys = [key.decode() for key, _ in records(split)]
    assert [key[:9] for key in keys] == [f"{n:08d}_" for n in range(IMAGES[split])]


def test_no_picture_is_in_both_splits() -> None:
    names = {split: {key[9:] for key, _ in records(split)} for split in IMAGES}
    assert len(names["train"] | names["test"]) == 1797


def test_both_splits_hold_every_digit_about_equally() -> None:
    for split, images in IMAGES.items():
        labels = Counter(datum.label for _, datum in records(split))
        assert len(labels) == 10
        assert min(labels.values()) > 0.75 * images / 10
        assert max(labels.values()) < 1.25 * images / 10


def test_the_databases_are_small_and_leave_no_lock_behind() -> None:
    files = [path for path in MODELS.glob("digits_*_lmdb/*") if path.suffix != ".lock"]
    assert sum(path.stat().st_size for path in files) < 300_000


def test_the_records_are_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is absent")
    digits = datasets.load_digits()
    for split in IMAGES:
        for key, datum in records(split):
            index = int(key.decode().rpartition("_")[2])
            assert datum.label == digits.target[index]
            assert datum.data == digits.images[index].astype(np.uint8).tobytes()
