"""Arithmetic of layers that Caffe's forks added: ReLU6, Normalize, SmoothL1Loss.

Images come as (N, C, S), their places flattened.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
SIX = 6  # where ReLU6 ends


def _summed(x: Array, norm: Array) -> tuple[int, ...]:
    """The axes of x that each value of norm is summed over."""
    return (1,) if norm.shape[1:] == x.shape[2:] else (1, 2)


class RelativesOps:
    """Forward and gradient of each."""

    def relu6(self, x: Array, y: Array, slope: float = 0.0) -> None:
        """y = min(x, 6) where x > 0, else min(slope · x, 6)."""
        np.multiply(x, np.where(x > 0, 1, slope).astype(x.dtype), out=y)
        np.minimum(y, SIX, out=y)

    def relu6_backward(
        self, x: Array, y: Array, dy: Array, dx: Array, slope: float = 0.0
    ) -> None:
        """dx = dy where x > 0, else slope · dy; 0 where y reached 6.

        *x* may be relu6's output where slope is not below 0: its sign is the same.
        """
        factor = np.where(x > 0, 1, slope) * (y < SIX)
        np.multiply(dy, factor.astype(dy.dtype), out=dx)

    def l2_normalize(
        self, x: Array, scale: Array, norm: Array, y: Array, eps: float
    ) -> None:
        """y = scale · x / norm, and norm = sqrt(Σ x² + eps).

        Args:
            scale: (C,), or (1,) for all channels.
            norm: (N, S): the sum is over the channels; (N, 1): over all of an image.
        """
        squares = np.sum(x * x, axis=_summed(x, norm), dtype=np.float64)
        norm[...] = np.sqrt(squares + eps).reshape(norm.shape)
        np.multiply(x / norm[:, None], scale[:, None], out=y)

    def l2_normalize_backward(
        self,
        x: Array,
        scale: Array,
        norm: Array,
        dy: Array,
        dx: Array | None,
        dscale: Array | None,
    ) -> None:
        """Gradients of x, and of the scale, which is added to.

        With z = x / norm: dx = (scale dy - z Σ z scale dy) / norm, the sum as in norm.
        """
        z = x / norm[:, None]
        if dscale is not None:
            along = np.sum(z * dy, axis=(0, 2), dtype=np.float64)
            total = along if dscale.size > 1 else along.sum()
            dscale += total.astype(dscale.dtype)
        if dx is not None:
            dz = dy * scale[:, None]
            axes = _summed(x, norm)
            along = np.sum(z * dz, axis=axes, keepdims=True, dtype=np.float64)
            dx[...] = (dz - z * along) / norm[:, None]

    def smooth_l1(self, x: Array, y: Array, sigma: float) -> None:
        """y = (sigma x)² / 2 where |x| < 1 / sigma², else |x| - 1 / (2 sigma²)."""
        size, bend = np.abs(x), 1 / sigma**2
        y[...] = np.where(size < bend, x * x * (sigma**2 / 2), size - bend / 2)

    def smooth_l1_backward(self, x: Array, dy: Array, dx: Array, sigma: float) -> None:
        """dx = dy · (sigma² x, cut to -1 and 1)."""
        np.multiply(dy, np.clip(x * sigma**2, -1, 1), out=dx)
