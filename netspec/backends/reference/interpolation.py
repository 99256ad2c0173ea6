"""Bilinear interpolation of planes, first down, then across."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.backends.base import Interpolation

Array = Any
Taps = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]


def interpolation_taps(start: int, size: int, output: int) -> Taps:
    """For each output along one axis: two inputs, and the share of the second.

    First and last fall on the first and last of *size* inputs from *start* on.  In
    single precision in every float type, as Caffe's forks compute it.
    """
    step = (
        np.float32(size - 1) / np.float32(output - 1) if output > 1 else np.float32(0)
    )
    at = step * np.arange(output, dtype=np.float32)
    first = np.minimum(at.astype(np.int64), size - 1)
    second = np.minimum(first + 1, size - 1)
    return first + start, second + start, at - first.astype(np.float32)


class InterpolationOps:
    """Planes x (P, H, W) to y (P, OH, OW)."""

    def interpolate(self, x: Array, y: Array, g: Interpolation) -> None:
        """y = x between its pixels."""
        down, across = (interpolation_taps(g.start, *axis) for axis in g.axes)
        share = down[2][:, None]
        rows = x[:, down[0]] * (1 - share) + x[:, down[1]] * share
        y[...] = rows[..., across[0]] * (1 - across[2])
        y += rows[..., across[1]] * across[2]

    def interpolate_backward(self, dy: Array, dx: Array, g: Interpolation) -> None:
        """dx = what the pixels of dy take from each pixel of x."""
        down, across = (interpolation_taps(g.start, *axis) for axis in g.axes)
        columns = np.zeros((*dy.shape[:2], dx.shape[2]), dy.dtype)
        for i, (first, second, share) in enumerate(zip(*across)):
            columns[..., first] += dy[..., i] * (1 - share)
            columns[..., second] += dy[..., i] * share
        dx.fill(0)
        for i, (first, second, share) in enumerate(zip(*down)):
            dx[:, first] += columns[:, i] * (1 - share)
            dx[:, second] += columns[:, i] * share
