"""ReLU: y = x where x > 0, else negative_slope · x."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.backends.base import Epilogue
from netspec.layers.base import Layer, Run, Scratch, Shapes, Stage, layer


@layer("ReLU")
class ReLU(Layer):
    """Caffe's ReLU; an input of exactly 0 is on the negative side.

    The gradient is told from the output, whose sign is the input's.  Only a slope
    below 0 turns the sign; then the input is kept.
    """

    allows_in_place = True
    backward_reads_bottom = False
    backward_reads_top = True
    repeats = True

    def setup(self) -> None:
        """Read the slope."""
        self.slope: float = self.proto.relu_param.negative_slope

    def stage(self, bottom: Shapes) -> Stage | None:
        """The last step of a layer with a floor of 0."""
        return Stage.RECTIFY if self.slope == 0 else None

    def join(self, ops: Any, run: Run, after: Epilogue) -> None:
        """Rectify."""
        after.relu = True

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The input, where the output does not tell its sign."""
        return {"input": Scratch(bottom[0], training=True)} if self.slope < 0 else {}

    def forward(self, ops: Any, run: Run) -> None:
        """Rectify; keep the input where backward needs it."""
        if "input" in run.scratch:
            ops.copy(run.bottom[0], run.scratch["input"])
        ops.relu(run.bottom[0], run.top[0], self.slope)

    def backward(self, ops: Any, run: Run) -> None:
        """Pass the gradient where the input was positive, slope times it elsewhere."""
        sign = run.scratch.get("input", run.top[0])
        ops.relu_backward(sign, run.top_diff[0], run.bottom_diff[0], self.slope)
