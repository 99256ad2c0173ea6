"""A feed goes on in a process that was forked from its own."""

from __future__ import annotations

import os
import traceback

import numpy as np
import pytest

from netspec.data.feeds import Feeds
from netspec.proto import TRAIN
from netspec.spec import filter_net, parse_net
from tests.sync.running import NET, make_files


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_an_lmdb_reader_survives_a_fork(tmp_path):
    """Child and parent read at once what both would have read alone."""
    folder = make_files(tmp_path, "")
    spec = filter_net(parse_net(NET, str(folder / "net.prototxt")), TRAIN)
    expected = [Feeds(spec, seed=3).read(first, 16) for first in (0, 16, 48)]
    feeds = Feeds(spec, seed=3)
    same(feeds.read(0, 16), expected[0])
    child = os.fork()
    if not child:
        code = 1
        try:
            same(feeds.read(16, 16), expected[1])
            same(feeds.read(48, 16), expected[2])
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    same(feeds.read(48, 16), expected[2])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    same(feeds.read(16, 16), expected[1])


def same(found, expected):
    assert found.keys() == expected.keys() == {"data", "label"}
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
