"""Pooling: maximum and average over windows, one vectorised step a kernel tap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from netspec.backends.base import PoolingGeometry

Array = Any

# What Caffe puts where a window holds no number: the least float32.
LOWEST = float(np.finfo(np.float32).min)

Region = tuple[Any, ...]


def taps(g: PoolingGeometry) -> Iterator[tuple[int, Region, Region]]:
    """Each place of a window, row by row: its number, outputs and inputs.

    The two regions index y and x: the outputs whose window has that place inside the
    image, and the pixels that they see there.
    """
    for row in range(g.kernel[0]):
        for column in range(g.kernel[1]):
            (out_h, in_h), (out_w, in_w) = _reach(g, 0, row), _reach(g, 1, column)
            number = row * g.kernel[1] + column
            yield number, (..., out_h, out_w), (..., in_h, in_w)


def _reach(g: PoolingGeometry, axis: int, tap: int) -> tuple[slice, slice]:
    """Outputs along one axis for which *tap* falls inside, and where it falls."""
    stride, shift = g.stride[axis], tap - g.pad[axis]
    first = max(0, -(shift // stride))
    last = min(g.output[axis] - 1, (g.input[axis] - 1 - shift) // stride)
    if last < first:
        return slice(0), slice(0)
    start, stop = first * stride + shift, last * stride + shift + 1
    return slice(first, last + 1), slice(start, stop, stride)


def window_lengths(g: PoolingGeometry, axis: int) -> Array:
    """Length of each window along one axis, clipped to the padded image; float64."""
    start = np.arange(g.output[axis]) * g.stride[axis] - g.pad[axis]
    stop = np.minimum(start + g.kernel[axis], g.input[axis] + g.pad[axis])
    return (stop - start).astype(np.float64)


def window_areas(g: PoolingGeometry) -> Array:
    """Pixels of each window clipped to the padded image, (OH, OW): AVE's divisor."""
    return np.outer(window_lengths(g, 0), window_lengths(g, 1))


class PoolingOps:
    """Pooling of x (N, C, H, W) into y (N, C, OH, OW)."""

    def max_pool(
        self, x: Array, y: Array, index: Array | None, g: PoolingGeometry
    ) -> None:
        """The largest value of each window; of equals, the first in row order.

        A window without a number above the least float32 (it lies in the padding, or
        is all NaN) gives that least, as Caffe does.

        Args:
            index: (N, C, OH, OW) integers, or None: gets the place of the maximum
                within its window, ``row * kernel width + column``; kernel height ×
                width stands for no place.  uint8 is wide enough for 255 places.
        """
        y.fill(LOWEST)
        if index is not None:
            index.fill(g.kernel[0] * g.kernel[1])
        for tap, out, seen in taps(g):
            better = x[seen] > y[out]
            np.copyto(y[out], x[seen], where=better)
            if index is not None:
                np.copyto(index[out], tap, where=better)

    def max_pool_backward(
        self, dy: Array, index: Array, dx: Array, g: PoolingGeometry
    ) -> None:
        """The gradient of each window goes to its maximum."""
        dx.fill(0)
        for tap, out, seen in taps(g):
            dx[seen] += np.where(index[out] == tap, dy[out], 0)

    def max_pool_mask(self, index: Array, mask: Array, g: PoolingGeometry) -> None:
        """Caffe's second top: where in its H × W plane each maximum lies, -1 nowhere.

        Args:
            mask: (N, C, OH, OW) of any number type.
        """
        mask.fill(-1)
        height, width = g.input
        position = np.arange(height * width).reshape(height, width)
        for tap, out, seen in taps(g):
            here = position[seen].astype(mask.dtype)
            np.copyto(mask[out], here, where=index[out] == tap)

    def average_pool(self, x: Array, y: Array, g: PoolingGeometry) -> None:
        """The sum of each window, by its area clipped to the padded image."""
        y.fill(0)
        for _, out, seen in taps(g):
            y[out] += x[seen]
        with np.errstate(invalid="ignore"):
            np.divide(y, window_areas(g), out=y, casting="same_kind")

    def average_pool_backward(self, dy: Array, dx: Array, g: PoolingGeometry) -> None:
        """Every pixel of a window gets the window's gradient by its area."""
        dx.fill(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (dy / window_areas(g)).astype(dy.dtype)
        for _, out, seen in taps(g):
            dx[seen] += share[out]
