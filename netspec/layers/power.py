"""Power: y = (shift + scale · x) ^ power."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netspec.layers.base import Layer, Run, Scratch, Shapes, layer


@layer("Power")
class Power(Layer):
    """Caffe's Power.

    In place Caffe's gradient reads the output where it means the input, and is wrong;
    here the input is kept, and the gradient is that of the formula.
    """

    allows_in_place = True

    def setup(self) -> None:
        """Read the three numbers."""
        param = self.proto.power_param
        self.numbers: tuple[float, float, float] = (
            param.power,
            param.scale,
            param.shift,
        )
        power, scale, shift = self.numbers
        self.constant: float | None = None  # the output, where no input changes it
        if power == 0 or scale == 0:
            self.constant = 1.0 if power == 0 else _real_power(shift, power)
        self.backward_reads_bottom = self.constant is None and power != 1

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The input, where the output overwrites it and backward needs it."""
        if in_place and self.backward_reads_bottom:
            return {"input": Scratch(bottom[0], training=True)}
        return {}

    def forward(self, ops: Any, run: Run) -> None:
        """y = (shift + scale · x) ^ power."""
        if self.constant is not None:
            ops.fill(run.top[0], self.constant)
            return
        if "input" in run.scratch:
            ops.copy(run.bottom[0], run.scratch["input"])
        ops.power(run.bottom[0], run.top[0], *self.numbers)

    def backward(self, ops: Any, run: Run) -> None:
        """dx = dy · power · scale · (shift + scale · x) ^ (power - 1)."""
        dy, dx = run.top_diff[0], run.bottom_diff[0]
        power, scale, _ = self.numbers
        if self.constant is not None:
            ops.fill(dx, 0.0)
        elif power == 1:
            ops.scale(dy, dx, scale)
        else:
            x = run.scratch.get("input", run.bottom[0])
            ops.power_backward(x, dy, dx, *self.numbers)


@np.errstate(all="ignore")
def _real_power(base: float, power: float) -> float:
    """base ^ power; infinite or not a number where there is no such number."""
    return float(np.power(np.float64(base), power))
