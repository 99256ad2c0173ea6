"""Clip: y = min(max(x, min), max)."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, layer
from netspec.layers.from_input import FromInput


@layer("Clip")
class Clip(FromInput):
    """Caffe's Clip; an input at a limit passes its gradient."""

    def setup(self) -> None:
        """Read the limits."""
        if not self.proto.HasField("clip_param"):
            raise SpecError(
                "no limits are given.",
                "Give clip_param with min and max.",
                field="clip_param",
            )
        param = self.proto.clip_param
        self.limits: tuple[float, float] = (param.min, param.max)
        if param.min > param.max:
            raise SpecError(
                f"min {param.min:g} is above max {param.max:g}.",
                "Swap them.",
                field="clip_param.min",
            )

    def compute(self, ops: Any, x: Array, y: Array) -> None:
        """y = min(max(x, min), max)."""
        ops.clip(x, y, *self.limits)

    def differentiate(self, ops: Any, x: Array, dy: Array, dx: Array) -> None:
        """dx = dy within the limits."""
        ops.clip_backward(x, dy, dx, *self.limits)
