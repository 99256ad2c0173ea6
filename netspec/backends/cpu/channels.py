"""Sums over everything but the channels: the gradient of a bias."""

from __future__ import annotations

import numpy as np

from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.threads import claim, share
from netspec.compiled import njit

PIECE = 256  # channels of one value
EFFORT = 4  # multiply-adds that take as long as adding a value


def channel_sums(dy: Array, db: Array) -> None:
    """Add the sum of each channel of dy (N, K, ...) to db (K,)."""
    values = dy.reshape(dy.shape[0], dy.shape[1], -1)
    if values.shape[2] == 1:
        pieces = -(-db.size // PIECE)
        share(_column_sums, pieces, values[:, :, 0], db, work=dy.size)
    else:
        share(_channel_sums, db.size, values, db, work=EFFORT * dy.size)


@njit(nogil=True, cache=True)
def _column_sums(counter, tasks, workspace, dy, db):  # type: ignore[no-untyped-def]
    """The same of dy (N, K); one task a piece of the channels, row after row."""
    totals = np.empty(PIECE)
    task = claim(counter)
    while task < tasks:
        first, last = task * PIECE, min(db.size, (task + 1) * PIECE)
        totals[:] = 0
        for n in range(dy.shape[0]):
            for k in range(first, last):
                totals[k - first] += dy[n, k]
        for k in range(first, last):
            db[k] += np.float32(totals[k - first])
        task = claim(counter)


@njit(nogil=True, cache=True)
def _channel_sums(counter, tasks, workspace, dy, db):  # type: ignore[no-untyped-def]
    """db[k] += the sum of dy (N, K, positions) in channel k; one task a channel."""
    task = claim(counter)
    while task < tasks:
        total = 0.0
        for n in range(dy.shape[0]):
            total += _sum(dy[n, task])
        # Rounded before it is added, as the contract of gradients has it.
        db[task] += np.float32(total)
        task = claim(counter)


@njit(nogil=True, cache=True, fastmath={"reassoc"})
def _sum(values):  # type: ignore[no-untyped-def]
    """In double precision; several partial sums at a time, as the vectors are wide."""
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total
