"""The products of VGG-16, pass by pass: their tiles, and a sample of one tile."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from math import ceil, prod
from typing import Any
from unittest.mock import patch

from netspec.backends.base import ConvolutionGeometry, Epilogue
from tests.cudasim.standin import install
from tools.roofline_model.devices import DEPTH, SECTOR

with install():
    from netspec.backends.cuda import products
    from netspec.backends.cuda.convolution.channels import LEAST_SLABS
    from netspec.backends.cuda.convolution.implicit import (
        COLUMNS,
        KINDS,
        gradient_columns,
        slabs_of_part,
        tile_columns,
    )

Make = Callable[[tuple[int, ...]], Any]
Tile = tuple[int, int]

OPERATIONS = ("forward", "data", "weights")
FLOAT = 4  # bytes
# Name, channels, filters, size of the input.
CONVOLUTIONS = (
    ("conv1_1", 3, 64, 224),
    ("conv1_2", 64, 64, 224),
    ("conv2_1", 64, 128, 112),
    ("conv2_2", 128, 128, 112),
    ("conv3_1", 128, 256, 56),
    ("conv3_2", 256, 256, 56),
    ("conv4_1", 256, 512, 28),
    ("conv4_2", 512, 512, 28),
    ("conv5_1", 512, 512, 14),
)
INNER_PRODUCTS = (("fc6", 25088, 4096), ("fc7", 4096, 4096), ("fc8", 4096, 1000))
SAMPLE = 512  # elements of an inner product's reduction in the sample
POSITIONS = 500  # at least, in the sample of a weights' gradient
EMPTY = 0.02  # of the positions of the sample's tiles and parts
MANY = 1 << 30  # blocks


@dataclass(frozen=True)
class Task(ABC):
    """One pass of one layer."""

    layer: str
    operation: str
    batch: int
    channels: int
    filters: int

    @property
    @abstractmethod
    def products(self) -> int:
        """Multiplications that the layer is defined by."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Of all arrays, once."""

    @abstractmethod
    def tile(self, precision: str) -> Tile:
        """Rows and columns of the results of a block."""

    @abstractmethod
    def file(self, precision: str) -> str:
        """The file of the kernel."""

    @abstractmethod
    def blocks(self, precision: str) -> tuple[int, int]:
        """Blocks of the launch, and slabs of each."""

    @abstractmethod
    def run_sample(self, ops: Any, zeros: Make) -> None:
        """Do the pass for a tile of results."""

    @abstractmethod
    def sample_slabs(self, precision: str, blocks: int) -> float:
        """Slabs that the blocks of the sample summed, as full ones."""


