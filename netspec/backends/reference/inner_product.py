"""Inner product (fully connected) in plain NumPy, any float type."""

from __future__ import annotations

from typing import Any

Array = Any


class InnerProductOps:
    """Caffe's InnerProduct.

    Shapes: x (M, K), y (M, N), b (N,), w (N, K), or (K, N) where *transpose*.
    """

    def inner_product_forward(
        self, x: Array, w: Array, b: Array | None, y: Array, transpose: bool = False
    ) -> None:
        """y = x wᵀ + b, or x w + b where *transpose*."""
        y[...] = x @ (w if transpose else w.T)
        if b is not None:
            y += b

    def inner_product_backward_data(
        self, dy: Array, w: Array, dx: Array, transpose: bool = False
    ) -> None:
        """The input's gradient, dx = dy w."""
        dx[...] = dy @ (w.T if transpose else w)

    def inner_product_backward_weights(
        self,
        x: Array,
        dy: Array,
        dw: Array | None,
        db: Array | None,
        transpose: bool = False,
    ) -> None:
        """The parameters' gradients, added to dw and db."""
        if dw is not None:
            dw += x.T @ dy if transpose else dy.T @ x
        if db is not None:
            db += dy.sum(axis=0)
