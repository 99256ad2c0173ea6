"""Element-wise operations: activations, dropout, and arithmetic between blobs.

All work with ``y is x`` and ``dx is dy``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from netspec import random
from netspec.random import Key

Array = Any


def drop_below(ratio: float) -> int:
    """Random words below this drop their element: ratio · 2³², rounded up."""
    return math.ceil(ratio * 2.0**32)


class ElementwiseOps:
    """Activations, dropout, arithmetic and the squared distance of two arrays."""

    def relu(self, x: Array, y: Array, slope: float = 0.0) -> None:
        """y = x where x > 0, else slope · x.  A NaN stays NaN."""
        if slope == 0:
            np.maximum(x, 0, out=y)
        else:
            np.multiply(x, np.where(x > 0, 1, slope).astype(x.dtype), out=y)

    def relu_backward(self, y: Array, dy: Array, dx: Array, slope: float = 0.0) -> None:
        """dx = dy where y > 0, else slope · dy.

        *y* is relu's output, or its input, which has to be taken where slope < 0.
        """
        np.multiply(dy, np.where(y > 0, 1, slope).astype(dy.dtype), out=dx)

    def sigmoid(self, x: Array, y: Array) -> None:
        """y = 1 / (1 + exp(-x)), by way of tanh, which cannot overflow."""
        np.multiply(x, 0.5, out=y)
        np.tanh(y, out=y)
        np.multiply(y, 0.5, out=y)
        np.add(y, 0.5, out=y)

    def sigmoid_backward(self, y: Array, dy: Array, dx: Array) -> None:
        """dx = dy · y · (1 - y)."""
        np.multiply(dy, y * (1 - y), out=dx)

    def tanh(self, x: Array, y: Array) -> None:
        """y = tanh(x)."""
        np.tanh(x, out=y)

    def tanh_backward(self, y: Array, dy: Array, dx: Array) -> None:
        """dx = dy · (1 - y²)."""
        np.multiply(dy, 1 - y * y, out=dx)

    @np.errstate(all="ignore")
    def power(
        self, x: Array, y: Array, power: float, scale: float, shift: float
    ) -> None:
        """y = (shift + scale · x) ^ power; what has no real power is NaN."""
        np.multiply(x, scale, out=y)
        np.add(y, shift, out=y)
        if power != 1:
            np.power(y, power, out=y)

    @np.errstate(all="ignore")
    def power_backward(
        self, x: Array, dy: Array, dx: Array, power: float, scale: float, shift: float
    ) -> None:
        """dx = dy · power · scale · (shift + scale · x) ^ (power - 1)."""
        slope = (shift + scale * x) ** (power - 1)
        np.multiply(dy, power * scale * slope, out=dx)

    def dropout(
        self,
        x: Array,
        y: Array,
        mask: Array,
        ratio: float,
        key: Key,
        first_sample: int = 0,
    ) -> None:
        """y = x · mask / (1 - ratio), where mask (uint8) is 0 with chance *ratio*.

        Row i of the first axis takes the random words of sample *first_sample* + i, so
        a part of a batch draws its own part of the whole batch's mask.
        """
        rows = x.shape[0] if x.ndim else 1
        drawn = random.words(key, rows, x.size // max(rows, 1), first_sample)
        mask[...] = (drawn >= drop_below(ratio)).reshape(mask.shape)
        self.dropout_backward(x, mask, y, ratio)

    def dropout_backward(self, dy: Array, mask: Array, dx: Array, ratio: float) -> None:
        """dx = dy · mask / (1 - ratio)."""
        np.multiply(dy, mask, out=dx)
        np.multiply(dx, 1 / (1 - ratio), out=dx)

    def copy(self, x: Array, y: Array) -> None:
        """y = x."""
        y[...] = x

    def fill(self, y: Array, value: float) -> None:
        """Every element of y = value."""
        y[...] = value

    def scale(self, x: Array, y: Array, factor: float) -> None:
        """y = factor · x."""
        np.multiply(x, factor, out=y)

    def add(self, a: Array, b: Array, y: Array) -> None:
        """y = a + b; y may be either."""
        np.add(a, b, out=y)

    def eltwise_sum(
        self,
        xs: Sequence[Array],
        y: Array,
        coefficients: Sequence[float],
        relu: bool = False,
    ) -> None:
        """y = Σ coefficient · x, added in the order of *xs* (two or more).

        With *relu*, negative sums become 0.
        """
        np.multiply(xs[0], coefficients[0], out=y)
        for x, coefficient in zip(xs[1:], coefficients[1:]):
            np.add(y, coefficient * x, out=y)
        if relu:
            self.relu(y, y)

    def eltwise_prod(self, xs: Sequence[Array], y: Array) -> None:
        """y = the product of *xs* (two or more), in order."""
        np.multiply(xs[0], xs[1], out=y)
        for x in xs[2:]:
            np.multiply(y, x, out=y)

    def eltwise_prod_backward(
        self, xs: Sequence[Array], i: int, dy: Array, dx: Array
    ) -> None:
        """dx of the i-th factor = dy · the product of the others."""
        others = [x for j, x in enumerate(xs) if j != i]
        np.multiply(others[0], dy, out=dx)
        for x in others[1:]:
            np.multiply(dx, x, out=dx)

    @np.errstate(all="ignore")
    def eltwise_quotient_backward(
        self, x: Array, y: Array, dy: Array, dx: Array
    ) -> None:
        """dx of a factor x of the product y = dy · y / x; not a number where x is 0."""
        np.multiply(y / x, dy, out=dx)

    def eltwise_max(self, xs: Sequence[Array], y: Array, mask: Array) -> None:
        """y = the largest of *xs*, mask (int32) its index.

        Of equals the second of the first two wins, and after that the earlier one.
        """
        later = ~(xs[0] > xs[1])
        mask[...] = later
        y[...] = np.where(later, xs[1], xs[0])
        for i, x in enumerate(xs[2:], start=2):
            larger = x > y
            mask[larger] = i
            np.copyto(y, x, where=larger)

    def eltwise_max_backward(self, mask: Array, i: int, dy: Array, dx: Array) -> None:
        """dx of the i-th array = dy where it was the largest, else 0."""
        np.multiply(dy, mask == i, out=dx)

    def squared_distance(self, a: Array, b: Array, y: Array, factor: float) -> None:
        """y (scalar) = factor · Σ (a - b)²."""
        difference = a - b
        y[...] = factor * (difference * difference).sum(dtype=np.float64)

    def squared_distance_backward(
        self, a: Array, b: Array, dy: Array, da: Array, factor: float
    ) -> None:
        """da = 2 · factor · dy · (a - b), for the scalar dy."""
        np.subtract(a, b, out=da)
        np.multiply(da, 2 * factor * dy, out=da)
