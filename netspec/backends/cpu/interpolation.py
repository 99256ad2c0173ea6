"""Bilinear interpolation by compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import Interpolation
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.threads import claim
from netspec.backends.reference.interpolation import (
    InterpolationOps,
    interpolation_taps,
)
from netspec.compiled import njit

Array = Any


class CpuInterpolationOps(InterpolationOps):
    """float32 by kernels; other types as the reference does."""

    def interpolate(self, x: Array, y: Array, g: Interpolation) -> None:
        """See :meth:`InterpolationOps.interpolate`."""
        if x.dtype != np.float32:
            super().interpolate(x, y, g)
            return
        taps = [t for axis in g.axes for t in interpolation_taps(g.start, *axis)]
        size, row = y.shape[1] * y.shape[2], x.shape[2]
        over(_interpolate, len(y), size, x, y, *taps, workspace=row, effort=4)

    def interpolate_backward(self, dy: Array, dx: Array, g: Interpolation) -> None:
        """See :meth:`InterpolationOps.interpolate_backward`."""
        if dy.dtype != np.float32:
            super().interpolate_backward(dy, dx, g)
            return
        taps = [t for axis in g.axes for t in interpolation_taps(g.start, *axis)]
        size, row = dy.shape[1] * dy.shape[2], dx.shape[2]
        over(_gather, len(dy), size, dy, dx, *taps, workspace=row, effort=4)


@njit(cache=True, nogil=True)
def _interpolate(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, x, y, top, bottom, down, left, right, across
):
    one, width = np.float32(1), x.shape[2]
    row = workspace[:width]
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(y))):
            for i in range(y.shape[1]):
                upper, lower, share = x[p, top[i]], x[p, bottom[i]], down[i]
                for w in range(width):
                    row[w] = upper[w] * (one - share) + lower[w] * share
                out = y[p, i]
                for j in range(out.size):
                    part = across[j]
                    out[j] = row[left[j]] * (one - part) + row[right[j]] * part
        task = claim(counter)


@njit(cache=True, nogil=True)
def _gather(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, dy, dx, top, bottom, down, left, right, across
):
    one, width = np.float32(1), dx.shape[2]
    row = workspace[:width]
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(dy))):
            dx[p] = 0
            for i in range(dy.shape[1]):
                row[:] = 0
                diff = dy[p, i]
                for j in range(diff.size):
                    row[left[j]] += diff[j] * (one - across[j])
                    row[right[j]] += diff[j] * across[j]
                upper, lower, share = dx[p, top[i]], dx[p, bottom[i]], down[i]
                for w in range(width):
                    upper[w] += row[w] * (one - share)
                    lower[w] += row[w] * share
        task = claim(counter)
