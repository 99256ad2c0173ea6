"""Convolution of any number of axes: columns laid out, image by image, and multiplied.

Matrices are multiplied by cuBLAS in float32, whatever the precision.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cupy
import numpy as np

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cuda.convolution.channels import add_parts, finish_channels
from netspec.backends.cuda.convolution.epilogue import Finish
from netspec.backends.cuda.launch import (
    BLOCK,
    GRID_LIMITS,
    KernelFile,
    Size,
    i32,
    i64,
)
from netspec.shapes import count

Array = Any

KERNELS = KernelFile("columns")
KEPT = 256  # axes on the device: of so many geometries


def image_to_columns(x: Array, y: Array, geo: ConvolutionGeometry) -> None:
    """y (N, C · taps, out...) = what each output position meets."""
    taps, positions = count(geo.kernel), count(geo.output)
    rows = len(x) * geo.channels * taps
    if y.size:
        numbers = (i64(rows), *map(i32, (taps, positions, count(geo.input))))
        args = (x, y, _axes(geo), i32(len(geo.input)), *numbers)
        KERNELS.launch("image_to_columns", _grid(positions, rows), (BLOCK,), args)


def columns_to_image(dy: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx (N, C, in...) = the sums of what each pixel was met as."""
    taps, pixels = count(geo.kernel), count(geo.input)
    planes = len(dx) * geo.channels
    if dx.size:
        numbers = map(i32, (planes, taps, count(geo.output), pixels))
        args = (dy, dx, _axes(geo), i32(len(geo.input)), *numbers)
        KERNELS.launch("columns_to_image", _grid(pixels, planes), (BLOCK,), args)


def _grid(places: int, rows: int) -> Size:
    return -(-places // BLOCK), min(rows, GRID_LIMITS[1])


def _axes(geo: ConvolutionGeometry) -> Array:
    """``Axis`` of columns.cu for each axis, on the device; one zero for none."""
    fields = (geo.input, geo.output, geo.kernel, geo.stride, geo.pad, geo.dilation)
    return _on_device(tuple(zip(*fields)), cupy.cuda.Device().id)


@lru_cache(maxsize=KEPT)
def _on_device(numbers: tuple[tuple[int, ...], ...], device: int) -> Array:
    return cupy.asarray(np.array(numbers or [0], np.int32))


class Columns:
    """The algorithm."""

    pools = False

    def forward(
        self, x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
    ) -> None:
        """y = w * x, finished."""
        columns, left = _workspace(geo), _weights(w, geo)
        for n in range(geo.batch):
            image_to_columns(x[n : n + 1], columns, geo)
            right = columns.reshape(geo.group, left.shape[2], -1)
            cupy.matmul(left, right, out=y[n].reshape(geo.group, left.shape[1], -1))
        finish_channels(y, last)

    def backward_data(
        self, dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry, last: Finish
    ) -> None:
        """dx = wᵀ * dy, finished."""
        columns = _workspace(geo)
        left = cupy.ascontiguousarray(_weights(w, geo).swapaxes(1, 2))
        for n in range(geo.batch):
            right = dy[n].reshape(geo.group, left.shape[2], -1)
            cupy.matmul(left, right, out=columns.reshape(*left.shape[:2], -1))
            columns_to_image(columns, dx[n : n + 1], geo)
        finish_channels(dx, last)

    def backward_weights(
        self, x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry
    ) -> None:
        """dw += dy xᵀ, image by image."""
        columns = _workspace(geo)
        part = cupy.empty((1, *_weights(dw, geo).shape), cupy.float32)
        for n in range(geo.batch):
            image_to_columns(x[n : n + 1], columns, geo)
            left = dy[n].reshape(*part.shape[1:3], -1)
            right = columns.reshape(geo.group, part.shape[3], -1)
            for group in range(geo.group):
                # Of two axes: cuBLAS then reads the second one transposed as it is.
                cupy.matmul(left[group], right[group].T, out=part[0, group])
            add_parts(part, dw)


def _workspace(geo: ConvolutionGeometry) -> Array:
    """Room for the columns of one image."""
    shape = (1, geo.channels * count(geo.kernel), *geo.output)
    return cupy.empty(shape, cupy.float32)


def _weights(w: Array, geo: ConvolutionGeometry) -> Array:
    """A view (group, K / group, C / group · taps)."""
    return w.reshape(geo.group, geo.filters // geo.group, geo.taps)
