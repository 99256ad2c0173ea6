"""Reduction: one number for all axes from one on."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import Term
from netspec.layers.base import Array, Layer, Run, Shapes, layer
from netspec.proto import ReductionParameter
from netspec.shapes import Shape, canonical_axis, count

TERMS = {
    ReductionParameter.SUM: Term.SUM,
    ReductionParameter.ASUM: Term.ABSOLUTE,
    ReductionParameter.SUMSQ: Term.SQUARE,
    ReductionParameter.MEAN: Term.SUM,
}


@layer("Reduction")
class Reduction(Layer):
    """Caffe's Reduction: coeff times the sum, the sum of absolute values or of squares,
    or the mean.  The top keeps the axes before *axis*; there may be none."""

    def setup(self) -> None:
        """Read the operation and its factor."""
        self.message = self.proto.reduction_param
        self.term = TERMS[self.message.operation]
        self.is_mean = self.message.operation == ReductionParameter.MEAN
        self.backward_reads_bottom = self.term is not Term.SUM

    def _axis(self, bottom: Shapes) -> int:
        axis = self.message.axis
        return canonical_axis(axis, len(bottom[0]), "reduction_param.axis")

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The axes before *axis*."""
        return (bottom[0][: self._axis(bottom)],)

    def geometry(self, bottom: Shapes) -> Shape:
        """Results, and values behind each."""
        axis = self._axis(bottom)
        return count(bottom[0], 0, axis), count(bottom[0], axis)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether the images of a batch become one number."""
        return self._axis(bottom) == 0

    def forward(self, ops: Any, run: Run) -> None:
        """Sum."""
        x = run.bottom[0].reshape(run.geometry)
        ops.reduce_rows(x, run.top[0].reshape(-1), self.term, self._factor(run))

    def backward(self, ops: Any, run: Run) -> None:
        """The gradient of each term."""
        arrays: list[Array] = [run.bottom[0], run.bottom_diff[0]]
        x, dx = (a.reshape(run.geometry) for a in arrays)
        dy: Array = run.top_diff[0]
        factor = self._factor(run)
        ops.reduce_rows_backward(x, dy.reshape(-1), dx, self.term, factor)

    def _factor(self, run: Run) -> float:
        coeff: float = self.message.coeff
        return coeff / run.geometry[1] if self.is_mean else coeff
