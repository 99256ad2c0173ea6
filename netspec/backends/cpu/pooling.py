"""Pooling by compiled kernels: in vector instructions over the windows that nets have,
by loops over others."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from netspec.backends.base import PoolingGeometry
from netspec.backends.cpu import maxima, window_gradients, windows
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.recording import launches
from netspec.backends.cpu.threads import claim
from netspec.backends.reference.pooling import PoolingOps, window_lengths
from netspec.compiled import njit
from netspec.shapes import count

Array = Any

EFFORT = 8  # multiply-adds that take as long as a pixel

_NO_INDEX = np.empty((0, 0, 0), np.uint8)
_COMMON = frozenset((k, k, stride, stride) for k, stride in windows.SQUARES)


class CpuPoolingOps(PoolingOps):
    """float32 by kernels; other types as the reference does."""

    @launches
    def max_pool(
        self, x: Array, y: Array, index: Array | None, g: PoolingGeometry
    ) -> None:
        """See :meth:`PoolingOps.max_pool`."""
        width, places = g.input[1], _NO_INDEX if index is None else _planes(index)
        if x.dtype != np.float32:
            super().max_pool(x, y, index, g)
        elif not _is_common(g, places):
            _spread(maxima.max_pool, g, x, y, places, workspace=2 * width)
        elif index is None:
            _spread(windows.maximum, g, x, y, workspace=width)
        else:
            _spread(windows.placed_maximum, g, x, y, places, workspace=width)

    @launches
    def max_pool_backward(
        self, dy: Array, index: Array, dx: Array, g: PoolingGeometry
    ) -> None:
        """See :meth:`PoolingOps.max_pool_backward`."""
        places, width = _planes(index), g.output[1]
        if dy.dtype != np.float32:
            super().max_pool_backward(dy, index, dx, g)
        elif _is_common(g, places):
            _spread(window_gradients.maximum, g, dx, dy, places, workspace=width)
        else:
            _spread(maxima.max_pool_backward, g, dx, dy, places)

    @launches
    def average_pool(self, x: Array, y: Array, g: PoolingGeometry) -> None:
        """See :meth:`PoolingOps.average_pool`."""
        lengths = _lengths(g)
        if x.dtype != np.float32:
            super().average_pool(x, y, g)
        elif _is_global(g):
            _spread(_average_planes, g, x, y, lengths)
        elif _is_common(g):
            _spread(windows.average, g, x, y, lengths, workspace=g.input[1])
        else:
            _spread(_average_pool, g, x, y, lengths)

    def average_pool_backward(self, dy: Array, dx: Array, g: PoolingGeometry) -> None:
        """See :meth:`PoolingOps.average_pool_backward`."""
        lengths, width = _lengths(g), g.output[1]
        if dy.dtype != np.float32:
            super().average_pool_backward(dy, dx, g)
        elif _is_global(g):
            np.divide(dy, lengths[0][0] * lengths[1][0], out=dx)
        elif _is_common(g):
            _spread(window_gradients.average, g, dx, dy, lengths, workspace=width)
        else:
            _spread(_average_pool_backward, g, dx, dy, lengths)


def _planes(x: Array) -> Array:
    return x.reshape(-1, x.shape[2], x.shape[3])


@lru_cache(maxsize=256)
def _lengths(g: PoolingGeometry) -> tuple[Array, Array]:
    """Lengths of the windows down and across; float32 holds them exactly."""
    down, across = (window_lengths(g, axis).astype(np.float32) for axis in (0, 1))
    return down, across


def _is_global(g: PoolingGeometry) -> bool:
    """Whether one window covers every pixel."""
    ends = (k - p >= n for k, p, n in zip(g.kernel, g.pad, g.input))
    return g.output == (1, 1) and all(ends)


def _is_common(g: PoolingGeometry, places: Array = _NO_INDEX) -> bool:
    """Whether there are vector instructions for the windows and the type of places."""
    return places.dtype == np.uint8 and g.kernel + g.stride in _COMMON


def _spread(
    kernel: Callable[..., None],
    g: PoolingGeometry,
    image: Array,
    pooled: Array,
    *args: Any,
    workspace: int = 0,
) -> None:
    """Run a kernel over all planes; it is told kernel, stride and pad, of H and of W
    each."""
    window = (*g.kernel, *g.stride, *g.pad)
    planes = map(_planes, (image, pooled))
    size = count(g.input)
    over(
        kernel, g.batch * g.channels, size, *planes, *args, window,
        workspace=workspace, effort=EFFORT,
    )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def _average_planes(counter, tasks, workspace, group, x, y, lengths, window):  # type: ignore[no-untyped-def]
    area = lengths[0][0] * lengths[1][0]
    flat, means = x.reshape(len(x), x.shape[1] * x.shape[2]), y.reshape(-1)
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(flat))):
            pixels, total = flat[p], 0.0
            for i in range(pixels.size):
                total += np.float64(pixels[i])
            means[p] = total / area
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _average_pool(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, x, y, lengths, window
):
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(y))):
            _average(x[p], *lengths, window, y[p])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _average_pool_backward(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, dx, dy, lengths, window
):
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, len(dy))):
            _share_out(dy[p], *lengths, window, dx[p])
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
