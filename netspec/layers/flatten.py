"""Flatten: a run of axes becomes one."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Alias, Layer, Run, Shapes, layer
from netspec.shapes import canonical_axis, count


@layer("Flatten")
class Flatten(Layer):
    """Caffe's Flatten: the same memory under another shape."""

    alias = Alias.BOTH
    backward_reads_bottom = False

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's shape with axes *axis* to *end_axis* (included) as one."""
        shape, param = bottom[0], self.proto.flatten_param
        axis = canonical_axis(param.axis, len(shape), "flatten_param.axis")
        end = canonical_axis(param.end_axis, len(shape), "flatten_param.end_axis")
        if end < axis:
            raise SpecError(
                f"end_axis {end} is before axis {axis}.",
                "The flattened axes run from axis to end_axis.",
                field="flatten_param.end_axis",
            )
        return ((*shape[:axis], count(shape, axis, end + 1), *shape[end + 1 :]),)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether rows of the top are no longer images."""
        return self.infer_shapes(bottom)[0][0] != bottom[0][0]

    def forward(self, ops: Any, run: Run) -> None:
        """Nothing: the top is the bottom's memory."""

    def backward(self, ops: Any, run: Run) -> None:
        """Nothing: the top's diff is the bottom's memory."""
