"""Swish: y = x / (1 + exp(-beta · x))."""

from __future__ import annotations

from typing import Any

from netspec.layers.base import Array, layer
from netspec.layers.from_input import FromInput


@layer("Swish")
class Swish(FromInput):
    """Caffe's Swish."""

    def setup(self) -> None:
        """Read beta."""
        self.beta: float = self.proto.swish_param.beta

    def compute(self, ops: Any, x: Array, y: Array) -> None:
        """y = x · sigmoid(beta · x)."""
        ops.swish(x, y, self.beta)

    def differentiate(self, ops: Any, x: Array, dy: Array, dx: Array) -> None:
        """dx = dy · s · (1 + beta · x · (1 - s)), s the sigmoid of beta · x."""
        ops.swish_backward(x, dy, dx, self.beta)
