"""Convolution of any number of axes: columns laid out by image, and multiplied."""

from __future__ import annotations

from collections.abc import Iterator
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
from netspec.backends.cuda.products import multiply
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
    """The algorithm.

    Args:
        precision: what is multiplied: "fp32", "tf32" or "fp16".
    """

    pools = False

    def __init__(self, precision: str) -> None:
        self.precision = precision

    def forward(
        self, x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
    ) -> None:
        """y = w * x, finished."""
        columns, weights = _workspace(geo), _weights(w, geo)
        for n in range(geo.batch):
            image_to_columns(x[n : n + 1], columns, geo)
            for left, right, result in _groups(geo, weights, columns, y[n]):
                multiply(left, right, result, "nn", self.precision)
        finish_channels(y, last)

    def backward_data(
        self, dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry, last: Finish
    ) -> None:
        """dx = wᵀ * dy, finished."""
        columns, weights = _workspace(geo), _weights(w, geo)
        for n in range(geo.batch):
            for left, result, right in _groups(geo, weights, columns, dy[n]):
                multiply(left, right, result, "tn", self.precision)
            columns_to_image(columns, dx[n : n + 1], geo)
        finish_channels(dx, last)

    def backward_weights(
        self, x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry
    ) -> None:
        """dw += dy xᵀ, of which the sum is made image by image."""
        total = cupy.zeros((1, *dw.shape), cupy.float32)
        columns, weights = _workspace(geo), _weights(total, geo)
        for n in range(geo.batch):
            image_to_columns(x[n : n + 1], columns, geo)
            for result, right, left in _groups(geo, weights, columns, dy[n]):
                multiply(left, right, result, "nt", self.precision, add=True)
        add_parts(total, dw)


def _workspace(geo: ConvolutionGeometry) -> Array:
    """Room for the columns of one image."""
    shape = (1, geo.channels * count(geo.kernel), *geo.output)
    return cupy.empty(shape, cupy.float32)


def _weights(w: Array, geo: ConvolutionGeometry) -> Array:
    """A view (group, K / group, C / group · taps)."""
    return w.reshape(geo.group, geo.filters // geo.group, geo.taps)


def _groups(
    geo: ConvolutionGeometry, weights: Array, columns: Array, y: Array
) -> Iterator[tuple[Array, Array, Array]]:
    """Of each group: weights (K / group, taps), columns (taps, positions) and outputs
    (K / group, positions) of one image."""
    positions = count(geo.output)
    by_group = columns.reshape(geo.group, geo.taps, positions)
    outputs = y.reshape(geo.group, geo.filters // geo.group, positions)
    return zip(weights, by_group, outputs)
