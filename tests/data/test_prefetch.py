from __future__ import annotations

import subprocess
import sys
import threading
import time
from itertools import count, islice

import numpy as np
import pytest

from netspec.data.feed import Feed
from netspec.data.prefetch import Prefetcher, batches
from netspec.errors import DataError
from tests.conftest import ROOT
from tests.data.making import (
    data_layer,
    encoded,
    image_file,
    pictures,
    pictures_lmdb,
    smooth,
    write_lmdb,
)

AUGMENT = "crop_size: 20 mirror: true"


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """JPEGs of different sizes; number 17 is cut short."""
    files = [image_file("JPEG", smooth(24 + i, 60 - i)) for i in range(20)]
    files[17] = files[17][:500]
    path = tmp_path_factory.mktemp("photos") / "db"
    return write_lmdb(path, ((b"%02d" % i, encoded(f, i)) for i, f in enumerate(files)))


def sound_photos(photos) -> Feed:
    """Batches that never meet the bad one are (first, count) below 17 of each 20."""
    return Feed(data_layer(photos, 17, AUGMENT), seed=9)


@pytest.mark.smoke
@pytest.mark.parametrize("workers", [0, 1, 2, 4])
@pytest.mark.parametrize("ahead", [0, 3])
def test_workers_change_nothing(photos, workers, ahead):
    feed = sound_photos(photos)
    ranges = [(0, 17), (20, 11), (40, 1), (60, 16), (3, 14)]
    with Prefetcher(feed, ranges, workers, ahead) as prefetcher:
        found = list(prefetcher)
    assert len(found) == len(ranges)
    for tops, (first, many) in zip(found, ranges):
        for values, wanted in zip(tops, feed.read(first, many)):
            np.testing.assert_array_equal(values, wanted)


def test_batches():
    assert list(islice(batches(10, 4), 3)) == [(10, 4), (14, 4), (18, 4)]
    assert list(islice(batches(8, 4, stride=32), 3)) == [(8, 4), (40, 4), (72, 4)]


def test_read_is_the_feeds_whether_foreseen_or_not(tmp_path):
    feed = Feed(data_layer(pictures_lmdb(tmp_path / "db", pictures(9, (1, 5, 4))), 3))
    with Prefetcher(feed, batches(0, 3), 2) as prefetcher:
        for first in (0, 3, 33, 6, 9):
            np.testing.assert_array_equal(
                prefetcher.read(first, 3)[1], [(first + i) % 9 for i in range(3)]
            )


def test_it_runs_no_further_ahead_than_told(tmp_path):
    feed = Feed(data_layer(pictures_lmdb(tmp_path / "db", pictures(9, (1, 5, 4))), 3))
    taken = []

    def ranges():
        for i in count():
            taken.append(i)
            yield 3 * i, 3

    with Prefetcher(feed, ranges(), 2, ahead=4) as prefetcher:
        assert len(taken) == 4
        next(prefetcher)
        next(prefetcher)
        assert len(taken) == 6


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_error_comes_at_its_place_and_ends_it(photos, workers):
    feed = sound_photos(photos)
    prefetcher = Prefetcher(feed, batches(0, 5), workers, ahead=6)
    for _ in range(3):
        next(prefetcher)
    with pytest.raises(DataError, match="record '17'"):
        next(prefetcher)
    with pytest.raises(StopIteration):
        next(prefetcher)


def test_closing_ends_the_threads(photos):
    before = threading.active_count()
    prefetcher = Prefetcher(sound_photos(photos), batches(0, 17), 3)
    next(prefetcher)
    assert threading.active_count() > before
    prefetcher.close()
    assert threading.active_count() == before
    with pytest.raises(StopIteration):
        next(prefetcher)
    prefetcher.close()


SCRIPT = """
import sys
from pathlib import Path
from netspec.data.feed import Feed
from netspec.data.prefetch import Prefetcher, batches
from tests.data.making import data_layer
feed = Feed(data_layer(Path(sys.argv[1]), 2, "crop_size: 20"))
prefetcher = Prefetcher(feed, batches(0, 2), workers=3)
next(prefetcher)
raise SystemExit(7) if sys.argv[2] == "exit" else KeyError("lost")
"""


@pytest.mark.parametrize(("how", "code"), [("exit", 7), ("error", 1)])
def test_a_program_that_forgets_to_close_still_ends(photos, how, code):
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(photos), how],
        cwd=ROOT,
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert ("KeyError: 'lost'" in done.stderr) == (how == "error")
    assert time.monotonic() - start < 30
