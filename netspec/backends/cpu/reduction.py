"""Rows brought to mean 0 and deviation 1 (MVN) by compiled kernels.

A row is one task's; its sums are taken in float64, in an order that its length alone
decides.  An output of None is the input: `unless_same`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.cpu.elementwise import as_vectors, unless_same
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.threads import claim
from netspec.backends.reference.reduction import ReductionOps
from netspec.compiled import njit

Array = Any


class CpuReductionOps(ReductionOps):
    """float32 by kernels; other types as the reference does."""

    def normalize_rows(
        self, x: Array, y: Array, deviation: Array | None, eps: float = 0.0
    ) -> None:
        """See :meth:`ReductionOps.normalize_rows`."""
        if as_vectors(x, y) is None:
            super().normalize_rows(x, y, deviation, eps)
            return
        target = unless_same(y, x)
        over(_normalize, *x.shape, x, target, deviation, np.float32(eps), effort=3)

    def normalize_rows_backward(
        self, y: Array, deviation: Array | None, dy: Array, dx: Array
    ) -> None:
        """See :meth:`ReductionOps.normalize_rows_backward`."""
        if deviation is None or as_vectors(y, dy, dx) is None:
            super().normalize_rows_backward(y, deviation, dy, dx)
            return
        target = unless_same(dx, dy)
        over(_normalize_backward, *y.shape, y, deviation, dy, target, effort=3)


# "reassoc" lets the compiler keep one partial sum a vector lane; how many there are is
# fixed when it compiles.
@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def _mean(row):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(row.size):
        total += np.float64(row[i])
    return np.float32(total / row.size)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def _mean_square(row, mean):  # type: ignore[no-untyped-def]
    """Of the distances from the mean."""
    total = 0.0
    for i in range(row.size):
        distance = row[i] - mean
        total += np.float64(distance * distance)
    return total / row.size


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def _mean_product(row, other):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(row.size):
        total += np.float64(row[i] * other[i])
    return np.float32(total / row.size)


@njit(cache=True, nogil=True, error_model="numpy")
def _normalize(counter, tasks, workspace, group, x, y, deviation, eps):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        for r in range(task * group, min((task + 1) * group, x.shape[0])):
            row = x[r]
            out = row if y is None else y[r]
            mean, divisor = _mean(row), np.float32(1)
            if deviation is not None:
                divisor = np.float32(np.sqrt(_mean_square(row, mean))) + eps
                deviation[r] = divisor
            for i in range(row.size):
                out[i] = (row[i] - mean) / divisor
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _normalize_backward(counter, tasks, workspace, group, y, deviation, dy, dx):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        for r in range(task * group, min((task + 1) * group, y.shape[0])):
            made, diff = y[r], dy[r]
            out = diff if dx is None else dx[r]
            mean, product = _mean(diff), _mean_product(made, diff)
            for i in range(made.size):
                out[i] = (diff[i] - mean - made[i] * product) / deviation[r]
        task = claim(counter)
