"""HingeLoss: what scores lack of a margin of 1."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import AxisSplit
from netspec.layers.base import Array, Run, Shapes, layer
from netspec.layers.loss import Loss, ReadsLabels, one_label_a_row, refuse_gradient
from netspec.proto import HingeLossParameter


@layer("HingeLoss")
class HingeLoss(ReadsLabels, Loss):
    """Caffe's HingeLoss: Σ max(0, 1 - s x) / N, s 1 at the label and -1 elsewhere, or
    the sum of the squares (norm L2)."""

    def setup(self) -> None:
        """Read the norm."""
        self.squares = self.proto.hinge_loss_param.norm == HingeLossParameter.L2

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar; refuses labels that are not one for each image."""
        shapes = super().infer_shapes(bottom)
        one_label_a_row(bottom)
        return shapes

    def geometry(self, bottom: Shapes) -> AxisSplit:
        """Rows of scores."""
        return one_label_a_row(bottom)

    def allows_force_backward(self, bottom: int) -> bool:
        """Labels have no gradient."""
        return bottom == 0

    def forward(self, ops: Any, run: Run) -> None:
        """The loss.

        Raises:
            DataError: a label that is no class.
        """
        scores, labels = run.bottom
        self.check_labels(ops, run)
        x = scores.reshape(run.geometry.outer, -1)
        ops.hinge_loss(x, labels, run.top[0], self.squares, _factor(run))

    def backward(self, ops: Any, run: Run) -> None:
        """-s · weight / N where the margin is lacking; L2: times twice the lack."""
        refuse_gradient(run)
        scores, labels = run.bottom
        dx: Array = run.bottom_diff[0]
        shape = (run.geometry.outer, run.geometry.size)
        ops.hinge_loss_backward(
            scores.reshape(shape), labels, run.top_diff[0], dx.reshape(shape),
            self.squares, _factor(run),
        )  # fmt: skip


def _factor(run: Run) -> float:
    return 1 / (run.geometry.outer * run.shards)
