"""PReLU by compiled kernels; arrays are (outer, channels, inner).

Channels of many places are gone through plane by plane, those of one place row by row.
An output of None is the input: `unless_same`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.cpu.activations import CpuActivationOps
from netspec.backends.cpu.elementwise import unless_same
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.sums import BLOCKS, STRIP
from netspec.backends.cpu.threads import claim
from netspec.backends.cpu.vector_math import ONE, ZERO
from netspec.compiled import njit

Array = Any


class CpuPReluOps(CpuActivationOps):
    """float32 by kernels; other types as the reference does."""

    def prelu(self, x: Array, slope: Array, y: Array) -> None:
        """See :meth:`ActivationOps.prelu`."""
        if x.dtype != np.float32:
            super().prelu(x, slope, y)
        else:
            _scale(x, None, unless_same(y, x), slope)

    def prelu_backward(self, x: Array, slope: Array, dy: Array, dx: Array) -> None:
        """See :meth:`ActivationOps.prelu_backward`."""
        if x.dtype != np.float32:
            super().prelu_backward(x, slope, dy, dx)
        else:
            _scale(x, dy, unless_same(dx, dy), slope)

    def prelu_gradient(self, x: Array, dy: Array, dslope: Array) -> None:
        """See :meth:`ActivationOps.prelu_gradient`."""
        if x.dtype != np.float32:
            super().prelu_gradient(x, dy, dslope)
            return
        outer, channels, inner = x.shape
        blocks = max(1, min(outer, BLOCKS))
        partial = np.zeros((blocks, channels))
        rows = -(-outer // blocks)
        if inner == 1:
            strips = -(-channels // STRIP)
            columns = x[:, :, 0], dy[:, :, 0]
            over(_row_sums, blocks * strips, rows * STRIP, *columns, partial)
        else:
            over(_plane_sums, blocks * channels, rows * inner, x, dy, partial)
        dslope += partial.sum(axis=0).astype(np.float32)


def _scale(x: Array, source: Array | None, target: Array | None, slope: Array) -> None:
    """target = source where x > 0, else slope · source; a source of None is x."""
    outer, channels, inner = x.shape
    if inner == 1:
        things = outer * -(-channels // STRIP), STRIP
        x, source, target = (
            a if a is None else a[:, :, 0] for a in (x, source, target)
        )
        over(_scale_rows, *things, x, source, target, slope)
    else:
        over(_scale_planes, outer * channels, inner, x, source, target, slope)


@njit(cache=True, nogil=True)
def _scale_planes(counter, tasks, workspace, group, x, source, target, slope):  # type: ignore[no-untyped-def]
    outer, channels = x.shape[:2]
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, outer * channels)):
            o, c = thing // channels, thing % channels
            told = x[o, c]
            given = told if source is None else source[o, c]
            out = given if target is None else target[o, c]
            factor = slope[c]
            for i in range(told.size):
                out[i] = given[i] * (ONE if told[i] > ZERO else factor)
        task = claim(counter)


@njit(cache=True, nogil=True)
def _scale_rows(counter, tasks, workspace, group, x, source, target, slope):  # type: ignore[no-untyped-def]
    outer, channels = x.shape
    strips = (channels + STRIP - 1) // STRIP
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, outer * strips)):
            o, start = thing // strips, thing % strips * STRIP
            stop = min(start + STRIP, channels)
            told, factor = x[o, start:stop], slope[start:stop]
            given = told if source is None else source[o, start:stop]
            out = given if target is None else target[o, start:stop]
            for i in range(told.size):
                out[i] = given[i] * (ONE if told[i] > ZERO else factor[i])
        task = claim(counter)


# "reassoc" lets the compiler keep one partial sum a vector lane; how many there are is
# fixed when it compiles.
@njit(cache=True, nogil=True, fastmath={"reassoc"})
def _plane_sums(counter, tasks, workspace, group, x, dy, partial):  # type: ignore[no-untyped-def]
    outer, channels = x.shape[:2]
    blocks = partial.shape[0]
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, blocks * channels)):
            block, c = thing // channels, thing % channels
            total = 0.0
            for o in range(block * outer // blocks, (block + 1) * outer // blocks):
                seen, diff = x[o, c], dy[o, c]
                for i in range(seen.size):
                    total += np.float64(diff[i] * (ZERO if seen[i] > ZERO else seen[i]))
            partial[block, c] = total
        task = claim(counter)


@njit(cache=True, nogil=True)
def _row_sums(counter, tasks, workspace, group, x, dy, partial):  # type: ignore[no-untyped-def]
    outer, channels = x.shape
    blocks, strips = partial.shape[0], (channels + STRIP - 1) // STRIP
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, blocks * strips)):
            block, start = thing // strips, thing % strips * STRIP
            stop = min(start + STRIP, channels)
            total = partial[block, start:stop]
            for o in range(block * outer // blocks, (block + 1) * outer // blocks):
                seen, diff = x[o, start:stop], dy[o, start:stop]
                for i in range(seen.size):
                    total[i] += diff[i] * (ZERO if seen[i] > ZERO else seen[i])
        task = claim(counter)
