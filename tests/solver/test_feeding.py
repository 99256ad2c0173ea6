"""Reading ahead, and forgetting to end it."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from netspec.data.feeds import Feeds
from netspec.proto import TRAIN
from netspec.solver.feeding import ReadAhead
from netspec.spec import filter_net, parse_net
from tests.data.making import pictures, pictures_lmdb

NET = """layer { name: "d" type: "Data" top: "x" top: "y"
  data_param { source: "db" backend: LMDB batch_size: 2 } }"""


@pytest.fixture
def feeds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures_lmdb(tmp_path / "db", pictures(5, (3, 4, 4)))
    return Feeds(filter_net(parse_net(NET), TRAIN), seed=1)


def test_samples_by_top_in_order(feeds):
    with ReadAhead(feeds, [(0, 2), (2, 2), (1, 1)]) as ahead:
        rows = list(ahead)
    assert [row["y"].tolist() for row in rows] == [[0, 1], [2, 3], [1]]


def test_collecting_one_that_was_forgotten_waits_for_no_thread(feeds, monkeypatch):
    ahead = ReadAhead(feeds, [(0, 2)] * 50)
    next(ahead)
    ahead.itself = ahead  # only the collector finds it

    gone, waited = weakref.ref(ahead), []
    del ahead
    monkeypatch.setattr(threading.Thread, "join", lambda *_: waited.append("for one"))
    gc.collect()
    assert gone() is None
    assert not waited