@dataclass(frozen=True)
class Convolution(Task):
    """3 × 3, stride 1, padded by 1."""

    size: int

    @property
    def positions(self) -> int:
        return self.batch * self.size**2

    @property
    def products(self) -> int:
        return self.positions * self.channels * self.filters * 9

    @property
    def bytes(self) -> int:
        data = self.positions * (self.channels + self.filters)
        return FLOAT * (data + 9 * self.channels * self.filters)

    def tile(self, precision: str) -> Tile:
        rows, kind = 128 if (self._rows - 1) % 128 >= 64 else 64, KINDS[precision]
        if self.operation == "weights":
            return rows, gradient_columns(kind, rows, 9 * self.channels)
        tiles = ceil(self._rows / rows)
        return rows, tile_columns(kind, rows, tiles, self.positions)

    @property
    def _rows(self) -> int:
        return self.channels if self.operation == "data" else self.filters

    def file(self, precision: str) -> str:
        return "convolution" if precision == "fp32" else "convolution_tensor"

    def blocks(self, precision: str) -> tuple[int, int]:
        (rows, columns), depth = self.tile(precision), DEPTH[precision]
        if self.operation == "weights":
            tiles = ceil(9 * self.channels / columns) * ceil(self.filters / rows)
            slabs = ceil(self.positions / depth)
            each = slabs_of_part(slabs, tiles)
            return tiles * ceil(slabs / each), each
        out, taps = self.filters, self.channels
        if self.operation == "data":
            out, taps = taps, out
        tiles = ceil(self.positions / columns) * ceil(out / rows)
        return tiles, ceil(9 * taps / depth)

    def _geometry(self, precision: str) -> ConvolutionGeometry:
        """Tiles side by side: all channels, the real width, all rows as inside."""
        rows, columns = self.tile(precision)
        high, width = self._high(precision), self.size
        channels, filters, pad, size = self.channels, rows, (0, 1), (high + 2, width)
        if self.operation == "data":
            channels, filters, pad, size = rows, self.filters, (2, 1), (high, width)
        if self.operation == "weights":  # of the channels, those of a tile's columns
            channels = min(self.channels, columns // 9)
            size = (high + 2, width)
        window = (3, 3), (1, 1), pad, (1, 1)
        return ConvolutionGeometry(1, channels, filters, size, *window)

    def _high(self, precision: str) -> int:
        """Lines that nearly fill tiles, or parts of a weights' gradient.

        A channel's values begin as often within a sector as in the layer itself.
        """
        least, run, more = 1, self.tile(precision)[1], 2
        if self.operation == "weights":
            least, run, more = POSITIONS, LEAST_SLABS * DEPTH[precision], 0
        return next(
            high
            for high in count(1)
            if high * self.size >= least
            and -high * self.size % run <= high * self.size * EMPTY
            and (high + more - self.size) * self.size % (SECTOR // FLOAT) == 0
        )

    def run_sample(self, ops: Any, zeros: Make) -> None:
        from netspec.backends.cuda.convolution import implicit  # of this stand-in

        wide = self.tile(ops.precision)[1] != COLUMNS
        with patch.object(implicit, "BLOCKS", 0 if wide else MANY):
            self._run_sample(ops, zeros, self._geometry(ops.precision))

    def _run_sample(self, ops: Any, zeros: Make, own: ConvolutionGeometry) -> None:
        x = zeros((1, own.channels, *own.input))
        w = zeros((own.filters, own.channels, 3, 3))
        y = zeros((1, own.filters, *own.output))
        if self.operation == "forward":
            ops.convolution_forward(x, w, None, y, own, Epilogue())
        elif self.operation == "data":
            ops.convolution_backward_data(y, w, x, own)
        else:
            ops.convolution_backward_weights(x, y, w, own)

    def sample_slabs(self, precision: str, blocks: int) -> float:
        own, depth = self._geometry(precision), DEPTH[precision]
        if self.operation == "weights":  # of one tile; blocks have parts of them
            return ceil(prod(own.output) / depth)
        taps = own.filters if self.operation == "data" else own.channels
        return blocks * ceil(9 * taps / depth)


@dataclass(frozen=True)
class InnerProduct(Task):
    """A fully connected layer, on tensor cores."""

    @property
    def products(self) -> int:
        return self.batch * self.channels * self.filters

    @property
    def bytes(self) -> int:
        data = self.batch * (self.channels + self.filters)
        return FLOAT * (data + self.channels * self.filters)

    def tile(self, precision: str) -> Tile:
        return products.ROWS, products.COLUMNS

    def file(self, precision: str) -> str:
        return "gemm_tensor"

    def blocks(self, precision: str) -> tuple[int, int]:
        tile, depth = self.tile(precision), DEPTH[precision]
        rows, columns, length = {
            "forward": (self.batch, self.filters, self.channels),
            "data": (self.batch, self.channels, self.filters),
            "weights": (self.filters, self.channels, self.batch),
        }[self.operation]
        tiles = ceil(rows / tile[0]) * ceil(columns / tile[1])
        slabs = ceil(length / depth)
        each = slabs_of_part(slabs, tiles)
        return tiles * ceil(slabs / each), min(each, slabs)

    def run_sample(self, ops: Any, zeros: Make) -> None:
        rows, columns = self.tile(ops.precision)
        if self.operation == "forward":
            x, w, y = (rows, SAMPLE), (columns, SAMPLE), (rows, columns)
            ops.inner_product_forward(zeros(x), zeros(w), zeros((columns,)), zeros(y))
        elif self.operation == "data":
            dy, w, dx = (rows, SAMPLE), (SAMPLE, columns), (rows, columns)
            ops.inner_product_backward_data(zeros(dy), zeros(w), zeros(dx))
        else:
            x, dy, dw = (SAMPLE, columns), (SAMPLE, rows), (rows, columns)
            ops.inner_product_backward_weights(zeros(x), zeros(dy), zeros(dw), None)

    def sample_slabs(self, precision: str, blocks: int) -> float:
        return SAMPLE / DEPTH[precision]


def tasks(batch: int, precision: str) -> Iterator[Task]:
    """All passes; inner products of float32 are cuBLAS's."""
    for layer, channels, filters, size in CONVOLUTIONS:
        for operation in OPERATIONS:
            if (layer, operation) != ("conv1_1", "data"):
                yield Convolution(layer, operation, batch, channels, filters, size)
    if precision != "fp32":
        for layer, channels, filters in INNER_PRODUCTS:
            for operation in OPERATIONS:
                yield InnerProduct(layer, operation, batch, channels, filters)
