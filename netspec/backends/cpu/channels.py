"""Sums over everything but the channels: the gradient of a bias."""

from __future__ import annotations

import numpy as np

from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.compiled import njit

PIECE = 256  # channels of one value
EFFORT = 8  # multiply-adds that take as long as adding a value


def channel_sums(dy: Array, db: Array) -> None:
    """Add the sum of each channel of dy (N, K, ...) to db (K,).

    First come sums of planes: a worker that has made some images of dy reads these.
    """
    images, channels = dy.shape[:2]
    values = dy.reshape(images, channels, -1)
    sums = values[:, :, 0]
    if values.shape[2] > 1:
        planes = values.reshape(images * channels, -1)
        totals = buffer("sums", 2 * len(planes)).view(np.float64)
        over(_plane_sums, *planes.shape, planes, totals, effort=EFFORT)
        sums = totals.reshape(images, channels)
    share(_column_sums, -(-channels // PIECE), sums, db, work=sums.size)


@njit(nogil=True, cache=True, fastmath={"reassoc"})
def _plane_sums(counter, tasks, workspace, group, planes, sums):  # type: ignore[no-untyped-def]
    """In double precision; several partial sums at a time, as the vectors are wide."""
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(planes))):
            total = 0.0
            for i in range(planes.shape[1]):
                total += planes[p, i]
            sums[p] = total
        task = claim(counter)


@njit(nogil=True, cache=True)
def _column_sums(counter, tasks, workspace, values, db):  # type: ignore[no-untyped-def]
    """db[k] += the sum of values (N, K) in channel k; one task is a piece of the
    channels, row after row.

    Rounded before it is added, as the contract of gradients has it.
    """
    totals = np.empty(PIECE)
    task = claim(counter)
    while task < tasks:
        first, last = task * PIECE, min(db.size, (task + 1) * PIECE)
        totals[:] = 0
        for n in range(values.shape[0]):
            for k in range(first, last):
                totals[k - first] += values[n, k]
        for k in range(first, last):
            db[k] += np.float32(totals[k - first])
        task = claim(counter)
