"""Contiguous arrays to and from strided parts of others."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cupy
import numpy as np

from netspec.backends.cuda.launch import KernelFile, i32, i64
from netspec.shapes import Shape

Array = Any

KERNELS = KernelFile("arrangement")


def strides_of(shape: Shape) -> Shape:
    """Elements from one index to the next, for each axis of a contiguous array."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def gather(x: Array, y: Array, shape: Shape, strides: Shape, start: int = 0) -> None:
    """y (contiguous, of *shape*) = the elements of x from *start* on at *strides*."""
    _move("gather", x, y, shape, strides, start)


def scatter(x: Array, y: Array, shape: Shape, strides: Shape, start: int = 0) -> None:
    """The elements of y from *start* on at *strides* = x (contiguous, of *shape*)."""
    _move("scatter", x, y, shape, strides, start)


def _move(
    kernel: str, x: Array, y: Array, shape: Shape, strides: Shape, start: int
) -> None:
    elements = int(np.prod(shape))
    table = _table(cupy.cuda.Device().id, shape, strides)
    arguments = x, y, table, i64(elements), i32(len(shape)), i64(start)
    KERNELS.over(kernel, elements, arguments)


@lru_cache(maxsize=1024)
def _table(device: int, shape: Shape, strides: Shape) -> Array:
    """Sizes and strides on a device; a net's shapes come again in every pass."""
    return cupy.asarray(np.array([*shape, *strides, 0], np.int64))
