"""MultinomialLogisticLoss: the mean of -log of the label's probability."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import AxisSplit
from netspec.layers.base import Array, Run, Shapes, layer
from netspec.layers.loss import Loss, ReadsLabels, one_label_a_row, refuse_gradient


@layer("MultinomialLogisticLoss")
class MultinomialLogisticLoss(ReadsLabels, Loss):
    """Caffe's MultinomialLogisticLoss on probabilities, as Softmax gives them.

    Probabilities are cut off at 1e-20, in the gradient too, which can so be 1e20:
    SoftmaxWithLoss is the same loss without that.
    """

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar; refuses labels that are not one for each image."""
        shapes = super().infer_shapes(bottom)
        one_label_a_row(bottom)
        return shapes

    def geometry(self, bottom: Shapes) -> AxisSplit:
        """Rows of probabilities."""
        return one_label_a_row(bottom)

    def allows_force_backward(self, bottom: int) -> bool:
        """Labels have no gradient."""
        return bottom == 0

    def forward(self, ops: Any, run: Run) -> None:
        """The loss.

        Raises:
            DataError: a label that is no class.
        """
        prob, labels = run.bottom
        self.check_labels(ops, run)
        p = prob.reshape(run.geometry.outer, run.geometry.size)
        ops.log_loss(p, labels, run.top[0], _factor(run))

    def backward(self, ops: Any, run: Run) -> None:
        """-weight / (N · probability) at the label."""
        refuse_gradient(run)
        prob, labels = run.bottom
        dp: Array = run.bottom_diff[0]
        shape = (run.geometry.outer, run.geometry.size)
        ops.log_loss_backward(
            prob.reshape(shape),
            labels,
            run.top_diff[0],
            dp.reshape(shape),
            _factor(run),
        )


def _factor(run: Run) -> float:
    return 1 / (run.geometry.outer * run.shards)
