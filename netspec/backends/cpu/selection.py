"""Rows by index and copies along an axis by compiled kernels.

A row of the output, or a stretch of its columns, is one task's, so that nothing is
written by two: gradients of rows that were taken several times add up in the order in
which they were taken, for any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.cpu.elementwise import as_vectors
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.threads import claim
from netspec.backends.reference.selection import SelectionOps
from netspec.compiled import njit

Array = Any

STRIP = 64  # columns of rows added up that a thread takes at once
LINE = 1024  # columns of tiles added up that a thread takes at once


class CpuSelectionOps(SelectionOps):
    """float32 by kernels; other types as the reference does."""

    def take_rows(
        self, x: Array, index: Array, y: Array, bias: Array | None = None
    ) -> None:
        """See :meth:`SelectionOps.take_rows`."""
        if as_vectors(x, y) is None:
            super().take_rows(x, index, y, bias)
        else:
            over(_take, *y.shape, x, _whole(index), y, bias)

    def add_rows(self, dy: Array, index: Array, dx: Array) -> None:
        """See :meth:`SelectionOps.add_rows`."""
        if as_vectors(dy, dx) is None:
            super().add_rows(dy, index, dx)
            return
        rows, columns = dy.shape
        index = _whole(index)
        order = np.argsort(index, kind="stable")
        strips = -(-columns // STRIP)
        over(_add, strips, rows * STRIP, dy, index, order, dx, workspace=STRIP)

    def tile(self, x: Array, y: Array) -> None:
        """See :meth:`SelectionOps.tile`."""
        if as_vectors(x, y) is None:
            super().tile(x, y)
        else:
            over(_tile, y.shape[0] * y.shape[1], y.shape[2], x, y)

    def tile_backward(self, dy: Array, dx: Array) -> None:
        """See :meth:`SelectionOps.tile_backward`."""
        if as_vectors(dy, dx) is None:
            super().tile_backward(dy, dx)
            return
        outer, tiles, columns = dy.shape
        over(_untile, outer * -(-columns // LINE), tiles * LINE, dy, dx)


def _whole(index: Array) -> Array:
    return index.reshape(-1).astype(np.int64)


@njit(cache=True, nogil=True)
def _take(counter, tasks, workspace, group, x, index, y, bias):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        for m in range(task * group, min((task + 1) * group, index.size)):
            row, out = x[index[m]], y[m]
            if bias is None:
                for i in range(out.size):
                    out[i] = row[i]
            else:
                for i in range(out.size):
                    out[i] = row[i] + bias[i]
        task = claim(counter)


@njit(cache=True, nogil=True)
def _add(counter, tasks, workspace, group, dy, index, order, dx):  # type: ignore[no-untyped-def]
    columns = dy.shape[1]
    strips = (columns + STRIP - 1) // STRIP
    task = claim(counter)
    while task < tasks:
        for strip in range(task * group, min((task + 1) * group, strips)):
            start, stop = strip * STRIP, min((strip + 1) * STRIP, columns)
            _add_columns(dy, index, order, dx, workspace, start, stop)
        task = claim(counter)


@njit(cache=True, nogil=True)
def _add_columns(dy, index, order, dx, total, start, stop):  # type: ignore[no-untyped-def]
    """Rows of one index follow each other in *order*: their sum is added once."""
    for place in range(order.size):
        m = order[place]
        row, out = dy[m, start:stop], dx[index[m], start:stop]
        if place == 0 or index[order[place - 1]] != index[m]:
            for i in range(row.size):
                total[i] = row[i]
        else:
            for i in range(row.size):
                total[i] += row[i]
        if place + 1 == order.size or index[order[place + 1]] != index[m]:
            for i in range(row.size):
                out[i] += total[i]


@njit(cache=True, nogil=True)
def _tile(counter, tasks, workspace, group, x, y):  # type: ignore[no-untyped-def]
    outer, tiles = y.shape[:2]
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, outer * tiles)):
            o, t = thing // tiles, thing % tiles
            row, out = x[o], y[o, t]
            for i in range(out.size):
                out[i] = row[i]
        task = claim(counter)


@njit(cache=True, nogil=True)
def _untile(counter, tasks, workspace, group, dy, dx):  # type: ignore[no-untyped-def]
    outer, tiles, columns = dy.shape
    lines = (columns + LINE - 1) // LINE
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, outer * lines)):
            o, start = thing // lines, thing % lines * LINE
            stop = min(start + LINE, columns)
            out = dx[o, start:stop]
            first = dy[o, 0, start:stop]
            for i in range(out.size):
                out[i] = first[i]
            for t in range(1, tiles):
                row = dy[o, t, start:stop]
                for i in range(out.size):
                    out[i] += row[i]
        task = claim(counter)
