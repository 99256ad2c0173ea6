"""Ranks as threads of this process, for tests: the same code, without MPI."""

from __future__ import annotations

import threading
from collections import defaultdict
from queue import Queue

import numpy as np

from netspec.sync.background import Background
from netspec.sync.doubling import reduce_tree, share_parts

PATIENCE = 120  # seconds after which a test gives up on a partner; machines are slow


class Mail:
    """Messages between ranks, by lane, sender and receiver."""

    def __init__(self):
        self.boxes = defaultdict(Queue)
        self.lock = threading.Lock()  # of two boxes made at once, one would be lost

    def box(self, *address):
        with self.lock:
            return self.boxes[address]


class ThreadPort:
    def __init__(self, mail, lane, rank, size):
        self.mail, self.lane, self.rank, self.size = mail, lane, rank, size
        self.sent = 0

    def send(self, partner, values):
        self.sent += values.nbytes
        self.mail.box(self.lane, self.rank, partner).put(values.copy())

    def receive(self, partner, into):
        into[...] = self.mail.box(self.lane, partner, self.rank).get(timeout=PATIENCE)

    def add(self, into, values):
        into += values

    def swap(self, partner, values, into):
        self.send(partner, values)
        self.receive(partner, into)


class ThreadRank:
    """A synchronizer; see :class:`netspec.sync.Synchronizer`."""

    def __init__(self, mail, rank, size):
        self.rank, self.size = rank, size
        self.port = ThreadPort(mail, "main", rank, size)
        self.own_port = ThreadPort(mail, "background", rank, size)
        self.background = Background("test-sync")
        self.notes = []

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

    def finish(self):
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


def on_ranks(size, work):
    """``work(sync)`` on each of *size* ranks; their results, in order."""
    mail, results, errors = Mail(), [None] * size, []

    def run(rank):
        try:
            results[rank] = work(ThreadRank(mail, rank, size))
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
