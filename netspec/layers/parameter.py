"""Parameter: a top that is itself learned."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Layer, ParamSpec, Run, Shapes, exactly, layer
from netspec.shapes import Shape


@layer("Parameter")
class Parameter(Layer):
    """Caffe's Parameter: the top is a copy of the layer's one parameter.

    It has no filler: the parameter starts as 0 unless weights are loaded.
    """

    bottoms = exactly(0)
    backward_reads_bottom = False

    def setup(self) -> None:
        """Read the shape."""
        self.shape: Shape = tuple(self.proto.parameter_param.shape.dim)
        if min(self.shape, default=1) < 1:
            raise SpecError(
                f"dim {min(self.shape)} is no extent.",
                "Every dim of the shape must be above 0.",
                field="parameter_param.shape.dim",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The parameter's shape."""
        return (self.shape,)

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """The one parameter."""
        return (ParamSpec(self.shape),)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Its rows, if they are a batch's at all, are the whole batch's."""
        return True

    def forward(self, ops: Any, run: Run) -> None:
        """Copy the parameter."""
        ops.copy(run.param[0], run.top[0])

    def backward(self, ops: Any, run: Run) -> None:
        """Add the top's diff to the parameter's."""
        diff = run.param_diff[0]
        if diff is not None:
            ops.add(diff, run.top_diff[0], diff)
