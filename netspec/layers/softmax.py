"""Softmax: y = exp(x) / Σ exp(x) along one axis."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import AxisSplit
from netspec.layers.base import Layer, Run, Shapes, layer, split_at
from netspec.proto import LayerParameter
from netspec.shapes import Shape, canonical_axis


def softmax_axis(proto: LayerParameter, shape: Shape) -> int:
    """The axis of the classes, from the front.

    Raises:
        SpecError: the blob has no such axis.
    """
    return canonical_axis(proto.softmax_param.axis, len(shape), "softmax_param.axis")


@layer("Softmax")
class Softmax(Layer):
    """Caffe's Softmax; the largest score is subtracted first."""

    allows_in_place = True
    backward_reads_bottom = False
    backward_reads_top = True
    repeats = True

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's shape; refuses an axis that it lacks."""
        softmax_axis(self.proto, bottom[0])
        return (bottom[0],)

    def geometry(self, bottom: Shapes) -> AxisSplit:
        """The blob around the axis of the classes."""
        return AxisSplit(*split_at(bottom[0], softmax_axis(self.proto, bottom[0])))

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether the probabilities of one image depend on the other images."""
        return softmax_axis(self.proto, bottom[0]) == 0

    def forward(self, ops: Any, run: Run) -> None:
        """y = exp(x) / Σ exp(x)."""
        ops.softmax(run.bottom[0], run.top[0], run.geometry)

    def backward(self, ops: Any, run: Run) -> None:
        """dx = y · (dy - Σ dy · y)."""
        ops.softmax_backward(
            run.top[0], run.top_diff[0], run.bottom_diff[0], run.geometry
        )
