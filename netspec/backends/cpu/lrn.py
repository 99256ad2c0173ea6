"""Local response normalisation by Numba, in strips that stay in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from netspec.backends.base import LrnWindow
from netspec.backends.reference.lrn import LrnOps

Array = Any

STRIP = 256  # pixels of all channels that a thread takes at once


def _constants(window: LrnWindow, axes: int) -> tuple[Any, ...]:
    """Size, alpha / n, beta, k and 2 alpha beta / n, in float32."""
    share = window.alpha / window.size**axes
    numbers = (share, window.beta, window.k, 2 * share * window.beta)
    return (window.size, *map(np.float32, numbers))


def _by_pixel(x: Array) -> Array:
    return x.reshape(x.shape[0], x.shape[1], -1)


def _planes(x: Array) -> Array:
    return x.reshape(-1, x.shape[2], x.shape[3])


class CpuLrnOps(LrnOps):
    """float32 by kernels; other types as the reference does."""

    def lrn_across(self, x: Array, y: Array, window: LrnWindow) -> None:
        """See :meth:`LrnOps.lrn_across`."""
        if x.dtype != np.float32:
            super().lrn_across(x, y, window)
            return
        _across(_by_pixel(x), _by_pixel(y), *_constants(window, 1)[:4])

    def lrn_across_backward(
        self, x: Array, dy: Array, dx: Array, window: LrnWindow
    ) -> None:
        """See :meth:`LrnOps.lrn_across_backward`."""
        if x.dtype != np.float32:
            super().lrn_across_backward(x, dy, dx, window)
            return
        arrays = map(_by_pixel, (x, dy, dx))
        _across_backward(*arrays, *_constants(window, 1))

    def lrn_within(self, x: Array, y: Array, window: LrnWindow) -> None:
        """See :meth:`LrnOps.lrn_within`."""
        if x.dtype != np.float32:
            super().lrn_within(x, y, window)
            return
        _within(_planes(x), _planes(y), *_constants(window, 2)[:4])

    def lrn_within_backward(
        self, x: Array, dy: Array, dx: Array, window: LrnWindow
    ) -> None:
        """See :meth:`LrnOps.lrn_within_backward`."""
        if x.dtype != np.float32:
            super().lrn_within_backward(x, dy, dx, window)
            return
        _within_backward(*map(_planes, (x, dy, dx)), *_constants(window, 2))


@njit(cache=True, nogil=True, error_model="numpy")
def _shrink(s, beta):  # type: ignore[no-untyped-def]
    """s to s^-beta in place.  Everyone's beta is 0.75: two square roots vectorise."""
    if beta == np.float32(0.75):
        for i in range(s.size):
            root = np.float32(1) / np.sqrt(s[i])
            s[i] = root * np.sqrt(root)
    else:
        for i in range(s.size):
            s[i] = s[i] ** -beta


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_rows(rows, c, size, total):  # type: ignore[no-untyped-def]
    """Rows around *c*, added up."""
    total[:] = 0
    for j in range(max(0, c - size // 2), min(len(rows), c + size // 2 + 1)):
        row = rows[j]
        for i in range(total.size):
            total[i] += row[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _spread_across(x, c, size, share, k, s):  # type: ignore[no-untyped-def]
    """s of channel *c* of the strip x (C, pixels)."""
    s[:] = 0
    for j in range(max(0, c - size // 2), min(len(x), c + size // 2 + 1)):
        row = x[j]
        for i in range(s.size):
            s[i] += row[i] * row[i]
    for i in range(s.size):
        s[i] = k + share * s[i]


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _across(x, y, size, share, beta, k):  # type: ignore[no-untyped-def]
    batch, channels, pixels = x.shape
    strips = (pixels + STRIP - 1) // STRIP
    for task in prange(batch * strips):
        n, start = task // strips, task % strips * STRIP
        stop = min(start + STRIP, pixels)
        seen = x[n, :, start:stop]
        s = np.empty(stop - start, np.float32)
        for c in range(channels):
            _spread_across(seen, c, size, share, k, s)
            _shrink(s, beta)
            out, row = y[n, c, start:stop], seen[c]
            for i in range(s.size):
                out[i] = row[i] * s[i]


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _across_backward(x, dy, dx, size, share, beta, k, double):  # type: ignore[no-untyped-def]
    batch, channels, pixels = x.shape
    strips = (pixels + STRIP - 1) // STRIP
    for task in prange(batch * strips):
        n, start = task // strips, task % strips * STRIP
        stop = min(start + STRIP, pixels)
        seen = x[n, :, start:stop]
        s = np.empty(stop - start, np.float32)
        shrunk = np.empty(stop - start, np.float32)
        ratio = np.empty((channels, stop - start), np.float32)
        for c in range(channels):
            _spread_across(seen, c, size, share, k, s)
            shrunk[:] = s
            _shrink(shrunk, beta)
            _ratio(seen[c], dy[n, c, start:stop], s, shrunk, dx[n, c, start:stop], ratio[c])
        for c in range(channels):
            _sum_rows(ratio, c, size, s)
            _subtract(dx[n, c, start:stop], double, seen[c], s)


@njit(cache=True, nogil=True, error_model="numpy")
def _ratio(x, dy, s, shrunk, dx, ratio):  # type: ignore[no-untyped-def]
    """First term of dx, and what the sum of the second runs over."""
    for i in range(s.size):
        direct = dy[i] * shrunk[i]
        dx[i] = direct
        ratio[i] = direct * x[i] / s[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract(dx, double, x, total):  # type: ignore[no-untyped-def]
    """The second term of dx."""
    for i in range(total.size):
        dx[i] -= double * x[i] * total[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _box(plane, h, size, column, total):  # type: ignore[no-untyped-def]
    """Sums over size × size around each place of row *h*; *column* has margins of 0."""
    half, width = size // 2, total.size
    _sum_rows(plane, h, size, column[half : half + width])
    total[:] = 0
    for j in range(size):
        shifted = column[j : j + width]
        for i in range(width):
            total[i] += shifted[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _squares(x, squares):  # type: ignore[no-untyped-def]
    for h in range(x.shape[0]):
        row, out = x[h], squares[h]
        for i in range(out.size):
            out[i] = row[i] * row[i]


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _within(x, y, size, share, beta, k):  # type: ignore[no-untyped-def]
    planes, height, width = x.shape
    for p in prange(planes):
        squares = np.empty((height, width), np.float32)
        column = np.zeros(width + size - 1, np.float32)
        s = np.empty(width, np.float32)
        _squares(x[p], squares)
        for h in range(height):
            _box(squares, h, size, column, s)
            for i in range(width):
                s[i] = k + share * s[i]
            _shrink(s, beta)
            out, row = y[p, h], x[p, h]
            for i in range(width):
                out[i] = row[i] * s[i]


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _within_backward(x, dy, dx, size, share, beta, k, double):  # type: ignore[no-untyped-def]
    planes, height, width = x.shape
    for p in prange(planes):
        squares = np.empty((height, width), np.float32)
        ratio = np.empty((height, width), np.float32)
        column = np.zeros(width + size - 1, np.float32)
        s = np.empty(width, np.float32)
        shrunk = np.empty(width, np.float32)
        _squares(x[p], squares)
        for h in range(height):
            _box(squares, h, size, column, s)
            for i in range(width):
                s[i] = k + share * s[i]
            shrunk[:] = s
            _shrink(shrunk, beta)
            _ratio(x[p, h], dy[p, h], s, shrunk, dx[p, h], ratio[h])
        for h in range(height):
            _box(ratio, h, size, column, s)
            _subtract(dx[p, h], double, x[p, h], s)
