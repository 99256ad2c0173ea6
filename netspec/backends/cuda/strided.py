"""Contiguous arrays to and from strided parts of others."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cupy
import numpy as np

from netspec.backends.cuda.launch import KernelFile, i32, i64
from netspec.shapes import Shape, count

Array = Any

KERNELS = KernelFile("arrangement")
TILE, TILE_ROWS = 32, 8  # as in kernels/arrangement.cu


def strides_of(shape: Shape) -> Shape:
    """Elements from one index to the next, for each axis of a contiguous array."""
    return tuple(count(shape, axis + 1) for axis in range(len(shape)))


def gather(x: Array, y: Array, shape: Shape, strides: Shape, start: int = 0) -> None:
    """y (contiguous, of *shape*) = the elements of x from *start* on at *strides*."""
    shape, strides = merged(shape, strides)
    if len(shape) >= 2 and strides[-2:-1] == (1,) and len(shape) <= 3:
        _turn(x, y, shape, strides, start)
    else:
        _move("gather", x, y, shape, strides, start)


def scatter(x: Array, y: Array, shape: Shape, strides: Shape, start: int = 0) -> None:
    """The elements of y from *start* on at *strides* = x (contiguous, of *shape*)."""
    _move("scatter", x, y, *merged(shape, strides), start)


def merged(shape: Shape, strides: Shape) -> tuple[Shape, Shape]:
    """The same elements by as few axes as will do.

    >>> merged((2, 3, 4, 5), (60, 20, 5, 1))
    ((120,), (1,))
    >>> merged((2, 4, 5, 3), (60, 5, 1, 20))
    ((2, 20, 3), (60, 1, 20))
    """
    axes: list[tuple[int, int]] = []
    for size, stride in zip(shape, strides):
        if size == 1:
            continue
        if axes and axes[-1][1] == size * stride:
            axes[-1] = axes[-1][0] * size, stride
        else:
            axes.append((size, stride))
    return tuple(size for size, _ in axes), tuple(stride for _, stride in axes)


def _turn(x: Array, y: Array, shape: Shape, strides: Shape, start: int) -> None:
    """Gather where x is contiguous along the last axis of y but one, tile by tile."""
    rows, columns = shape[-2:]
    outer, step = (shape[0], strides[0]) if len(shape) == 3 else (1, 0)
    tiles = outer * -(-rows // TILE) * -(-columns // TILE)
    sizes = i64(rows), i64(columns), i64(step), i64(strides[-1]), i64(start)
    if tiles:
        KERNELS.launch("gather_tiles", (tiles,), (TILE, TILE_ROWS), (x, y, *sizes))


def _move(
    kernel: str, x: Array, y: Array, shape: Shape, strides: Shape, start: int
) -> None:
    elements = count(shape)
    table = _table(cupy.cuda.Device().id, shape, strides)
    arguments = x, y, table, i64(elements), i32(len(shape)), i64(start)
    KERNELS.over(kernel, elements, arguments)


@lru_cache(maxsize=1024)
def _table(device: int, shape: Shape, strides: Shape) -> Array:
    """Sizes and strides on a device; a net's shapes come again in every pass."""
    return cupy.asarray(np.array([*shape, *strides, 0], np.int64))
