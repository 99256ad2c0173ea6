"""Exp: y = base ^ (shift + scale · x)."""

from __future__ import annotations

import math
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, layer

NATURAL = -1.0  # the base that stands for e


def log_of_base(base: float, field: str) -> float:
    """The natural logarithm of a base, 1 where it is e.

    Raises:
        SpecError: a base that is not above 0.
    """
    if base == NATURAL:
        return 1.0
    if not 0 < base < math.inf:
        raise SpecError(
            f"base {base:g} is no base.", "Give one above 0, or -1 for e.", field=field
        )
    return math.log(base)


@layer("Exp")
class Exp(Layer):
    """Caffe's Exp, as base ^ shift · exp(log(base) · scale · x)."""

    allows_in_place = True
    backward_reads_bottom = False
    backward_reads_top = True

    def setup(self) -> None:
        """Read base, scale and shift."""
        param = self.proto.exp_param
        log_base = log_of_base(param.base, "exp_param.base")
        self.scale = log_base * param.scale
        self.factor = _power_of_e(log_base * param.shift)

    def forward(self, ops: Any, run: Run) -> None:
        """y = base ^ (shift + scale · x)."""
        ops.exponential(run.bottom[0], run.top[0], self.scale, self.factor)

    def backward(self, ops: Any, run: Run) -> None:
        """dx = dy · y · log(base) · scale."""
        ops.exponential_backward(
            run.top[0], run.top_diff[0], run.bottom_diff[0], self.scale
        )


def _power_of_e(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf
