"""Activations: functions of one number, and PReLU, whose slope a channel has.

All work with ``y is x`` and ``dx is dy``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def _sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), by way of tanh, which cannot overflow."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


class ActivationOps:
    """Forward takes x to y; backward takes what tells the slope, and dy, to dx."""

    def absolute(self, x: Array, y: Array) -> None:
        """y = |x|."""
        np.abs(x, out=y)

    def absolute_backward(self, x: Array, dy: Array, dx: Array) -> None:
        """dx = dy · sign(x), which is 0 at 0."""
        np.multiply(dy, np.sign(x), out=dx)

    @np.errstate(all="ignore")
    def softplus(self, x: Array, y: Array) -> None:
        """y = log(1 + exp(x))."""
        np.logaddexp(x, 0, out=y)

    @np.errstate(all="ignore")
    def softplus_backward(self, y: Array, dy: Array, dx: Array) -> None:
        """dx = dy · (1 - exp(-y)), which is the sigmoid of the input."""
        np.multiply(dy, -np.expm1(-y), out=dx)

    def clip(self, x: Array, y: Array, low: float, high: float) -> None:
        """y = x, but not below *low* nor above *high*.  A NaN stays NaN."""
        np.clip(x, low, high, out=y)

    def clip_backward(
        self, x: Array, dy: Array, dx: Array, low: float, high: float
    ) -> None:
        """dx = dy where x is between the limits or at one, else 0."""
        np.multiply(dy, (x >= low) & (x <= high), out=dx)

    def elu(self, x: Array, y: Array, alpha: float) -> None:
        """y = x where x > 0, else alpha · (exp(x) - 1)."""
        below = alpha * np.expm1(np.minimum(x, 0))
        np.copyto(y, np.where(x > 0, x, below), casting="same_kind")

    @np.errstate(all="ignore")
    def elu_backward(
        self, sign: Array, y: Array, dy: Array, dx: Array, alpha: float
    ) -> None:
        """dx = dy where *sign* > 0, else dy · (y + alpha).

        Args:
            sign: elu's input; or its output, whose sign is the same for alpha >= 0.
            y: elu's output.
        """
        slope = np.where(sign > 0, 1, y + alpha)
        np.multiply(dy, slope, out=dx, casting="same_kind")

    @np.errstate(all="ignore")
    def exponential(self, x: Array, y: Array, scale: float, factor: float) -> None:
        """y = factor · exp(scale · x).

        The gradient is dx = scale · dy · y: see :meth:`exponential_backward`.
        """
        np.multiply(x, scale, out=y)
        np.exp(y, out=y)
        if factor != 1:
            np.multiply(y, factor, out=y)

    @np.errstate(all="ignore")
    def exponential_backward(
        self, y: Array, dy: Array, dx: Array, scale: float
    ) -> None:
        """dx = scale · dy · y."""
        np.multiply(dy, y, out=dx)
        if scale != 1:
            np.multiply(dx, scale, out=dx)

    @np.errstate(all="ignore")
    def logarithm(
        self, x: Array, y: Array, scale: float, shift: float, factor: float
    ) -> None:
        """y = factor · log(scale · x + shift); not a number where there is none."""
        np.multiply(x, scale, out=y)
        np.add(y, shift, out=y)
        np.log(y, out=y)
        if factor != 1:
            np.multiply(y, factor, out=y)

    @np.errstate(all="ignore")
    def logarithm_backward(
        self,
        x: Array,
        dy: Array,
        dx: Array,
        scale: float,
        shift: float,
        factor: float,
    ) -> None:
        """dx = dy · factor · scale / (scale · x + shift)."""
        np.multiply(dy, factor * scale / (scale * x + shift), out=dx)

    @np.errstate(all="ignore")
    def swish(self, x: Array, y: Array, beta: float) -> None:
        """y = x / (1 + exp(-beta · x))."""
        np.multiply(x, _sigmoid(beta * x), out=y)

    @np.errstate(all="ignore")
    def swish_backward(self, x: Array, dy: Array, dx: Array, beta: float) -> None:
        """dx = dy · s · (1 + beta · x · (1 - s)), s the sigmoid of beta · x."""
        gate = _sigmoid(beta * x)
        np.multiply(dy, gate * (1 + beta * x * (1 - gate)), out=dx)

    def threshold(self, x: Array, y: Array, limit: float) -> None:
        """y = 1 where x > limit, else 0."""
        y[...] = x > limit

    @np.errstate(all="ignore")
    def prelu(self, x: Array, slope: Array, y: Array) -> None:
        """y = x where x > 0, else slope · x.

        Args:
            x, y: (outer, channels, inner).
            slope: (channels,).
        """
        np.multiply(x, np.where(x > 0, 1, slope[:, None]), out=y)

    @np.errstate(all="ignore")
    def prelu_backward(self, x: Array, slope: Array, dy: Array, dx: Array) -> None:
        """dx = dy where x > 0, else slope · dy; shapes as in :meth:`prelu`."""
        np.multiply(dy, np.where(x > 0, 1, slope[:, None]), out=dx)

    @np.errstate(all="ignore")
    def prelu_gradient(self, x: Array, dy: Array, dslope: Array) -> None:
        """Add Σ dy · x over the places of each channel where x <= 0 to *dslope*."""
        below = dy * np.where(x > 0, 0, x)
        dslope += below.sum(axis=(0, 2), dtype=np.float64).astype(dslope.dtype)
