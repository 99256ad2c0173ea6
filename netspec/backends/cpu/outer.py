"""Sums of outer products, the gradient of an inner product's weights.

A gradient is far larger than what it is made of: it is read from memory and written
once, eight rows at a time from left to right, while the batch's vectors come from the
cache.  Each sum is made alone, in registers, in the order of the batch, and then added
to the gradient.
"""

from __future__ import annotations

from typing import Any

from numba import types

from netspec.backends.cpu.columns import packer
from netspec.backends.cpu.lines import address, copy_rows
from netspec.backends.cpu.threads import claim, share
from netspec.backends.cpu.vectors import (
    LANES,
    ROWS,
    WIDTH,
    Emitter,
    Value,
    emitted,
)
from netspec.compiled import njit

Array = Any

PACKED = 1 << 16  # values of the right vectors that a worker has at hand: second cache
GROUP = 32 * ROWS  # rows of one task
AHEAD = 4  # panels whose gradients are asked for in advance
VECTORS = LANES // WIDTH

_ADDRESS, _COUNT = types.uintp, types.intp


def add_outer_products(a: Array, b: Array, c: Array) -> None:
    """c += aᵀ b; a (N, M), b (N, K), c (M, K), contiguous float32."""
    batch, (rows, columns) = len(a), c.shape
    panels = min(-(-columns // LANES), max(1, PACKED // (LANES * max(1, batch))))
    segments = -(-columns // (panels * LANES))
    tasks = segments * -(-rows // GROUP)
    room = batch * (panels * LANES + ROWS) + ROWS * LANES
    work = batch * c.size
    share(_tasks, tasks, a, b, c, panels, workspace=room, work=work)


@njit(nogil=True, cache=True)
def _tasks(counter, tasks, workspace, a, b, c, panels):  # type: ignore[no-untyped-def]
    """One task is GROUP rows of c by *panels* × LANES columns."""
    batch, (rows, columns) = len(a), c.shape
    groups, width = -(-rows // GROUP), panels * LANES
    right, left = workspace[: batch * width], workspace[batch * width :]
    task = claim(counter)
    while task < tasks:
        start, first = task // groups * width, task % groups * GROUP
        stop, last = min(start + width, columns), min(first + GROUP, rows)
        for at in range(start, stop, LANES):
            _pack(b, at, min(at + LANES, stop), LANES, right[(at - start) * batch :])
        for row in range(first, last, ROWS):
            end = min(row + ROWS, last)
            _pack(a, row, end, ROWS, left)
            _add_rows(left, right, batch, c, row, end, start, stop)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _pack(source, start, stop, width, target):  # type: ignore[no-untyped-def]
    """Columns *start* to *stop*, row after row; where they are fewer than *width*,
    anything follows."""
    rows, step = source.shape
    called = address(source, start), step, address(target, 0), rows
    if stop - start < width:
        copy_rows((called[0], step, called[2], width, rows, stop - start))
    elif width == LANES:
        _pack_lanes(called)
    else:
        _pack_rows(called)


_pack_lanes, _pack_rows = packer(LANES), packer(ROWS)


@njit(nogil=True, cache=True)
def _add_rows(left, right, batch, c, row, end, start, stop):  # type: ignore[no-untyped-def]
    """Up to ROWS rows of c; what is no whole tile of it is made beside it."""
    columns, tile = c.shape[1], left[batch * ROWS :]
    whole = (stop - start) // LANES if end == row + ROWS else 0
    a, out = address(left, 0), address(c, row * columns + start)
    _add_tiles((a, address(right, 0), out, columns, batch, whole))
    for at in range(start + whole * LANES, stop, LANES):
        for i in range(ROWS * LANES):
            tile[i] = 0
        b = address(right, (at - start) * batch)
        _add_tiles((a, b, address(tile, 0), LANES, batch, 1))
        for m in range(row, end):
            for k in range(at, min(at + LANES, stop)):
                c[m, k] += tile[(m - row) * LANES + k - at]


@emitted(_ADDRESS, _ADDRESS, _ADDRESS, _COUNT, _COUNT, _COUNT, apart=True)
def _add_tiles(
    emit: Emitter,
    a: Value,
    b: Value,
    c: Value,
    step: Value,
    batch: Value,
    panels: Value,
) -> None:
    """Add sums over a batch to ROWS rows of c, *step* apart, panel by panel of b."""
    cells = [(i, j) for i in range(ROWS) for j in range(VECTORS)]
    with emit.loop(panels) as panel:
        column = emit.mul(panel, LANES)
        places = {
            (i, j): emit.add(column, emit.add(emit.mul(step, i), j * WIDTH))
            for i, j in cells
        }
        for place in places.values():
            emit.prefetch(c, emit.add(place, AHEAD * LANES))
        right = emit.mul(column, batch)
        sums = {cell: emit.register(emit.zero()) for cell in cells}
        with emit.loop(batch) as n:
            at = emit.add(right, emit.mul(n, LANES))
            values = [emit.load(b, emit.add(at, j * WIDTH)) for j in range(VECTORS)]
            for i in range(ROWS):
                factor = emit.load_one(a, emit.add(emit.mul(n, ROWS), i))
                for j in range(VECTORS):
                    total = emit.get(sums[i, j]) + factor.times(values[j])
                    emit.set(sums[i, j], total)
        for cell, place in places.items():
            emit.store(c, place, emit.load(c, place) + emit.get(sums[cell]))
