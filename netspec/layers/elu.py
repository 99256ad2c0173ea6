"""ELU: y = x where x > 0, else alpha · (exp(x) - 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.layers.base import Layer, Run, Scratch, Shapes, layer


@layer("ELU")
class ELU(Layer):
    """Caffe's ELU; an input of exactly 0 is on the negative side.

    The gradient is told from the output, whose sign is the input's.  Only an alpha
    below 0 turns the sign; then the input is kept.
    """

    allows_in_place = True
    backward_reads_bottom = False
    backward_reads_top = True

    def setup(self) -> None:
        """Read alpha."""
        self.alpha: float = self.proto.elu_param.alpha

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The input, where the output does not tell its sign."""
        return {"input": Scratch(bottom[0], training=True)} if self.alpha < 0 else {}

    def forward(self, ops: Any, run: Run) -> None:
        """Bend what is below 0; keep the input where backward needs it."""
        if "input" in run.scratch:
            ops.copy(run.bottom[0], run.scratch["input"])
        ops.elu(run.bottom[0], run.top[0], self.alpha)

    def backward(self, ops: Any, run: Run) -> None:
        """dx = dy where the input was positive, else dy · (y + alpha)."""
        y = run.top[0]
        sign = run.scratch.get("input", y)
        ops.elu_backward(sign, y, run.top_diff[0], run.bottom_diff[0], self.alpha)
