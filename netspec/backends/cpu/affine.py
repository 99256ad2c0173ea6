"""Scale and bias by compiled kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.recording import launches
from netspec.backends.cpu.sums import STRIP, channel_sums
from netspec.backends.cpu.threads import claim
from netspec.backends.reference.affine import AffineOps
from netspec.compiled import njit

Array = Any


class CpuAffineOps(AffineOps):
    """float32 by kernels; other types as the reference does."""

    @launches
    def affine(
        self, x: Array, scale: Array | None, bias: Array | None, y: Array
    ) -> None:
        """See :meth:`AffineOps.affine`."""
        if x.dtype != np.float32:
            super().affine(x, scale, bias, y)
            return
        outer, middle, inner = x.shape
        scale = np.ones(middle, np.float32) if scale is None else scale
        bias = np.zeros(middle, np.float32) if bias is None else bias
        if inner == 1:
            rows = outer * -(-middle // STRIP)
            over(_affine_rows, rows, STRIP, x[:, :, 0], scale, bias, y[:, :, 0])
        else:
            over(_affine_planes, outer * middle, inner, x, scale, bias, y)

    def affine_gradient(
        self, x: Array | None, dy: Array, dscale: Array | None, dbias: Array | None
    ) -> None:
        """See :meth:`AffineOps.affine_gradient`."""
        if dy.dtype != np.float32:
            super().affine_gradient(x, dy, dscale, dbias)
            return
        total, product = channel_sums(dy, dy if x is None else x)
        for gradient, found in ((dscale, product), (dbias, total)):
            if gradient is not None:
                gradient += found.astype(np.float32)


@njit(cache=True, nogil=True)
def _affine_planes(counter, tasks, workspace, group, x, scale, bias, y):  # type: ignore[no-untyped-def]
    outer, middle, inner = x.shape
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, outer * middle)):
            o, m = thing // middle, thing % middle
            source, out = x[o, m], y[o, m]
            factor, shift = scale[m], bias[m]
            for i in range(inner):
                out[i] = source[i] * factor + shift
        task = claim(counter)


@njit(cache=True, nogil=True)
def _affine_rows(counter, tasks, workspace, group, x, scale, bias, y):  # type: ignore[no-untyped-def]
    outer, middle = x.shape
    strips = (middle + STRIP - 1) // STRIP
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, outer * strips)):
            o, start = thing // strips, thing % strips * STRIP
            stop = min(start + STRIP, middle)
            source, out = x[o, start:stop], y[o, start:stop]
            factor, shift = scale[start:stop], bias[start:stop]
            for i in range(out.size):
                out[i] = source[i] * factor[i] + shift[i]
        task = claim(counter)
