"""Scale, bias and PReLU: a number for each channel."""

from __future__ import annotations

from typing import Any

from netspec.backends.cuda.launch import KernelFile, i32
from netspec.backends.cuda.maps import each, each_in_channels
from netspec.backends.cuda.sums import Parts

Array = Any

KERNELS = KernelFile("affine")
ACTIVATIONS = KernelFile("activations")
MOVES = KernelFile("elementwise")


class CudaAffineOps:
    """Arrays are (outer, channels, inner)."""

    def affine(
        self, x: Array, scale: Array | None, bias: Array | None, y: Array
    ) -> None:
        """See :meth:`AffineOps.affine`."""
        if scale is not None and bias is not None:
            arrays = x, scale, bias, y
            each_in_channels(KERNELS, "scale_and_shift", arrays, x.shape)
        elif scale is not None:
            each_in_channels(KERNELS, "scale_channels", (x, scale, y), x.shape)
        elif bias is not None:
            each_in_channels(KERNELS, "shift_channels", (x, bias, y), x.shape)
        elif x is not y:
            each(MOVES, "copy", (x, y))

    def affine_gradient(
        self, x: Array | None, dy: Array, dscale: Array | None, dbias: Array | None
    ) -> None:
        """See :meth:`AffineOps.affine_gradient`."""
        if dscale is None:
            if dbias is not None:
                Parts(KERNELS, "slope_sums", (dy,), dy.shape).finish(
                    KERNELS, "add_sums", (dbias,), i32(0)
                )
            return
        sums = 1 if dbias is None else 2
        kernel = "product_sums" if dbias is None else "both_sums"
        parts = Parts(KERNELS, kernel, (x, dy), dy.shape, sums=sums)
        for number, gradient in enumerate((dscale, dbias)[:sums]):
            parts.finish(KERNELS, "add_sums", (gradient,), i32(number))

    def prelu(self, x: Array, slope: Array, y: Array) -> None:
        """See :meth:`ActivationOps.prelu`."""
        each_in_channels(ACTIVATIONS, "prelu", (x, slope, y), x.shape)

    def prelu_backward(self, x: Array, slope: Array, dy: Array, dx: Array) -> None:
        """See :meth:`ActivationOps.prelu_backward`."""
        arrays = x, slope, dy, dx
        each_in_channels(ACTIVATIONS, "prelu_backward", arrays, x.shape)

    def prelu_gradient(self, x: Array, dy: Array, dslope: Array) -> None:
        """See :meth:`ActivationOps.prelu_gradient`."""
        parts = Parts(KERNELS, "prelu_sums", (x, dy), x.shape)
        parts.finish(KERNELS, "add_sums", (dslope,), i32(0))
