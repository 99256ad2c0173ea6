"""Memory that a process on the same machine can map, and who cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from netspec.sync import neighbours, shared
from netspec.sync.neighbours import SWITCH, Neighbours
from netspec.sync.shared import Offer, Segment, open_offer

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="maps other processes' memory"
)

SIZE = 5 << 20  # bytes: two huge pages, and a half
OWNER = f"""
import sys
from netspec.sync.shared import Segment
segment = Segment({SIZE})
segment.bytes[:3] = 1, 2, 3
print(segment.offer.pack().hex(), flush=True)
for line in sys.stdin:
    segment.bytes[int(line)] = 9
    print(flush=True)
"""


@contextmanager
def owner():
    """Another process with a segment: its offer, and a way to have it write."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, Offer.unpack(bytes.fromhex(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


def test_what_a_neighbour_writes_is_seen_and_may_not_be_written():
    with owner() as (process, offer):
        seen = open_offer(offer)
        assert len(seen) == SIZE
        assert seen[:4].tolist() == [1, 2, 3, 0]
        assert not seen[4:].any()
        for at in (7, SIZE - 1):
            process.stdin.write(f"{at}\n")
            process.stdin.flush()
            process.stdout.readline()
            assert seen[at] == 9
        with pytest.raises(ValueError, match="read-only"):
            seen[0] = 1


def test_nothing_is_left_of_an_owner_that_was_killed():
    with owner() as (process, offer):
        seen = open_offer(offer)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert seen[:3].tolist() == [1, 2, 3]  # ours as long as we look at it
        assert open_offer(offer) is None


def test_who_is_not_meant_finds_nothing(tmp_path):
    with owner() as (_, offer):
        assert open_offer(Offer()) is None
        assert open_offer(replace(offer, machine=b"elsewhere".ljust(16))) is None
        assert open_offer(replace(offer, token=b"another".ljust(16))) is None
        assert open_offer(replace(offer, size=SIZE - 4096)) is None
        assert open_offer(replace(offer, descriptor=0)) is None  # a pipe
        with (tmp_path / "memfd:netspec").open("wb") as file:
            file.truncate(SIZE + 4096)
            here = replace(offer, process=os.getpid(), descriptor=file.fileno())
            assert open_offer(here) is None


def test_a_segment_that_is_closed_cannot_be_opened_any_more():
    segment = Segment(SIZE)
    assert open_offer(segment.offer) is not None
    segment.close()
    assert open_offer(segment.offer) is None
    segment.bytes[...] = 1


def test_a_segment_begins_where_a_huge_page_may():
    segment = Segment(SIZE)
    assert segment.bytes.ctypes.data % (2 << 20) == 0
    assert not segment.bytes.any()
    segment.close()


class Table:
    """Two ranks that are asked one after the other: what each gives is known."""

    def __init__(self):
        self.given = []

    def gather(self, data):
        return self.given.pop(0)(data)


def lone(second):
    """Rank 0 of two beside one that gives *second*, and then says it can read us."""
    table = Table()
    table.given = [lambda data: [data, second], lambda data: [data, b"\1\0"]]
    return Neighbours(0, [1], table.gather)


def test_an_array_is_found_in_a_neighbours_memory():
    with owner() as (_, offer):
        near = lone(offer.pack())
        mine = near.zeros(SIZE // 4, "float32")
        assert not mine.any()
        theirs = near.of(1, mine[: 1 << 20])
        assert theirs.view(np.uint8)[:4].tolist() == [1, 2, 3, 0]
        assert theirs.shape == (1 << 20,)
        assert near.of(1, mine[5:9]).shape == (4,)
        assert near.of(1, np.zeros(9, np.float32)) is None


@pytest.mark.parametrize("why", ["closed", "other size", "cannot see us", "switched"])
def test_a_pair_that_cannot_see_each_other_sends_messages(why, monkeypatch):
    with owner() as (process, offer):
        near = lone(offer.pack())
        length = SIZE // 4
        if why == "closed":
            process.kill()
            process.wait()
        if why == "other size":
            length -= 1
        if why == "cannot see us":
            near._gather.__self__.given[1] = lambda data: [data, b"\0\0"]
        if why == "switched":
            monkeypatch.setenv(SWITCH, "0")
        mine = near.zeros(length, "float32")
        if mine is not None:
            assert near.of(1, mine) is None
        assert (mine is None) == (why == "switched")


def test_a_system_without_such_memory_sends_messages(monkeypatch):
    def fail(name):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(shared.os, "memfd_create", fail)
    assert lone(Offer().pack()).zeros(8, "float32") is None
    monkeypatch.undo()
    monkeypatch.setattr(neighbours, "Segment", Segment)
    assert lone(Offer().pack()).zeros(8, "float32") is not None
