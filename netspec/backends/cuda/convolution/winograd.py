"""3×3 convolution of stride 1 by Winograd's F(4×4, 3×3): a quarter of the products.

Kernels transform inputs, weights and outputs, and cuBLAS multiplies: of each of the 36
places of a tile, filters × channels times channels × tiles.  The formulas are in
:mod:`netspec.backends.cpu.winograd.formulas`.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cupy

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cuda.convolution.channels import add_parts
from netspec.backends.cuda.convolution.epilogue import VECTORS, Finish
from netspec.backends.cuda.launch import KernelFile, i32
from netspec.shapes import Shape

Array = Any

KERNELS = KernelFile("winograd")
BLOCK = 128
TILE, PLANES, TAPS = 4, 36, 9
WORKSPACE = 1 << 26  # float32 values of the planes of a run of tiles
WHOLE = 32  # tiles of a run: whole warps, and aligned rows for cuBLAS
ALIGNED = 16  # bytes
BEFORE = {"inputs": 1, "output_gradients": 0}  # pixels that a tile sees to its left


def suits(geo: ConvolutionGeometry) -> bool:
    """Whether a convolution is one that this algorithm does."""
    return (geo.kernel, geo.stride, geo.dilation) == ((3, 3), (1, 1), (1, 1))


@dataclass(frozen=True)
class Run:
    """Tiles that are transformed and multiplied at a time.

    Attributes:
        size: planes have room for so many.
        first, last: those that there are, numbered over all images.
        high, wide: tiles of an image.
    """

    size: int
    first: int
    last: int
    high: int
    wide: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """As kernels take them."""
        return self.size, self.first, self.last, self.high, self.wide


def runs(batch: int, output: Shape, channels: int) -> Iterator[Run]:
    """All tiles of an output, in runs that leave *channels* planes in the workspace."""
    high, wide = (-(-n // TILE) for n in output)
    tiles = batch * high * wide
    most = max(WHOLE, WORKSPACE // (PLANES * channels) // WHOLE * WHOLE)
    each = -(-tiles // max(1, -(-tiles // most)))
    # Whole warps but for the last run's: within a warp tiles know their neighbours.
    size = -(-each // WHOLE) * WHOLE
    for first in range(0, tiles, size or 1):
        yield Run(size, first, min(first + size, tiles), high, wide)


class Winograd:
    """The algorithm; always in float32."""

    pools = True

    def forward(
        self, x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
    ) -> None:
        """y = w * x, finished."""
        channels, filters = geo.channels // geo.group, geo.filters // geo.group
        for group in range(geo.group):
            own = w[group * filters : (group + 1) * filters]
            u = _weights(own, (filters, channels), (channels * TAPS, TAPS), False)
            _convolve(x, u, y, geo.output, geo.pad, group, last)

    def backward_data(
        self, dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry, last: Finish
    ) -> None:
        """dx = wᵀ * dy: the convolution with kernels turned and w transposed."""
        channels, filters = geo.channels // geo.group, geo.filters // geo.group
        pad = tuple(2 - n for n in geo.pad)
        for group in range(geo.group):
            own = w[group * filters : (group + 1) * filters]
            u = _weights(own, (channels, filters), (TAPS, channels * TAPS), True)
            _convolve(dy, u, dx, geo.input, pad, group, last)

    def backward_weights(
        self, x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry
    ) -> None:
        """dw += dy xᵀ: the sum over all tiles, which is made run by run."""
        channels, filters = geo.channels // geo.group, geo.filters // geo.group
        part = cupy.empty((PLANES, filters, channels), cupy.float32)
        total = cupy.zeros((1, *dw.shape), cupy.float32)
        for group in range(geo.group):
            own = total[0, group * filters : (group + 1) * filters]
            for run in runs(geo.batch, geo.output, channels + filters):
                v = _tiles("inputs", x, run, group, channels, geo.pad)
                d = _tiles("output_gradients", dy, run, group, filters, (0, 0))
                for i in range(PLANES):
                    # Of two axes: cuBLAS then reads v transposed as it is.
                    cupy.matmul(d[i], v[i].T, out=part[i])
                args = (part, own, i32(filters * channels))
                _launch("add_weight_gradients", filters * channels, 1, args)
        add_parts(total, dw)


def _convolve(
    x: Array, u: Array, y: Array, output: Shape, pad: Shape, group: int, last: Finish
) -> None:
    """One group of y, of the spatial shape *output* before any pooling."""
    _, filters, channels = u.shape
    flags = last.flags | (0 if last.pools or not _in_vectors(y) else VECTORS)
    for run in runs(len(x), output, channels + filters):
        v = _tiles("inputs", x, run, group, channels, pad)
        m = cupy.empty((PLANES, filters, run.size), cupy.float32)
        cupy.matmul(u, v, out=m)
        numbers = (*run.numbers, y.shape[1], group * filters, *output, flags)
        args = (m, *last.arrays(), y, *map(i32, numbers))
        _launch("transform_outputs", run.size, filters, args)


def _weights(w: Array, shape: Shape, steps: Shape, turned: bool) -> Array:
    """G w Gᵀ of the kernels of one group, (36, *shape*)."""
    u = cupy.empty((PLANES, *shape), cupy.float32)
    args = (w, u, *map(i32, (*shape, *steps, turned)))
    _launch("transform_weights", shape[0] * shape[1], 1, args)
    return u


def _tiles(
    what: str, source: Array, run: Run, group: int, channels: int, pad: Shape
) -> Array:
    """The transformed tiles of one group of a source, (36, channels, tiles)."""
    planes = cupy.empty((PLANES, channels, run.size), cupy.float32)
    place = (source.shape[1], group * channels, *source.shape[2:], *pad)
    vectors = pad[1] == BEFORE[what] and _in_vectors(source)
    args = (source, planes, *map(i32, (*run.numbers, *place, vectors)))
    _launch(f"transform_{what}", run.size, channels, args)
    return planes


def _in_vectors(image: Array) -> bool:
    """Whether lines are whole vectors, and aligned."""
    return image.shape[3] % TILE == 0 and image.data.ptr % ALIGNED == 0


def _launch(kernel: str, across: int, down: int, args: tuple[Any, ...]) -> None:
    KERNELS.launch(kernel, (-(-across // BLOCK), down), (BLOCK,), args)
