"""Pooling of regions."""

from __future__ import annotations

from typing import Any

from netspec.backends.cuda.launch import KernelFile, f32, i32, i64
from netspec.shapes import count

Array = Any

KERNELS = KernelFile("regions")


class CudaRegionOps:
    """A thread for each bin, or, in gradients, for each pixel: nothing is raced for."""

    def region_max(
        self, x: Array, regions: Array, y: Array, index: Array, scale: float
    ) -> None:
        """See :meth:`RegionOps.region_max`."""
        sizes = i64(y.size), *map(i32, (*x.shape[1:], *y.shape[2:])), f32(scale)
        KERNELS.over("region_max", y.size, (x, regions, y, index, *sizes))

    def region_max_backward(
        self, dy: Array, regions: Array, index: Array, dx: Array
    ) -> None:
        """See :meth:`RegionOps.region_max_backward`."""
        pixels, bins = count(dx.shape, 2), count(dy.shape, 2)
        sizes = i64(dx.size), i64(len(dy)), i32(dx.shape[1]), i64(pixels), i32(bins)
        arguments = dy, regions, index, dx, *sizes
        KERNELS.over("region_max_backward", dx.size, arguments)

    def region_mean(self, x: Array, regions: Array, y: Array, scale: float) -> None:
        """See :meth:`RegionOps.region_mean`."""
        sizes = i64(y.size), *map(i32, (*x.shape[1:], *y.shape[1:3])), f32(scale)
        KERNELS.over("region_mean", y.size, (x, regions, y, *sizes))

    def region_mean_backward(
        self, dy: Array, regions: Array, dx: Array, scale: float
    ) -> None:
        """See :meth:`RegionOps.region_mean_backward`."""
        shapes = *dx.shape[1:], *dy.shape[1:3]
        sizes = i64(dx.size), i64(len(dy)), *map(i32, shapes), f32(scale)
        KERNELS.over("region_mean_backward", dx.size, (dy, regions, dx, *sizes))
