"""Choosing elements: rows by index, parts by offset, copies, and the largest values."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

from netspec.backends.base import AxisSplit
from netspec.backends.cuda.launch import BLOCK, KernelFile, i32, i64
from netspec.backends.cuda.rows import over_rows
from netspec.backends.cuda.strided import gather, scatter, strides_of
from netspec.shapes import Shape

Array = Any

KERNELS = KernelFile("selection")
MOVES = KernelFile("elementwise")


class CudaSelectionOps:
    """Names of kernels that take an index end in its type."""

    def take_rows(
        self, x: Array, index: Array, y: Array, bias: Array | None = None
    ) -> None:
        """See :meth:`SelectionOps.take_rows`."""
        arrays = x, index, y if bias is None else bias, y
        sizes = i64(y.size), i64(x.shape[1]), i64(x.shape[0]), i32(bias is not None)
        KERNELS.over(f"take_rows_{index.dtype.name}", y.size, (*arrays, *sizes))

    def add_rows(self, dy: Array, index: Array, dx: Array) -> None:
        """See :meth:`SelectionOps.add_rows`: in the same order, without atomics."""
        if dy.size:
            arguments = dy, index, dx, i64(len(dy)), i64(dx.shape[1])
            kernel = f"add_rows_{index.dtype.name}"
            KERNELS.launch(kernel, (len(dy),), (BLOCK,), arguments)

    def kept_rows(self, selector: Array, index: Array) -> int:
        """See :meth:`SelectionOps.kept_rows`; waits for the device."""
        found = np.flatnonzero(selector.get()).astype(index.dtype.type)
        index[: found.size].set(found)
        return int(found.size)

    def crop(self, x: Array, y: Array, offset: Shape) -> None:
        """See :meth:`SelectionOps.crop`."""
        strides = strides_of(x.shape)
        gather(x, y, y.shape, strides, _start(strides, offset))

    def crop_backward(self, dy: Array, dx: Array, offset: Shape) -> None:
        """See :meth:`SelectionOps.crop_backward`."""
        strides = strides_of(dx.shape)
        MOVES.over("fill", dx.size, (dx, i64(dx.size), np.float32(0)))
        scatter(dy, dx, dy.shape, strides, _start(strides, offset))

    def tile(self, x: Array, y: Array) -> None:
        """See :meth:`SelectionOps.tile`."""
        sizes = i64(y.size), i64(y.shape[1]), i64(y.shape[2])
        KERNELS.over("tile", y.size, (x, y, *sizes))

    def tile_backward(self, dy: Array, dx: Array) -> None:
        """See :meth:`SelectionOps.tile_backward`."""
        sizes = i64(dx.size), i64(dy.shape[1]), i64(dy.shape[2])
        KERNELS.over("tile_backward", dx.size, (dy, dx, *sizes))

    def largest(
        self, x: Array, axis: AxisSplit, index: Array | None, values: Array | None
    ) -> None:
        """See :meth:`SelectionOps.largest`."""
        wanted: Array = values if index is None else index
        found = [
            None if array is None else _contiguous(array) for array in (index, values)
        ]
        outputs = [x if array is None else array for array in found]
        wants = [i32(array is not None) for array in found]
        sizes = i64(axis.places), i32(axis.size), i64(axis.inner), i32(wanted.shape[1])
        arguments = x, *outputs, *sizes, *wants
        over_rows(KERNELS, "largest", axis.places, axis.size, arguments)
        for view, array in zip((index, values), found):
            if view is not None and array is not view:
                view[...] = array


def _start(strides: Shape, offset: Shape) -> int:
    """Elements before the part that begins at *offset*."""
    return sum(at * stride for at, stride in zip(offset, strides))


def _contiguous(view: Array) -> Array:
    """The view itself, or an array of its shape where a kernel cannot write it."""
    return view if view.flags.c_contiguous else cupy.empty(view.shape, view.dtype)
