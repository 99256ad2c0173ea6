"""Pooling by Numba: one thread a plane, one row of outputs at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from netspec.backends.base import PoolingGeometry
from netspec.backends.reference.pooling import LOWEST, PoolingOps, window_lengths

Array = Any

_LEAST = np.float32(LOWEST)
_SPARE = np.empty((0, 0, 0), np.uint8)


def _planes(x: Array) -> Array:
    return x.reshape(-1, x.shape[2], x.shape[3])


def _window(g: PoolingGeometry) -> tuple[int, ...]:
    """Kernel, stride and pad of H and of W."""
    return (*g.kernel, *g.stride, *g.pad)


def _is_global(g: PoolingGeometry) -> bool:
    """Whether one window covers every pixel."""
    ends = (k - p >= n for k, p, n in zip(g.kernel, g.pad, g.input))
    return g.output == (1, 1) and all(ends)


class CpuPoolingOps(PoolingOps):
    """float32 by kernels; other types as the reference does."""

    def max_pool(
        self, x: Array, y: Array, index: Array | None, g: PoolingGeometry
    ) -> None:
        """See :meth:`PoolingOps.max_pool`."""
        if x.dtype != np.float32:
            super().max_pool(x, y, index, g)
            return
        places = _SPARE if index is None else _planes(index)
        _max_pool(_planes(x), _planes(y), places, _window(g))

    def max_pool_backward(
        self, dy: Array, index: Array, dx: Array, g: PoolingGeometry
    ) -> None:
        """See :meth:`PoolingOps.max_pool_backward`."""
        if dy.dtype != np.float32:
            super().max_pool_backward(dy, index, dx, g)
            return
        _max_pool_backward(_planes(dy), _planes(index), _planes(dx), _window(g))

    def average_pool(self, x: Array, y: Array, g: PoolingGeometry) -> None:
        """See :meth:`PoolingOps.average_pool`."""
        if x.dtype != np.float32:
            super().average_pool(x, y, g)
            return
        lengths = window_lengths(g, 0), window_lengths(g, 1)
        if _is_global(g):
            _average_planes(_planes(x), y.reshape(-1), lengths[0][0] * lengths[1][0])
        else:
            _average_pool(_planes(x), _planes(y), *lengths, _window(g))

    def average_pool_backward(self, dy: Array, dx: Array, g: PoolingGeometry) -> None:
        """See :meth:`PoolingOps.average_pool_backward`."""
        if dy.dtype != np.float32:
            super().average_pool_backward(dy, dx, g)
            return
        lengths = window_lengths(g, 0), window_lengths(g, 1)
        if _is_global(g):
            np.divide(dy, np.float32(lengths[0][0] * lengths[1][0]), out=dx)
        else:
            _average_pool_backward(_planes(dy), _planes(dx), *lengths, _window(g))


@njit(cache=True, nogil=True, error_model="numpy")
def _reach(tap, stride, pad, size, outputs):  # type: ignore[no-untyped-def]
    """First output that has *tap* inside the image, how many do, and the first's pixel."""
    shift = tap - pad
    first = max(0, -(shift // stride))
    last = min(outputs - 1, (size - 1 - shift) // stride)
    return first, max(0, last - first + 1), first * stride + shift


# The loops below are written so that LLVM vectorises them: a stride that it knows, every
# load before any choice, and choices between values at hand.


@njit(cache=True, nogil=True, error_model="numpy")
def _raise_maxima(x, stride, count, tap, y, index):  # type: ignore[no-untyped-def]
    """Hold one tap against a row of maxima."""
    if stride == 1:
        for o in range(count):
            seen, best, place = x[o], y[o], np.int32(index[o])
            better = seen > best
            y[o] = seen if better else best
            index[o] = tap if better else place
    elif stride == 2:
        for o in range(count):
            seen, best, place = x[2 * o], y[o], np.int32(index[o])
            better = seen > best
            y[o] = seen if better else best
            index[o] = tap if better else place
    else:
        for o in range(count):
            if x[stride * o] > y[o]:
                y[o] = x[stride * o]
                index[o] = tap


@njit(cache=True, nogil=True, error_model="numpy")
def _quad_maxima(upper, lower, count, y, index):  # type: ignore[no-untyped-def]
    """A row of 2×2 windows with stride 2, the four taps at once."""
    for o in range(count):
        a, b, c, d = upper[2 * o], upper[2 * o + 1], lower[2 * o], lower[2 * o + 1]
        best, place = _LEAST, np.int32(4)
        better = a > best
        best, place = a if better else best, np.int32(0) if better else place
        better = b > best
        best, place = b if better else best, np.int32(1) if better else place
        better = c > best
        best, place = c if better else best, np.int32(2) if better else place
        better = d > best
        best, place = d if better else best, np.int32(3) if better else place
        y[o] = best
        index[o] = place


@njit(cache=True, nogil=True, error_model="numpy")
def _row_maxima(x, top, done, window, y, index):  # type: ignore[no-untyped-def]
    """Outputs *done* and on of the row whose windows begin at pixel row *top*."""
    kernel_h, kernel_w, _, stride, _, pad = window
    height, width = x.shape
    y[done:] = _LEAST
    index[done:] = kernel_h * kernel_w
    for row in range(max(0, -top), min(kernel_h, height - top)):
        for column in range(kernel_w):
            first, count, start = _reach(column, stride, pad, width, y.size)
            skip = max(0, done - first)
            first, start = first + skip, start + skip * stride
            number = np.int32(row * kernel_w + column)
            seen = x[top + row, start:]
            _raise_maxima(seen, stride, count - skip, number, y[first:], index[first:])


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _max_pool(x, y, index, window):  # type: ignore[no-untyped-def]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    planes, height, width = x.shape
    out_h, out_w = y.shape[1:]
    quads = window == (2, 2, 2, 2, 0, 0)
    for p in prange(planes):
        places = index[p] if len(index) else np.empty((out_h, out_w), index.dtype)
        for oh in range(out_h):
            top = oh * stride_h - pad_h
            done = 0
            if quads and top + 1 < height:
                done = width // 2
                _quad_maxima(x[p, top], x[p, top + 1], done, y[p, oh], places[oh])
            if done < out_w:
                _row_maxima(x[p], top, done, window, y[p, oh], places[oh])


@njit(cache=True, nogil=True, error_model="numpy")
def _quad_gradients(dy, index, upper, lower):  # type: ignore[no-untyped-def]
    for o in range(dy.size):
        gradient, place = dy[o], index[o]
        zero = np.float32(0)
        upper[2 * o] = gradient if place == 0 else zero
        upper[2 * o + 1] = gradient if place == 1 else zero
        lower[2 * o] = gradient if place == 2 else zero
        lower[2 * o + 1] = gradient if place == 3 else zero


@njit(cache=True, nogil=True, error_model="numpy")
def _scatter(dy, index, dx, window):  # type: ignore[no-untyped-def]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    dx[:] = 0
    for oh in range(dy.shape[0]):
        for ow in range(dy.shape[1]):
            place = np.int64(index[oh, ow])
            if place < kernel_h * kernel_w:
                h = oh * stride_h - pad_h + place // kernel_w
                dx[h, ow * stride_w - pad_w + place % kernel_w] += dy[oh, ow]


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _max_pool_backward(dy, index, dx, window):  # type: ignore[no-untyped-def]
    out_h, out_w = dy.shape[1:]
    even = dx.shape[1] == 2 * out_h and dx.shape[2] == 2 * out_w
    quads = even and window == (2, 2, 2, 2, 0, 0)
    for p in prange(len(dy)):
        if quads:
            for oh in range(out_h):
                _quad_gradients(
                    dy[p, oh], index[p, oh], dx[p, 2 * oh], dx[p, 2 * oh + 1]
                )
        else:
            _scatter(dy[p], index[p], dx[p], window)


@njit(cache=True, nogil=True, error_model="numpy", parallel=True, fastmath={"reassoc", "nsz"})
def _average_planes(x, y, area):  # type: ignore[no-untyped-def]
    planes, height, width = x.shape
    for p in prange(planes):
        total = 0.0
        for h in range(height):
            row = x[p, h]
            for w in range(width):
                total += np.float64(row[w])
        y[p] = total / area


@njit(cache=True, nogil=True, error_model="numpy")
def _gather(total, x, stride, count):  # type: ignore[no-untyped-def]
    if stride == 1:
        for o in range(count):
            total[o] += x[o]
    elif stride == 2:
        for o in range(count):
            total[o] += x[2 * o]
    else:
        for o in range(count):
            total[o] += x[stride * o]


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(dx, share, stride, count):  # type: ignore[no-untyped-def]
    if stride == 1:
        for o in range(count):
            dx[o] += share[o]
    elif stride == 2:
        for o in range(count):
            dx[2 * o] += share[o]
    else:
        for o in range(count):
            dx[stride * o] += share[o]


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _average_pool(x, y, heights, widths, window):  # type: ignore[no-untyped-def]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    planes, height, width = x.shape
    out_h, out_w = y.shape[1:]
    for p in prange(planes):
        total = np.empty(out_w)
        for oh in range(out_h):
            top = oh * stride_h - pad_h
            total[:] = 0
            for row in range(max(0, -top), min(kernel_h, height - top)):
                for column in range(kernel_w):
                    first, count, start = _reach(column, stride_w, pad_w, width, out_w)
                    seen = x[p, top + row, start:]
                    _gather(total[first:], seen, stride_w, count)
            for ow in range(out_w):
                y[p, oh, ow] = total[ow] / (heights[oh] * widths[ow])


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def _average_pool_backward(dy, dx, heights, widths, window):  # type: ignore[no-untyped-def]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    planes, height, width = dx.shape
    out_h, out_w = dy.shape[1:]
    for p in prange(planes):
        share = np.empty(out_w, np.float32)
        dx[p] = 0
        for oh in range(out_h):
            top = oh * stride_h - pad_h
            for ow in range(out_w):
                share[ow] = dy[p, oh, ow] / (heights[oh] * widths[ow])
            for row in range(max(0, -top), min(kernel_h, height - top)):
                for column in range(kernel_w):
                    first, count, start = _reach(column, stride_w, pad_w, width, out_w)
                    out = dx[p, top + row, start:]
                    _spread(out, share[first:], stride_w, count)
