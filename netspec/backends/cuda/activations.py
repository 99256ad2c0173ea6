"""Activations: functions of one number."""

from __future__ import annotations

from typing import Any

from netspec.backends.cuda.launch import KernelFile, f32
from netspec.backends.cuda.maps import each

Array = Any

KERNELS = KernelFile("activations")


class CudaActivationOps:
    """One pass each; PReLU is with the affine operations."""

    def absolute(self, x: Array, y: Array) -> None:
        """See :meth:`ActivationOps.absolute`."""
        each(KERNELS, "absolute", (x, y))

    def absolute_backward(self, x: Array, dy: Array, dx: Array) -> None:
        """See :meth:`ActivationOps.absolute_backward`."""
        each(KERNELS, "absolute_backward", (x, dy, dx))

    def softplus(self, x: Array, y: Array) -> None:
        """See :meth:`ActivationOps.softplus`."""
        each(KERNELS, "softplus", (x, y))

    def softplus_backward(self, y: Array, dy: Array, dx: Array) -> None:
        """See :meth:`ActivationOps.softplus_backward`."""
        each(KERNELS, "softplus_backward", (y, dy, dx))

    def clip(self, x: Array, y: Array, low: float, high: float) -> None:
        """See :meth:`ActivationOps.clip`."""
        each(KERNELS, "clip", (x, y), f32(low), f32(high))

    def clip_backward(
        self, x: Array, dy: Array, dx: Array, low: float, high: float
    ) -> None:
        """See :meth:`ActivationOps.clip_backward`."""
        each(KERNELS, "clip_backward", (x, dy, dx), f32(low), f32(high))

    def elu(self, x: Array, y: Array, alpha: float) -> None:
        """See :meth:`ActivationOps.elu`."""
        each(KERNELS, "elu", (x, y), f32(alpha))

    def elu_backward(
        self, sign: Array, y: Array, dy: Array, dx: Array, alpha: float
    ) -> None:
        """See :meth:`ActivationOps.elu_backward`."""
        each(KERNELS, "elu_backward", (sign, y, dy, dx), f32(alpha))

    def exponential(self, x: Array, y: Array, scale: float, factor: float) -> None:
        """See :meth:`ActivationOps.exponential`."""
        each(KERNELS, "exponential", (x, y), f32(scale), f32(factor))

    def exponential_backward(
        self, y: Array, dy: Array, dx: Array, scale: float
    ) -> None:
        """See :meth:`ActivationOps.exponential_backward`."""
        each(KERNELS, "exponential_backward", (y, dy, dx), f32(scale))

    def logarithm(
        self, x: Array, y: Array, scale: float, shift: float, factor: float
    ) -> None:
        """See :meth:`ActivationOps.logarithm`."""
        each(KERNELS, "logarithm", (x, y), f32(scale), f32(shift), f32(factor))

    def logarithm_backward(
        self,
        x: Array,
        dy: Array,
        dx: Array,
        scale: float,
        shift: float,
        factor: float,
    ) -> None:
        """See :meth:`ActivationOps.logarithm_backward`."""
        numbers = f32(scale), f32(shift), f32(factor * scale)
        each(KERNELS, "logarithm_backward", (x, dy, dx), *numbers)

    def swish(self, x: Array, y: Array, beta: float) -> None:
        """See :meth:`ActivationOps.swish`."""
        each(KERNELS, "swish", (x, y), f32(beta))

    def swish_backward(self, x: Array, dy: Array, dx: Array, beta: float) -> None:
        """See :meth:`ActivationOps.swish_backward`."""
        each(KERNELS, "swish_backward", (x, dy, dx), f32(beta))

    def threshold(self, x: Array, y: Array, limit: float) -> None:
        """See :meth:`ActivationOps.threshold`."""
        each(KERNELS, "threshold", (x, y), f32(limit))
