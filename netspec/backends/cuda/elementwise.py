"""Element-wise operations and dropout on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.backends.cuda.launch import KernelFile, f32, i32, i64, u32
from netspec.backends.cuda.maps import VECTOR, each
from netspec.backends.reference.elementwise import drop_below
from netspec.random import Key

Array = Any

KERNELS = KernelFile("elementwise")
DROPOUT = KernelFile("dropout")


class CudaElementwiseOps:
    """One pass each, but for sums, products and maxima of more than two arrays."""

    def relu(self, x: Array, y: Array, slope: float = 0.0) -> None:
        """See :meth:`ElementwiseOps.relu`."""
        each(KERNELS, "relu", (x, y), f32(slope))

    def relu_backward(self, y: Array, dy: Array, dx: Array, slope: float = 0.0) -> None:
        """See :meth:`ElementwiseOps.relu_backward`."""
        each(KERNELS, "relu_backward", (y, dy, dx), f32(slope))

    def sigmoid(self, x: Array, y: Array) -> None:
        """See :meth:`ElementwiseOps.sigmoid`."""
        each(KERNELS, "sigmoid", (x, y))

    def sigmoid_backward(self, y: Array, dy: Array, dx: Array) -> None:
        """See :meth:`ElementwiseOps.sigmoid_backward`."""
        each(KERNELS, "sigmoid_backward", (y, dy, dx))

    def tanh(self, x: Array, y: Array) -> None:
        """See :meth:`ElementwiseOps.tanh`."""
        each(KERNELS, "hyperbolic_tangent", (x, y))

    def tanh_backward(self, y: Array, dy: Array, dx: Array) -> None:
        """See :meth:`ElementwiseOps.tanh_backward`."""
        each(KERNELS, "tanh_backward", (y, dy, dx))

    def power(
        self, x: Array, y: Array, power: float, scale: float, shift: float
    ) -> None:
        """See :meth:`ElementwiseOps.power`."""
        each(KERNELS, "power", (x, y), f32(power), f32(scale), f32(shift))

    def power_backward(
        self, x: Array, dy: Array, dx: Array, power: float, scale: float, shift: float
    ) -> None:
        """See :meth:`ElementwiseOps.power_backward`."""
        numbers = power - 1, scale, shift, power * scale
        each(KERNELS, "power_backward", (x, dy, dx), *map(f32, numbers))

    def dropout(
        self,
        x: Array,
        y: Array,
        mask: Array,
        ratio: float,
        key: Key,
        first_sample: int = 0,
    ) -> None:
        """See :meth:`ElementwiseOps.dropout`; the mask is the same, bit for bit."""
        rows = x.shape[0] if x.ndim else 1
        columns = x.size // max(rows, 1)
        words = (first_sample & 0xFFFFFFFF, *key.high_counter, *key.words)
        DROPOUT.over(
            "dropout",
            rows * -(-columns // VECTOR),
            (
                *(x, y, mask, i64(rows), i64(columns), i64(drop_below(ratio))),
                *(f32(1 / (1 - ratio)), *map(u32, words)),
            ),
        )

    def dropout_backward(self, dy: Array, mask: Array, dx: Array, ratio: float) -> None:
        """See :meth:`ElementwiseOps.dropout_backward`."""
        each(DROPOUT, "dropout_backward", (dy, mask, dx), f32(1 / (1 - ratio)))

    def copy(self, x: Array, y: Array) -> None:
        """See :meth:`ElementwiseOps.copy`."""
        each(KERNELS, "copy", (x, y))

    def fill(self, y: Array, value: float) -> None:
        """See :meth:`ElementwiseOps.fill`."""
        each(KERNELS, "fill", (y,), f32(value))

    def scale(self, x: Array, y: Array, factor: float) -> None:
        """See :meth:`ElementwiseOps.scale`."""
        each(KERNELS, "scale", (x, y), f32(factor))

    def add(self, a: Array, b: Array, y: Array) -> None:
        """See :meth:`ElementwiseOps.add`."""
        each(KERNELS, "add", (a, b, y))

    def eltwise_sum(
        self,
        xs: Sequence[Array],
        y: Array,
        coefficients: Sequence[float],
        relu: bool = False,
    ) -> None:
        """See :meth:`ElementwiseOps.eltwise_sum`."""
        p, q, *factors = map(f32, coefficients)
        (a, b, *more), gates = xs, [0] * (len(xs) - 2) + [int(relu)]
        each(KERNELS, "sum_two", (a, b, y), p, q, i32(gates[0]))
        for x, factor, gate in zip(more, factors, gates[1:]):
            each(KERNELS, "sum_more", (x, y), factor, i32(gate))

    def eltwise_prod(self, xs: Sequence[Array], y: Array) -> None:
        """See :meth:`ElementwiseOps.eltwise_prod`."""
        each(KERNELS, "multiply", (xs[0], xs[1], y))
        for x in xs[2:]:
            each(KERNELS, "multiply", (y, x, y))

    def eltwise_prod_backward(
        self, xs: Sequence[Array], i: int, dy: Array, dx: Array
    ) -> None:
        """See :meth:`ElementwiseOps.eltwise_prod_backward`."""
        others = [x for j, x in enumerate(xs) if j != i]
        each(KERNELS, "multiply", (others[0], dy, dx))
        for x in others[1:]:
            each(KERNELS, "multiply", (dx, x, dx))

    def eltwise_quotient_backward(
        self, x: Array, y: Array, dy: Array, dx: Array
    ) -> None:
        """See :meth:`ElementwiseOps.eltwise_quotient_backward`."""
        each(KERNELS, "quotient_backward", (x, y, dy, dx))

    def eltwise_max(self, xs: Sequence[Array], y: Array, mask: Array) -> None:
        """See :meth:`ElementwiseOps.eltwise_max`."""
        each(KERNELS, "max_two", (xs[0], xs[1], y, mask))
        for i, x in enumerate(xs[2:], start=2):
            each(KERNELS, "max_more", (x, y, mask), i32(i))

    def eltwise_max_backward(self, mask: Array, i: int, dy: Array, dx: Array) -> None:
        """See :meth:`ElementwiseOps.eltwise_max_backward`."""
        each(KERNELS, "max_backward", (mask, dy, dx), i32(i))
