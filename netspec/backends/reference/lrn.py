"""Local response normalisation.

y = x s^-beta with s = k + (alpha / n) Σ x² over a window of n values around x.  The
backward pass works s out again from x: that costs less than keeping it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import LrnWindow

Array = Any

ACROSS = (1,)
WITHIN = (2, 3)


def _window_sum(values: Array, size: int, axes: tuple[int, ...]) -> Array:
    """Sums over windows of *size* centred on each value, cut off at the borders."""
    for axis in axes:
        total = _sum_along_first(np.moveaxis(values, axis, 0), size)
        values = np.moveaxis(total, 0, axis)
    return values


def _sum_along_first(values: Array, size: int) -> Array:
    total = values.copy()
    for distance in range(1, min(size // 2, len(values) - 1) + 1):
        total[distance:] += values[:-distance]
        total[:-distance] += values[distance:]
    return total


def _spread(x: Array, window: LrnWindow, axes: tuple[int, ...]) -> Array:
    """The s of the formula."""
    share = window.alpha / window.size ** len(axes)
    return window.k + share * _window_sum(x * x, window.size, axes)


def _forward(x: Array, y: Array, window: LrnWindow, axes: tuple[int, ...]) -> None:
    np.multiply(x, _spread(x, window, axes) ** -window.beta, out=y)


def _backward(
    x: Array, dy: Array, dx: Array, window: LrnWindow, axes: tuple[int, ...]
) -> None:
    """dx = dy s^-beta - (2 alpha beta / n) x Σ dy x s^(-beta-1)."""
    s = _spread(x, window, axes)
    share = 2 * window.alpha * window.beta / window.size ** len(axes)
    np.multiply(dy, s**-window.beta, out=dx)
    dx -= share * x * _window_sum(dx * x / s, window.size, axes)


class LrnOps:
    """Local response normalisation of x (N, C, H, W)."""

    def lrn_across(self, x: Array, y: Array, window: LrnWindow) -> None:
        """Windows of ``size`` channels; n = size."""
        _forward(x, y, window, ACROSS)

    def lrn_across_backward(
        self, x: Array, dy: Array, dx: Array, window: LrnWindow
    ) -> None:
        """Gradient of :meth:`lrn_across`."""
        _backward(x, dy, dx, window, ACROSS)

    def lrn_within(self, x: Array, y: Array, window: LrnWindow) -> None:
        """Windows of ``size`` × ``size`` places of one channel; n = size²."""
        _forward(x, y, window, WITHIN)

    def lrn_within_backward(
        self, x: Array, dy: Array, dx: Array, window: LrnWindow
    ) -> None:
        """Gradient of :meth:`lrn_within`."""
        _backward(x, dy, dx, window, WITHIN)
