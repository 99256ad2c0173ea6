"""Arithmetic of layers that Caffe's forks added, by compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.threads import claim
from netspec.backends.reference.relatives import SIX, RelativesOps
from netspec.compiled import njit

Array = Any

_CHUNK = 1 << 14  # elements of one task: all its arrays fit the first-level cache
_STRIP = 256  # places that are normalised together


def _plain(*arrays: Array) -> bool:
    return all(a.dtype == np.float32 and a.flags.c_contiguous for a in arrays)


class CpuRelativesOps(RelativesOps):
    """float32 by kernels; other types as the reference does."""

    def relu6(self, x: Array, y: Array, slope: float = 0.0) -> None:
        """See :meth:`RelativesOps.relu6`."""
        if not _plain(x, y):
            super().relu6(x, y, slope)
            return
        flat = x.reshape(-1), y.reshape(-1)
        over(_relu6, -(-x.size // _CHUNK), _CHUNK, *flat, np.float32(slope))

    def relu6_backward(
        self, x: Array, y: Array, dy: Array, dx: Array, slope: float = 0.0
    ) -> None:
        """See :meth:`RelativesOps.relu6_backward`."""
        if not _plain(x, y, dy, dx):
            super().relu6_backward(x, y, dy, dx, slope)
            return
        flat = (a.reshape(-1) for a in (x, y, dy, dx))
        over(_relu6_backward, -(-x.size // _CHUNK), _CHUNK, *flat, np.float32(slope))

    def l2_normalize(
        self, x: Array, scale: Array, norm: Array, y: Array, eps: float
    ) -> None:
        """See :meth:`RelativesOps.l2_normalize`."""
        if not _plain(x, y) or norm.shape[1:] != x.shape[2:]:
            super().l2_normalize(x, scale, norm, y, eps)
            return
        strips = -(-x.shape[2] // _STRIP)
        size = x.shape[1] * _STRIP
        over(_l2_normalize, len(x) * strips, size, x, scale, norm, y, eps)


@njit(cache=True, nogil=True)
def _relu6(counter, tasks, workspace, group, x, y, slope):  # type: ignore[no-untyped-def]
    six = np.float32(SIX)
    task = claim(counter)
    while task < tasks:
        part = slice(task * group * _CHUNK, (task + 1) * group * _CHUNK)
        seen, out = x[part], y[part]
        for i in range(seen.size):
            value = seen[i] if seen[i] > 0 else seen[i] * slope
            out[i] = six if value > six else value  # a NaN passes
        task = claim(counter)


@njit(cache=True, nogil=True)
def _relu6_backward(counter, tasks, workspace, group, x, y, dy, dx, slope):  # type: ignore[no-untyped-def]
    one, zero, six = np.float32(1), np.float32(0), np.float32(SIX)
    task = claim(counter)
    while task < tasks:
        part = slice(task * group * _CHUNK, (task + 1) * group * _CHUNK)
        sign, top, diff, out = x[part], y[part], dy[part], dx[part]
        for i in range(sign.size):
            passed = one if sign[i] > 0 else slope
            out[i] = diff[i] * (passed if top[i] < six else zero)
        task = claim(counter)


@njit(cache=True, nogil=True)
def _l2_normalize(counter, tasks, workspace, group, x, scale, norm, y, eps):  # type: ignore[no-untyped-def]
    batch, channels, places = x.shape
    strips = (places + _STRIP - 1) // _STRIP
    total = np.empty(_STRIP)
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, batch * strips)):
            n, start = thing // strips, thing % strips * _STRIP
            stop = min(start + _STRIP, places)
            length = norm[n, start:stop]
            total[:] = eps
            for c in range(channels):
                _add_squares(x[n, c, start:stop], total)
            for i in range(stop - start):
                length[i] = np.sqrt(total[i])
            for c in range(channels):
                factor = scale[c if scale.size > 1 else 0]
                _divide(x[n, c, start:stop], factor, length, y[n, c, start:stop])
        task = claim(counter)


@njit(cache=True, nogil=True)
def _add_squares(x, total):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        value = np.float64(x[i])
        total[i] += value * value


@njit(cache=True, nogil=True, error_model="numpy")
def _divide(x, factor, length, y):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        y[i] = x[i] / length[i] * factor
