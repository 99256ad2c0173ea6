"""Scale and bias along middle axes: y = scale x + bias.

Arrays come as (outer, middle, inner); scale and bias are (middle,).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def _sum(values: Array, like: Array) -> Array:
    """Sum over outer and inner, in float64."""
    return values.sum(axis=(0, 2), dtype=np.float64).astype(like.dtype)


class AffineOps:
    """The arithmetic of Scale and Bias."""

    def affine(
        self, x: Array, scale: Array | None, bias: Array | None, y: Array
    ) -> None:
        """y = scale x + bias, either of which may be None; y may be x.

        The gradient of x is the same operation: ``affine(dy, scale, None, dx)``.
        """
        if scale is not None:
            x = np.multiply(x, scale[:, None], out=y)
        if bias is not None:
            x = np.add(x, bias[:, None], out=y)
        if x is not y:
            np.copyto(y, x)

    def affine_gradient(
        self, x: Array | None, dy: Array, dscale: Array | None, dbias: Array | None
    ) -> None:
        """Add Σ x dy to *dscale* and Σ dy to *dbias*, where they are given.

        Args:
            x: may be None where dscale is.
        """
        if dscale is not None:
            dscale += _sum(x * dy, dscale)
        if dbias is not None:
            dbias += _sum(dy, dbias)
