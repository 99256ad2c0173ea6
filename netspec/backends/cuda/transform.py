"""Caffe's transformation of pictures on the device, to which they go as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.backends.cuda.launch import KernelFile, f32, i32, i64
from netspec.data.transform import Transform

Array = Any

KERNELS = KernelFile("transform")


def windows(
    host: Transform, height: int, width: int, first: int, count: int
) -> NDArray[np.int32]:
    """Where samples from number *first* on see pictures of one size, (N, 3).

    Row and column of each crop, and 1 where it is mirrored.
    """
    views = (host.view(height, width, draw) for draw in host.draws(first, count))
    return np.array([(v.y, v.x, v.mirror) for v in views], np.int32).reshape(-1, 3)


def transform(
    pictures: Array, windows: Array, mean: Array, scale: float, out: Array
) -> None:
    """out = (pictures - mean) · scale, cropped and mirrored; see data/transform.py.

    Args:
        pictures: (N, C, H, W) uint8.
        windows: (N, 3) int32, of :func:`windows`.
        mean: (C, H, W), (C,) or (1,) float32.
        out: (N, C, high, wide) float32.
    """
    channels, height, width = pictures.shape[1:]
    sizes = channels, height, width, *out.shape[2:]
    numbers = i64(out.size), *map(i32, sizes), i64(mean.size), f32(scale)
    KERNELS.over("transform", out.size, (pictures, windows, mean, out, *numbers))
