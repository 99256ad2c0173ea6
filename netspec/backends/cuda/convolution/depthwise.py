"""Convolution whose groups have few channels: plain sums, one thread an output.

Depthwise convolution has one channel a group; a tile of a product of matrices would be
nearly empty.
"""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cuda.convolution import tables
from netspec.backends.cuda.convolution.channels import add_parts
from netspec.backends.cuda.convolution.epilogue import Finish
from netspec.backends.cuda.convolution.frame import in_plane
from netspec.backends.cuda.convolution.tables import Product
from netspec.backends.cuda.launch import BLOCK, GRID_LIMITS, KernelFile, i32

Array = Any

KERNELS = KernelFile("depthwise")
TILE = 64  # rows, of tables that others use as well
BLOCKS = 512  # that fill any device
LEAST_POSITIONS = 16 * BLOCK  # of a part of a weight's gradient


class Depthwise:
    """The algorithm; always in float32."""

    pools = False

    def forward(
        self, x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
    ) -> None:
        """y = w * x, finished."""
        geo = in_plane(geo)
        product = tables.forward_product(geo, TILE, 1, False)
        self._sum(x, w, y, product, geo.group, last)

    def backward_data(
        self, dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry, last: Finish
    ) -> None:
        """dx = wᵀ * dy, finished."""
        geo = in_plane(geo)
        for product in tables.backward_products(geo, TILE, 1):
            self._sum(dy, w, dx, product, geo.group, last)

    def _sum(
        self,
        source: Array,
        w: Array,
        result: Array,
        product: Product,
        group: int,
        last: Finish,
    ) -> None:
        columns, filters = product.shape.columns, group * product.shape.rows
        if not columns:
            return
        arrays = (source, w, product.table, product.origins, *last.arrays(), result)
        numbers = (product.elements, filters, product.row_step, product.group_step)
        grid = (-(-columns // BLOCK), min(filters, GRID_LIMITS[1]))
        args = (*arrays, *map(i32, (*numbers, last.flags)))
        KERNELS.launch("convolve_plainly", grid, (BLOCK,), args)

    def backward_weights(
        self, x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry
    ) -> None:
        """dw += dy xᵀ."""
        geo = in_plane(geo)
        product = tables.forward_product(geo, TILE, 1, False)
        columns = product.shape.columns
        if not columns:
            return
        count = max(1, min(-(-BLOCKS // dw.size), -(-columns // LEAST_POSITIONS)))
        parts = cupy.empty((count, dw.size), cupy.float32)
        numbers = (product.elements, geo.filters, -(-columns // count))
        args = (x, dy, product.table, parts, *map(i32, numbers))
        KERNELS.launch("correlate_plainly", (dw.size, count), (BLOCK,), args)
        add_parts(parts, dw)
