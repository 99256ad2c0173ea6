"""Caffe's transformation of pictures on the device, to which they go as bytes."""

from __future__ import annotations

from typing import Any

from netspec.backends.cuda.launch import KernelFile, f32, i32, i64

Array = Any

KERNELS = KernelFile("transform")


def transform(
    places: Array, pictures: Array, mean: Array, scale: float, out: Array
) -> None:
    """out = (pictures - mean) · scale, cropped and mirrored; see data/transform.py.

    The host's bits, but that the device makes 0 of numbers below 2⁻¹²⁶.

    Args:
        places: (N, 3) int32, as :class:`~netspec.data.raw.RawPictures` has them.
        pictures: (N, C, H, W) uint8.
        mean: (C, H, W), (C,) or (1,) float32.
        out: (N, C, high, wide) float32.
    """
    channels, height, width = pictures.shape[1:]
    sizes = channels, height, width, *out.shape[2:]
    numbers = i64(out.size), *map(i32, sizes), i64(mean.size), f32(scale)
    KERNELS.over("transform", out.size, (pictures, places, mean, out, *numbers))
