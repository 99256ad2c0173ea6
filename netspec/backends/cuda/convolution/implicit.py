"""Convolution of two axes as a product of matrices that is never laid out.

Every operation is one kernel's tiles; see :mod:`.tables` for what they find where.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import cupy

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cuda.convolution import tables
from netspec.backends.cuda.convolution.channels import BLOCKS, add_parts, slabs_of_part
from netspec.backends.cuda.convolution.epilogue import VECTORS, Finish
from netspec.backends.cuda.convolution.frame import in_plane
from netspec.backends.cuda.convolution.tables import Product
from netspec.backends.cuda.launch import KernelFile, i32

Array = Any

COLUMNS = 128  # of a tile
PACKED_ROWS = 32  # of a block that packs weights
PACKED_BLOCK = 256
ALIGNED = 16  # bytes


@dataclass(frozen=True)
class Kind:
    """What the multipliers are fed.

    Attributes:
        precision: "fp32", "tf32" or "fp16".
        each: numbers of the reduction in a word.
        width: neighbouring columns of one thread.
        kernels: the file of the kernels.
        threads: of a block, by the rows of its tile.
        wide: more columns than :data:`COLUMNS` that a tile may have, by its rows.
        wide_gradient: the same for a weights' gradient.
    """

    precision: str
    each: int
    width: int
    kernels: KernelFile
    threads: dict[int, int]
    wide: dict[int, int]
    wide_gradient: dict[int, int]


_TENSOR, _THREADS = KernelFile("convolution_tensor"), {64: 128, 128: 128}
KINDS = {
    "fp32": Kind("fp32", 1, 4, KernelFile("convolution"), {64: 128, 128: 256}, {}, {}),
    "tf32": Kind("tf32", 1, 2, _TENSOR, _THREADS, {64: 256}, {64: 288}),
    "fp16": Kind("fp16", 2, 2, _TENSOR, _THREADS, {64: 256}, {64: 192}),
}


def tile_columns(kind: Kind, rows: int, tiles: int, positions: int) -> int:
    """Columns of a tile of so many rows, of so many such tiles one above another.

    Many, unless too few blocks would be left to fill a device.
    """
    wide = kind.wide.get(rows, COLUMNS)
    return wide if tiles * -(-positions // wide) >= BLOCKS else COLUMNS


def gradient_columns(kind: Kind, rows: int, elements: int) -> int:
    """Columns of a tile of so many rows, in the gradient of a filter's weights.

    As many as leave the fewest columns empty, and else as may be: the more columns,
    the fewer instructions for each product.
    """
    choices = (kind.wide_gradient.get(rows, COLUMNS), COLUMNS)
    return min(choices, key=lambda columns: -elements % columns)


class Implicit:
    """The algorithm with tiles of so many rows.

    Args:
        precision: a key of :data:`KINDS`.
        tile: 64 or 128 rows.
    """

    pools = True

    def __init__(self, precision: str, tile: int) -> None:
        self.kind = KINDS[precision]
        self.tile = tile

    def forward(
        self, x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
    ) -> None:
        """y = w * x, finished."""
        each = self.kind.each
        geo = in_plane(geo)
        product = tables.forward_product(geo, self.tile, each, last.pools)
        self._multiply(x, w, y, product, geo, last)

    def backward_data(
        self, dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry, last: Finish
    ) -> None:
        """dx = wᵀ * dy, finished."""
        geo = in_plane(geo)
        for product in tables.backward_products(geo, self.tile, self.kind.each):
            self._multiply(dy, w, dx, product, geo, last)

    def backward_weights(
        self, x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry
    ) -> None:
        """dw += dy xᵀ."""
        geo, kind = in_plane(geo), self.kind
        product = tables.forward_product(geo, self.tile, 1, False)
        if not product.shape.columns:
            return
        columns = gradient_columns(kind, self.tile, geo.taps)
        tiles = -(-geo.taps // columns), product.shape.padded_rows // self.tile
        slabs = -(-product.shape.columns // (tables.WORDS * kind.each))
        each = slabs_of_part(slabs, prod(tiles) * geo.group)
        count = -(-slabs // each)
        parts = cupy.empty((count, dw.size), cupy.float32)
        numbers = map(i32, (geo.taps, geo.group, each))
        kind.kernels.launch(
            self._kernel("correlate", columns),
            (*tiles, geo.group * count),
            (kind.threads[self.tile],),
            (x, dy, product.table, parts, *numbers),
        )
        add_parts(parts, dw)

    def _multiply(
        self,
        source: Array,
        w: Array,
        result: Array,
        product: Product,
        geo: ConvolutionGeometry,
        last: Finish,
    ) -> None:
        shape, kind = product.shape, self.kind
        if not shape.columns:
            return
        packed = self._packed(w, product, geo.group)
        rows = shape.padded_rows // self.tile
        columns = tile_columns(kind, self.tile, rows * geo.group, shape.columns)
        grid = (-(-shape.columns // columns), rows, geo.group)
        flags = last.flags | self._vectors(product, result)
        args = (source, packed, product.table, *last.arrays(), result, i32(flags))
        name = self._kernel("convolve", columns)
        kind.kernels.launch(name, grid, (kind.threads[self.tile],), args)

    def _kernel(self, what: str, columns: int) -> str:
        """The name of the kernel whose tiles have so many columns."""
        wide = "" if columns == COLUMNS else f"_{columns}"
        return f"{what}_{self.kind.precision}_{self.tile}{wide}"

    def _packed(self, w: Array, product: Product, group: int) -> Array:
        """The weights as the kernel takes them: (group, words, rows up to a tile)."""
        shape = product.shape
        size = max(1, group * shape.slabs * tables.WORDS * shape.padded_rows)
        packed = cupy.empty(size, cupy.float32)
        if shape.slabs:
            numbers = (shape.rows, product.row_step, product.group_step)
            self.kind.kernels.launch(
                f"pack_{self.kind.precision}",
                (shape.slabs, shape.padded_rows // PACKED_ROWS, group),
                (PACKED_BLOCK,),
                (w, product.origins, packed, *map(i32, numbers)),
            )
        return packed

    def _vectors(self, product: Product, result: Array) -> int:
        """The flag, where a thread's columns are aligned neighbours in the result."""
        positions = product.shape.high * product.shape.wide
        is_even = positions % self.kind.width == 0
        is_aligned = result.data.ptr % ALIGNED == 0
        return VECTORS if product.is_dense and is_even and is_aligned else 0
