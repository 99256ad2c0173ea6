"""Pooling by compiled kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netspec.backends.base import PoolingGeometry
from netspec.backends.cpu import maxima
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.threads import claim
from netspec.backends.reference.pooling import PoolingOps, window_lengths
from netspec.compiled import njit
from netspec.shapes import count

Array = Any

_NO_INDEX = np.empty((0, 0, 0), np.uint8)


class CpuPoolingOps(PoolingOps):
    """float32 by kernels; other types as the reference does."""

    def max_pool(
        self, x: Array, y: Array, index: Array | None, g: PoolingGeometry
    ) -> None:
        """See :meth:`PoolingOps.max_pool`."""
        if x.dtype != np.float32:
            super().max_pool(x, y, index, g)
            return
        places = _NO_INDEX if index is None else _planes(index)
        arrays = _planes(x), _planes(y), places
        lines = 2 * g.input[1]
        _spread(maxima.max_pool, g, *arrays, _window(g), workspace=lines)

    def max_pool_backward(
        self, dy: Array, index: Array, dx: Array, g: PoolingGeometry
    ) -> None:
        """See :meth:`PoolingOps.max_pool_backward`."""
        if dy.dtype != np.float32:
            super().max_pool_backward(dy, index, dx, g)
            return
        arrays = map(_planes, (dy, index, dx))
        _spread(maxima.max_pool_backward, g, *arrays, _window(g))

    def average_pool(self, x: Array, y: Array, g: PoolingGeometry) -> None:
        """See :meth:`PoolingOps.average_pool`."""
        if x.dtype != np.float32:
            super().average_pool(x, y, g)
            return
        lengths = window_lengths(g, 0), window_lengths(g, 1)
        if _is_global(g):
            area = lengths[0][0] * lengths[1][0]
            _spread(_average_planes, g, x.reshape(y.size, -1), y.reshape(-1), area)
        else:
            _spread(_average_pool, g, _planes(x), _planes(y), *lengths, _window(g))

    def average_pool_backward(self, dy: Array, dx: Array, g: PoolingGeometry) -> None:
        """See :meth:`PoolingOps.average_pool_backward`."""
        if dy.dtype != np.float32:
            super().average_pool_backward(dy, dx, g)
            return
        lengths = window_lengths(g, 0), window_lengths(g, 1)
        if _is_global(g):
            np.divide(dy, np.float32(lengths[0][0] * lengths[1][0]), out=dx)
        else:
            arrays = _planes(dy), _planes(dx)
            _spread(_average_pool_backward, g, *arrays, *lengths, _window(g))


def _planes(x: Array) -> Array:
    return x.reshape(-1, x.shape[2], x.shape[3])


def _window(g: PoolingGeometry) -> tuple[int, ...]:
    """Kernel, stride and pad, of H and of W each."""
    return (*g.kernel, *g.stride, *g.pad)


def _is_global(g: PoolingGeometry) -> bool:
    """Whether one window covers every pixel."""
    ends = (k - p >= n for k, p, n in zip(g.kernel, g.pad, g.input))
    return g.output == (1, 1) and all(ends)


def _spread(
    kernel: Callable[..., None], g: PoolingGeometry, *args: Any, workspace: int = 0
) -> None:
    """Run a kernel over all planes."""
    taps = count(g.kernel) * count(g.output)
    size = max(taps, count(g.input))
    over(kernel, g.batch * g.channels, size, *args, workspace=workspace)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def _average_planes(counter, tasks, workspace, group, x, y, area):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, y.size)):
            pixels, total = x[p], 0.0
            for i in range(pixels.size):
                total += np.float64(pixels[i])
            y[p] = total / area
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _average_pool(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, x, y, heights, widths, window
):
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(y))):
            _average(x[p], heights, widths, window, y[p])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _average_pool_backward(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, dy, dx, heights, widths, window
):
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(dy))):
            _share_out(dy[p], heights, widths, window, dx[p])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _average(x, heights, widths, window, y):  # type: ignore[no-untyped-def]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    height, width = x.shape
    for oh in range(len(heights)):
        top = oh * stride_h - pad_h
        for ow in range(len(widths)):
            left = ow * stride_w - pad_w
            total = 0.0
            for h in range(max(0, top), min(height, top + kernel_h)):
                for w in range(max(0, left), min(width, left + kernel_w)):
                    total += np.float64(x[h, w])
            y[oh, ow] = total / (heights[oh] * widths[ow])


@njit(cache=True, nogil=True, error_model="numpy")
def _share_out(dy, heights, widths, window, dx):  # type: ignore[no-untyped-def]
    kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = window
    height, width = dx.shape
    dx[:] = 0
    for oh in range(len(heights)):
        top = oh * stride_h - pad_h
        for ow in range(len(widths)):
            left = ow * stride_w - pad_w
            share = np.float32(dy[oh, ow] / (heights[oh] * widths[ow]))
            for h in range(max(0, top), min(height, top + kernel_h)):
                for w in range(max(0, left), min(width, left + kernel_w)):
                    dx[h, w] += share
