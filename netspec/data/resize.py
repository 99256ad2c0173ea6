"""Bilinear resizing with the arithmetic of OpenCV's INTER_LINEAR for 8-bit images.

Caffe resizes with OpenCV while it reads images and makes databases, and a model is
used to the pixels it was trained on.  Other libraries differ in three ways, each worth
several grey levels: they put pixel centres elsewhere, smooth when they shrink, or round
elsewhere.  Here, as in OpenCV: centres at half pixels, two taps a direction whatever
the scale, weights rounded to 11 bits, and 4 bits dropped between the two passes.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ONE = 1 << 11  # a weight of 1


def resize(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A picture of shape (H, W, C), resized to (height, width, C)."""
    if picture.shape[:2] == (height, width):
        return picture
    picture = np.require(picture, requirements=["C", "W"])  # one compiled version only
    out = np.empty((height, width, picture.shape[2]), np.uint8)
    across, down = _across(picture.shape[1], width), _taps(picture.shape[0], height)
    _kernel()(picture, across, down, out)
    return out


Indices = NDArray[np.intp]
Weights = NDArray[np.int32]
Taps = tuple[Indices, Indices, Weights, Weights]


@lru_cache(maxsize=64)
def _taps(source: int, target: int) -> Taps:
    """Indices of the two source pixels of each target pixel, and their weights."""
    # In double precision up to here and in single from here, as OpenCV does it.
    centre = ((np.arange(target) + 0.5) * (source / target) - 0.5).astype(np.float32)
    left = np.floor(centre)
    part = centre - left
    low = np.rint((np.float32(1) - part) * np.float32(_ONE)).astype(np.int32)
    high = np.rint(part * np.float32(_ONE)).astype(np.int32)
    first = left.astype(np.intp)
    return first.clip(0, source - 1), (first + 1).clip(0, source - 1), low, high


@lru_cache(maxsize=64)
def _across(source: int, target: int) -> Taps:
    """Taps along a row.

    OpenCV gives a pixel beyond the edge no weight across, and keeps its weight
    downwards, where two equal parts can round to less than the whole.
    """
    first, second, low, high = _taps(source, target)
    edge = first == second
    return first, second, np.where(edge, _ONE, low), np.where(edge, 0, high)


@cache
def _kernel() -> Any:
    """The compiled loop: seven times as fast as whole-array operations."""
    from netspec.data.kernels import resize_kernel

    return resize_kernel
