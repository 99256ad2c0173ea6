"""ReLU6: ReLU that ends at 6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.layers.base import Layer, Run, Scratch, Shapes, layer


@layer("ReLU6")
class ReLU6(Layer):
    """The YOLO ports' ReLU6: y = min(x, 6), below 0 negative_slope · x.

    The gradient is told from the output; only a slope below 0 needs the input.
    """

    allows_in_place = True
    backward_reads_bottom = False
    backward_reads_top = True

    def setup(self) -> None:
        """Read the slope."""
        self.slope: float = self.proto.relu6_param.negative_slope

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The input, where the output does not tell its sign."""
        return {"input": Scratch(bottom[0], training=True)} if self.slope < 0 else {}

    def forward(self, ops: Any, run: Run) -> None:
        """Rectify and cut; keep the input where backward needs it."""
        if "input" in run.scratch:
            ops.copy(run.bottom[0], run.scratch["input"])
        ops.relu6(run.bottom[0], run.top[0], self.slope)

    def backward(self, ops: Any, run: Run) -> None:
        """Pass the gradient where the output is neither cut nor negative."""
        y = run.top[0]
        x = run.scratch.get("input", y)
        ops.relu6_backward(x, y, run.top_diff[0], run.bottom_diff[0], self.slope)
