"""Channel sums for gradients and statistics, in one pass over the data.

The order of summation depends on the shape alone: the outer axis is cut into at most
``BLOCKS`` blocks, each block is summed by one thread, and the blocks in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

Array = Any

BLOCKS = 64
STRIP = 1024  # columns of one block that a thread takes at once


def channel_sums(a: Array, b: Array) -> tuple[Array, Array]:
    """Σ a and Σ a b over outer and inner of float32 (outer, middle, inner).

    Returns:
        Two float64 arrays (middle,).
    """
    blocks = max(1, min(len(a), BLOCKS))
    partial = np.zeros((blocks, 2, a.shape[1]))
    if a.shape[2] == 1:
        _column_sums(a[:, :, 0], b[:, :, 0], partial)
    else:
        _plane_sums(a, b, partial)
    total, product = partial.sum(axis=0)
    return total, product


# Reassociation lets the compiler keep one partial sum a vector lane; the lanes are
# fixed when it compiles.
@njit(cache=True, nogil=True, error_model="numpy", parallel=True, fastmath={"reassoc", "nsz"})
def _plane_sums(a, b, partial):  # type: ignore[no-untyped-def]
    outer, middle, inner = a.shape
    blocks = partial.shape[0]
    for task in prange(blocks * middle):
        block, m = task // middle, task % middle
        total, product = 0.0, 0.0
        for o in range(block * outer // blocks, (block + 1) * outer // blocks):
            row, other = a[o, m], b[o, m]
            for i in range(inner):
                value = np.float64(row[i])
                total += value
                product += value * np.float64(other[i])
        partial[block, 0, m] = total
        partial[block, 1, m] = product


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _column_sums(a, b, partial):  # type: ignore[no-untyped-def]
    outer, middle = a.shape
    blocks = partial.shape[0]
    strips = (middle + STRIP - 1) // STRIP
    for task in prange(blocks * strips):
        block, start = task // strips, task % strips * STRIP
        stop = min(start + STRIP, middle)
        total = partial[block, 0, start:stop]
        product = partial[block, 1, start:stop]
        for o in range(block * outer // blocks, (block + 1) * outer // blocks):
            row, other = a[o, start:stop], b[o, start:stop]
            for i in range(stop - start):
                value = np.float64(row[i])
                total[i] += value
                product[i] += value * np.float64(other[i])
