"""Ranks as threads of this process, for tests: the same code, without MPI."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from queue import Queue

import numpy as np

from netspec.sync.background import Background
from netspec.sync.direct import Direct
from netspec.sync.doubling import reduce_tree, share_parts

PATIENCE = 120  # seconds after which a test gives up on a partner; machines are slow
LATE = 0.02  # seconds


class Mail:
    """Messages between ranks, by lane, sender and receiver."""

    def __init__(self):
        self.boxes = defaultdict(Queue)
        self.lock = threading.Lock()  # of two boxes made at once, one would be lost
        self.arrays = defaultdict(list)  # of each rank, that others may read
        self.laziness = {}  # seconds that ranks wait before they read others' arrays

    def box(self, *address):
        with self.lock:
            return self.boxes[address]


class ThreadNeighbours:
    """Which arrays ranks find of each other: pairs that *apart* names find none."""

    def __init__(self, mail, rank, apart=()):
        self.mail, self.rank, self.apart = mail, rank, apart

    def zeros(self, size, dtype):
        found = np.zeros(size, dtype)
        self.mail.arrays[self.rank].append(found)
        return found

    def of(self, partner, values):
        at = values.ctypes.data
        for i, own in enumerate(self.mail.arrays[self.rank]):
            first = (at - own.ctypes.data) // own.itemsize
            if 0 <= first <= len(own) - len(values):
                if {partner, self.rank} in self.apart:
                    return None
                theirs = self.mail.arrays[partner][i][first : first + len(values)]
                theirs.flags.writeable = False
                return theirs
        return None


class ThreadPort(Direct):
    def __init__(self, mail, lane, rank, size, neighbours):
        super().__init__(neighbours)
        self.mail, self.lane, self.rank, self.size = mail, lane, rank, size
        self.sent = 0

    def _may_read(self, partner, get, give):
        may = super()._may_read(partner, get, give)
        time.sleep(self.mail.laziness.get(self.rank, 0))
        return may

    def send(self, partner, values):
        self.sent += values.nbytes
        self.mail.box(self.lane, self.rank, partner).put(values.copy())

    def receive(self, partner, into):
        into[...] = self.mail.box(self.lane, partner, self.rank).get(timeout=PATIENCE)

    def say(self, to, until):
        for partner in to:
            self.mail.box(self.lane, self.rank, partner).put(None)
        for partner in until:
            box = self.mail.box(self.lane, partner, self.rank)
            assert box.get(timeout=PATIENCE) is None

    def add(self, into, values):
        into += values

    def swap(self, partner, values, into):
        self.send(partner, values)
        self.receive(partner, into)


class ThreadRank:
    """A synchronizer; see :class:`netspec.sync.Synchronizer`."""

    def __init__(self, mail, rank, size, apart=()):
        self.rank, self.size = rank, size
        self.near = near = ThreadNeighbours(mail, rank, apart)
        self.port = ThreadPort(mail, "main", rank, size, near)
        self.own_port = ThreadPort(mail, "background", rank, size, near)
        self.background = Background("test-sync")
        self.notes = []

    def shared(self, size, dtype):
        found = self.near.zeros(size, dtype)
        self.barrier()  # all have theirs
        return found

    @property
    def busy(self):
        return self.background.busy

    def reduce(self, bucket):
        reduce_tree(self.port, bucket, np.empty_like(bucket))

    def begin(self, bucket, then, result=None):
        def job():
            reduce_tree(self.own_port, bucket, np.empty_like(bucket), then, result)

        self.background.do(job)

    def complete(self, values):
        share_parts(self.port, values)
        self.port.settle()

    def finish(self):
        self.background.do(self.own_port.settle)
        self.background.finish()

    def broadcast(self, bucket, root=0):
        if self.rank == root:
            for partner in range(self.size):
                if partner != root:
                    self.port.send(partner, bucket)
        else:
            self.port.receive(root, bucket)

    def barrier(self):
        self.reduce(np.zeros(1))

    def note(self, activity):
        self.notes.append(activity)


def on_ranks(size, work, apart=(), lazy=()):
    """``work(sync)`` on each of *size* ranks; their results, in order.

    Arrays that are *shared* are read where they are, but by pairs that are *apart*, and
    late by ranks that are *lazy*.
    """
    mail, results, errors = Mail(), [None] * size, []
    mail.laziness = dict.fromkeys(lazy, LATE)

    def run(rank):
        try:
            results[rank] = work(ThreadRank(mail, rank, size, apart))
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=(r,), daemon=True) for r in range(size)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 2)
    if errors:
        raise errors[0]
    return results
