"""Pictures as bytes, which a device transforms: what arrays of them are, and when."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.data.feed import Feed
from netspec.data.mean import write_mean
from netspec.data.prefetch import Prefetcher
from netspec.data.raw import RawPictures
from netspec.errors import DataError
from netspec.proto import TEST, TRAIN
from tests.data.making import (
    data_layer,
    datum,
    encoded,
    image_file,
    layer,
    pictures,
    pictures_lmdb,
    smooth,
    write_lmdb,
)

IMAGES = pictures(23, (3, 10, 14))
RANDOM = "crop_size: 9 mirror: true mean_value: 3.3 scale: 0.017"
RANGES = [(0, 9), (20, 11), (40, 1), (60, 17), (3, 14)]


def is_raw(tops) -> bool:
    return isinstance(tops[0], RawPictures)


@pytest.fixture
def database(tmp_path):
    return pictures_lmdb(tmp_path / "db", IMAGES)


@pytest.mark.smoke
@pytest.mark.parametrize("phase", [TRAIN, TEST])
@pytest.mark.parametrize(
    "transform",
    [RANDOM, "", 'mirror: true mean_file: "mean"', "crop_size: 10 scale: 3"],
)
def test_its_array_is_what_the_host_makes_of_it(database, transform, phase):
    mean = np.random.default_rng(3).random((3, 10, 14), np.float32) * 200
    write_mean(database.parent / "mean", mean)
    proto = data_layer(database, 8, transform, "shuffle: true rand_skip: 9")
    feed = Feed(proto, phase, seed=4, root=database.parent)
    for first, count in RANGES:
        tops, expected = feed.read_raw(first, count), feed.read(first, count)
        assert is_raw(tops)
        assert tops[0].shape == expected[0].shape
        assert tops[0].pixels.nbytes < expected[0].nbytes
        for found, wanted in zip(tops, expected):
            np.testing.assert_array_equal(found, wanted)
            np.testing.assert_array_equal(found[1:5], wanted[1:5])
            assert np.asarray(found).dtype == np.float32
        assert np.asarray(tops[0], np.float64).dtype == np.float64


def test_a_layer_may_have_no_labels(database):
    proto = data_layer(database, 4)
    del proto.top[1]
    (data,) = Feed(proto).read_raw(21, 4)
    np.testing.assert_array_equal(data, IMAGES[[21, 22, 0, 1]])


@pytest.mark.parametrize(
    "transform",
    [
        "crop_size: 5",
        "crop_size: 9 short_side: 12",
        "crop_size: 9 color_shift_std: 0.1",
    ],
)
def test_what_does_not_pay_or_is_netspecs_own_stays_with_the_host(database, transform):
    feed = Feed(data_layer(database, 4, transform))
    tops = feed.read_raw(2, 4)
    assert not is_raw(tops)
    np.testing.assert_array_equal(tops[0], feed.read(2, 4)[0])


def test_floats_and_rows_stay_with_the_host(tmp_path):
    records = [(b"%02d" % i, datum(x / 2, i)) for i, x in enumerate(IMAGES)]
    (data, _) = Feed(data_layer(write_lmdb(tmp_path / "db", records), 3)).read_raw(1, 3)
    np.testing.assert_array_equal(data, IMAGES[1:4] / 2)
    feed = Feed(
        layer(
            'type: "MemoryData" top: "data" memory_data_param { batch_size: 2 '
            "channels: 3 height: 10 width: 14 }"
        )
    )
    feed.set_arrays(IMAGES[:4], np.zeros(4))
    np.testing.assert_array_equal(feed.read_raw(2, 2)[0], IMAGES[2:4])


@pytest.fixture
def photos(tmp_path):
    """JPEGs of one size, but for number 13 of 20; number 17 is cut short."""
    sizes = [(30 + (i == 13), 40) for i in range(20)]
    files = [image_file("JPEG", smooth(*size)) for size in sizes]
    files[17] = files[17][:400]
    return write_lmdb(
        tmp_path / "db", ((b"%02d" % i, encoded(f, i)) for i, f in enumerate(files))
    )


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_threads_change_nothing(photos, workers):
    """Once a picture of another size has been met, nothing is raw; nor that range."""
    proto = data_layer(photos, 17, "crop_size: 25 mirror: true mean_value: 9")
    feed, ranges = Feed(proto, seed=9), [(0, 13), (21, 11), (0, 17), (40, 11)]
    with Prefetcher(feed, ranges, workers, ahead=0, raw=True) as prefetcher:
        found = list(prefetcher)
        np.testing.assert_array_equal(prefetcher.read(0, 3)[1], [0, 1, 2])
    assert [is_raw(tops) for tops in found] == [True, True, False, False]
    for tops, (first, count) in zip(found, ranges):
        for values, wanted in zip(tops, feed.read(first, count)):
            np.testing.assert_array_equal(values, wanted)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_at_its_place(photos, workers):
    feed = Feed(data_layer(photos, 5, "crop_size: 25"), seed=9)
    ranges = [(0, 9), (14, 6)]
    with Prefetcher(feed, ranges, workers, raw=True) as prefetcher:
        assert is_raw(next(prefetcher))
        with pytest.raises(DataError, match="record '17'"):
            next(prefetcher)
