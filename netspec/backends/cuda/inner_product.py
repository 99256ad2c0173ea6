"""Inner products, in float32 by cuBLAS or rounded on tensor cores."""

from __future__ import annotations

from typing import Any

from netspec.backends.cuda.convolution.channels import channel_sums, finish_channels
from netspec.backends.cuda.convolution.epilogue import finish
from netspec.backends.cuda.products import multiply
from netspec.backends.reference.inner_product import InnerProductOps

Array = Any


class CudaInnerProductOps(InnerProductOps):
    """Matrices are read transposed as they lie.

    Attributes:
        precision: what the multipliers are fed: "fp32", "tf32" or "fp16".
    """

    precision = "fp32"

    def inner_product_forward(
        self, x: Array, w: Array, b: Array | None, y: Array, transpose: bool = False
    ) -> None:
        """See :meth:`InnerProductOps.inner_product_forward`."""
        multiply(x, w, y, "nn" if transpose else "nt", self.precision)
        finish_channels(y, finish(y.shape[1], b))

    def inner_product_backward_data(
        self, dy: Array, w: Array, dx: Array, transpose: bool = False
    ) -> None:
        """See :meth:`InnerProductOps.inner_product_backward_data`."""
        multiply(dy, w, dx, "nt" if transpose else "nn", self.precision)

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
            multiply(left, right, dw, "tn", self.precision, add=True)
        if db is not None:
            channel_sums(dy, db)
