"""Elements in another order, repeated, or put back where a maximum was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cupy

from netspec.backends.cuda.launch import KernelFile, i32, i64
from netspec.backends.cuda.strided import gather, strides_of

Array = Any

KERNELS = KernelFile("arrangement")


class CudaArrangementOps:
    """A thread for each element that is written."""

    def permute(self, x: Array, y: Array, order: Sequence[int]) -> None:
        """See :meth:`ArrangementOps.permute`."""
        strides = strides_of(x.shape)
        gather(x, y, y.shape, tuple(strides[axis] for axis in order))

    def repeat(self, x: Array, y: Array, factor: int) -> None:
        """See :meth:`ArrangementOps.repeat`."""
        sizes = i64(y.size), i32(x.shape[2]), i32(factor)
        KERNELS.over("repeat", y.size, (x, y, *sizes))

    def repeat_backward(self, dy: Array, dx: Array, factor: int) -> None:
        """See :meth:`ArrangementOps.repeat_backward`."""
        sizes = i64(dx.size), i32(dx.shape[2]), i32(factor)
        KERNELS.over("repeat_backward", dx.size, (dy, dx, *sizes))

    def unpool(self, x: Array, place: Array, y: Array) -> None:
        """See :meth:`ArrangementOps.unpool`; places are float32."""
        owner = cupy.empty(y.shape, cupy.int32)
        sizes = i64(x.shape[1]), i64(y.shape[1])
        KERNELS.over("nobody", y.size, (owner, i64(y.size)))
        KERNELS.over("claim", x.size, (place, owner, i64(x.size), *sizes))
        KERNELS.over("unpool", y.size, (x, owner, y, i64(y.size), *sizes))

    def unpool_backward(self, dy: Array, place: Array, dx: Array) -> None:
        """See :meth:`ArrangementOps.unpool_backward`; places are float32."""
        sizes = i64(dx.size), i64(dx.shape[1]), i64(dy.shape[1])
        KERNELS.over("unpool_backward", dx.size, (dy, place, dx, *sizes))
