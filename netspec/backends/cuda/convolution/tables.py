"""Convolutions as products of matrices: where each row and column finds its values.

``kernels/implicit.cuh`` multiplies packed weights (rows: filters; the reduction:
channels and taps) with what each output position (columns) meets in the source, which
is an input or, for the data gradient, the gradient of an output.  The table says for
each element of the reduction how far its pixel lies from a position's first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import cupy
import numpy as np

from netspec.backends.base import ConvolutionGeometry
from netspec.shapes import count

Array = Any

WORDS = 16  # rows of a slab, as kernels/tiles.cuh has them
KEPT = 256  # tables: of so many geometries
OUTSIDE = -0x80000000  # pixels of an element that is padding
FARTHEST = 0x3FFF  # pixels that kernels can tell from any first one
MOST = 2**31 - 1


@dataclass(frozen=True)
class Shape:
    """Numbers that a table begins with: ``Shape`` of ``kernels/implicit.cuh``."""

    rows: int
    slabs: int
    columns: int
    high: int
    wide: int
    step_h: int
    step_w: int
    first_h: int
    first_w: int
    source_h: int
    source_w: int
    source_image: int
    source_group: int
    out_h: int
    out_w: int
    out_step_h: int
    out_step_w: int
    out_first_h: int
    out_first_w: int
    padded_rows: int


@dataclass(frozen=True)
class Product:
    """One product of matrices.

    Attributes:
        shape: see :class:`Shape`.
        table: on the device, the shape and an entry for each element of the reduction.
        origins: on the device, where each element's weight of the first row stands.
        elements: of the reduction.
        row_step, group_step: weights from one row to the next, and between groups.
        is_dense: the columns of an image are all of the result, in its order.
    """

    shape: Shape
    table: Array
    origins: Array
    elements: int
    row_step: int
    group_step: int
    is_dense: bool


class Reduction(NamedTuple):
    """What is summed over, each an int64 array with one entry an element."""

    channel: Array  # of the source, within its group
    down: Array  # pixels from the first one
    across: Array
    origin: Array  # of the first row's weight within its group


def fits(geo: ConvolutionGeometry) -> bool:
    """Whether all numbers of a convolution of two axes are as small as tables need."""
    images = geo.channels * count(geo.input), geo.filters * count(geo.output)
    positions = geo.batch * max(count(geo.input), count(geo.output))
    weights = (geo.filters + 128) * (geo.channels + WORDS * 2) * count(geo.kernel)
    axes = zip(geo.input, geo.output, geo.pad, geo.kernel, geo.dilation)
    reach = max(max(n, out) + pad + k * d for n, out, pad, k, d in axes)
    return max(*images, positions, weights) <= MOST and reach <= FARTHEST


def forward_product(
    geo: ConvolutionGeometry, tile: int, each: int, pooled: bool
) -> Product:
    """y from x: rows are a group's filters, columns its positions.

    Args:
        tile: rows of a tile.
        each: elements of the reduction in a word.
        pooled: columns go by windows of 2 × 2 positions.
    """
    return _forward(geo, tile, each, pooled, cupy.cuda.Device().id)


def backward_products(
    geo: ConvolutionGeometry, tile: int, each: int
) -> tuple[Product, ...]:
    """dx from dy: rows are a group's channels.

    Pixels a stride apart meet the same taps: a product for each such phase.
    """
    return _backward(geo, tile, each, cupy.cuda.Device().id)


@lru_cache(maxsize=KEPT)
def _forward(
    geo: ConvolutionGeometry, tile: int, each: int, pooled: bool, device: int
) -> Product:
    channels, filters = geo.channels // geo.group, geo.filters // geo.group
    taps = count(geo.kernel)
    channel, h, w = (
        a.reshape(-1) for a in np.indices((channels, *geo.kernel), np.int64)
    )
    elements = Reduction(
        channel, h * geo.dilation[0], w * geo.dilation[1], np.arange(channel.size)
    )
    high, wide = (n // 2 for n in geo.output) if pooled else geo.output
    stored = (high, wide) if pooled else geo.output
    shape = Shape(
        rows=filters,
        slabs=_slabs(elements, each),
        columns=geo.batch * high * wide * (4 if pooled else 1),
        high=high,
        wide=wide,
        step_h=geo.stride[0],
        step_w=geo.stride[1],
        first_h=-geo.pad[0],
        first_w=-geo.pad[1],
        source_h=geo.input[0],
        source_w=geo.input[1],
        source_image=geo.channels * count(geo.input),
        source_group=channels * count(geo.input),
        out_h=stored[0],
        out_w=stored[1],
        out_step_h=1,
        out_step_w=1,
        out_first_h=0,
        out_first_w=0,
        padded_rows=-(-filters // tile) * tile,
    )
    step = channels * taps
    return _product(shape, elements, each, step, filters * step, not pooled)


@lru_cache(maxsize=KEPT)
def _backward(
    geo: ConvolutionGeometry, tile: int, each: int, device: int
) -> tuple[Product, ...]:
    phases = product(*(list(_phases(geo, axis)) for axis in range(2)))
    return tuple(_phase_product(geo, tile, each, *phase) for phase in phases)


class Phase(NamedTuple):
    """Pixels of one axis a stride apart, and what they meet.

    Attributes:
        first, size: the first of these pixels, and how many there are.
        source: output position of the first pixel, for a tap that is 0 away.
        taps: that they meet, and how far from there each tap's position is.
    """

    first: int
    size: int
    source: int
    taps: list[tuple[int, int]]


def _phases(geo: ConvolutionGeometry, axis: int) -> Iterator[Phase]:
    """Phase r has the pixels i for which (i + pad) mod stride is r."""
    step, pad, dilation = geo.stride[axis], geo.pad[axis], geo.dilation[axis]
    for r in range(step):
        source = -((r - pad) // step)  # the first output i with i · step + r >= pad
        first = source * step + r - pad
        taps = [
            (tap, (r - tap * dilation) // step)
            for tap in range(geo.kernel[axis])
            if (r - tap * dilation) % step == 0
        ]
        size = -(-(geo.input[axis] - first) // step)
        if size > 0:
            yield Phase(first, size, source, taps)


def _phase_product(
    geo: ConvolutionGeometry, tile: int, each: int, down: Phase, across: Phase
) -> Product:
    channels, filters = geo.channels // geo.group, geo.filters // geo.group
    taps, weights = count(geo.kernel), channels * count(geo.kernel)
    met = [
        (f, h, w, f * weights + tap_h * geo.kernel[1] + tap_w)
        for f in range(filters)
        for tap_h, h in down.taps
        for tap_w, w in across.taps
    ]
    elements = Reduction(*np.array(met, np.int64).reshape(-1, 4).T)
    shape = Shape(
        rows=channels,
        slabs=_slabs(elements, each),
        columns=geo.batch * down.size * across.size,
        high=down.size,
        wide=across.size,
        step_h=1,
        step_w=1,
        first_h=down.source,
        first_w=across.source,
        source_h=geo.output[0],
        source_w=geo.output[1],
        source_image=geo.filters * count(geo.output),
        source_group=filters * count(geo.output),
        out_h=geo.input[0],
        out_w=geo.input[1],
        out_step_h=geo.stride[0],
        out_step_w=geo.stride[1],
        out_first_h=down.first,
        out_first_w=across.first,
        padded_rows=-(-channels // tile) * tile,
    )
    is_dense = geo.stride == (1, 1)
    return _product(shape, elements, each, taps, filters * weights, is_dense)


def _slabs(elements: Reduction, each: int) -> int:
    return -(-elements.channel.size // (WORDS * each))


def _product(
    shape: Shape,
    elements: Reduction,
    each: int,
    row_step: int,
    group_step: int,
    is_dense: bool,
) -> Product:
    padded = shape.slabs * WORDS * each
    # Kernels read one slab beyond the last, and do not use it.
    entries = np.zeros((padded + WORDS * each, 2), np.int64)
    entries[:, 1] = OUTSIDE
    plane = shape.source_h * shape.source_w
    size = elements.channel.size
    entries[:size] = entry(elements, plane, shape.source_w)
    origins = np.full(padded, -1, np.int32)
    origins[:size] = elements.origin
    numbers = np.concatenate([astuple(shape), entries.reshape(-1)])
    return Product(
        shape=shape,
        table=cupy.asarray(numbers.astype(np.int32)),
        origins=cupy.asarray(origins),
        elements=size,
        row_step=row_step,
        group_step=group_step,
        is_dense=is_dense,
    )


def entry(elements: Reduction, plane: int, line: int) -> Array:
    """``Entry`` of ``kernels/implicit.cuh`` for each element, as (size, 2) int64."""
    offset = elements.channel * plane + elements.down * line + elements.across
    pixels = (elements.down << 16) + elements.across
    return np.stack([offset, pixels], axis=1)
