"""Channel sums for gradients and statistics, in one pass over the data.

The order of summation depends on the shape alone: the outer axis is cut into at most
``BLOCKS`` blocks, each block is summed by one thread, and the blocks in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.threads import claim
from netspec.compiled import njit

Array = Any

BLOCKS = 64
STRIP = 1024  # columns of one block that a thread takes at once


def channel_sums(a: Array, b: Array) -> tuple[Array, Array]:
    """Σ a and Σ a b over outer and inner of float32 (outer, middle, inner).

    Returns:
        Two float64 arrays (middle,).
    """
    outer, middle, inner = a.shape
    blocks = max(1, min(outer, BLOCKS))
    partial = np.zeros((blocks, 2, middle))
    rows = -(-outer // blocks)
    if inner == 1:
        strips = -(-middle // STRIP)
        columns = a[:, :, 0], b[:, :, 0]
        over(_column_sums, blocks * strips, rows * STRIP, *columns, partial, effort=2)
    else:
        over(_plane_sums, blocks * middle, rows * inner, a, b, partial, effort=2)
    total, product = partial.sum(axis=0)
    return total, product


# "reassoc" lets the compiler keep one partial sum a vector lane; how many there are is
# fixed when it compiles.
@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def _plane_sums(counter, tasks, workspace, group, a, b, partial):  # type: ignore[no-untyped-def]
    outer, middle, inner = a.shape
    blocks = partial.shape[0]
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, blocks * middle)):
            block, m = thing // middle, thing % middle
            total, product = 0.0, 0.0
            for o in range(block * outer // blocks, (block + 1) * outer // blocks):
                row, other = a[o, m], b[o, m]
                for i in range(inner):
                    value = np.float64(row[i])
                    total += value
                    product += value * np.float64(other[i])
            partial[block, 0, m] = total
            partial[block, 1, m] = product
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _column_sums(counter, tasks, workspace, group, a, b, partial):  # type: ignore[no-untyped-def]
    outer, middle = a.shape
    blocks, strips = partial.shape[0], (middle + STRIP - 1) // STRIP
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, blocks * strips)):
            block, start = thing // strips, thing % strips * STRIP
            stop = min(start + STRIP, middle)
            total = partial[block, 0, start:stop]
            product = partial[block, 1, start:stop]
            for o in range(block * outer // blocks, (block + 1) * outer // blocks):
                _add_row(a[o, start:stop], b[o, start:stop], total, product)
        task = claim(counter)


@njit(cache=True, nogil=True)
def _add_row(row, other, total, product):  # type: ignore[no-untyped-def]
    for i in range(row.size):
        value = np.float64(row[i])
        total[i] += value
        product[i] += value * np.float64(other[i])
