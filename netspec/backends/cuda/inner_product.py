"""Inner products by cuBLAS."""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.cuda.convolution.channels import (
    add_parts,
    channel_sums,
    finish_channels,
)
from netspec.backends.cuda.convolution.epilogue import finish
from netspec.backends.reference.inner_product import InnerProductOps

Array = Any


class CudaInnerProductOps(InnerProductOps):
    """float32, with matrices that cuBLAS reads transposed as they lie."""

    def inner_product_forward(
        self, x: Array, w: Array, b: Array | None, y: Array, transpose: bool = False
    ) -> None:
        """See :meth:`InnerProductOps.inner_product_forward`."""
        cupy.matmul(x, w if transpose else w.T, out=y)
        finish_channels(y, finish(y.shape[1], b))

    def inner_product_backward_data(
        self, dy: Array, w: Array, dx: Array, transpose: bool = False
    ) -> None:
        """See :meth:`InnerProductOps.inner_product_backward_data`."""
        cupy.matmul(dy, w.T if transpose else w, out=dx)

    def inner_product_backward_weights(
        self,
        x: Array,
        dy: Array,
        dw: Array | None,
        db: Array | None,
        transpose: bool = False,
    ) -> None:
        """See :meth:`InnerProductOps.inner_product_backward_weights`."""
        if dw is not None:
            left, right = (x, dy) if transpose else (dy, x)
            part = cupy.empty((1, *dw.shape), cupy.float32)
            cupy.matmul(left.T, right, out=part[0])
            add_parts(part, dw)
        if db is not None:
            channel_sums(dy, db)
