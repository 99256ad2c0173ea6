"""Log: y = log(shift + scale · x), to a base."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, layer
from netspec.layers.exp import log_of_base
from netspec.layers.from_input import FromInput


@layer("Log")
class Log(FromInput):
    """Caffe's Log; what has no logarithm is not a number."""

    def setup(self) -> None:
        """Read base, scale and shift."""
        param = self.proto.log_param
        log_base = log_of_base(param.base, "log_param.base")
        if log_base == 0:
            raise SpecError(
                "there is no logarithm to base 1.",
                "Choose another base, or -1 for e.",
                field="log_param.base",
            )
        self.numbers: tuple[float, float, float] = (
            param.scale,
            param.shift,
            1 / log_base,
        )

    def compute(self, ops: Any, x: Array, y: Array) -> None:
        """y = log(shift + scale · x) / log(base)."""
        ops.logarithm(x, y, *self.numbers)

    def differentiate(self, ops: Any, x: Array, dy: Array, dx: Array) -> None:
        """dx = dy · scale / ((shift + scale · x) · log(base))."""
        ops.logarithm_backward(x, dy, dx, *self.numbers)
