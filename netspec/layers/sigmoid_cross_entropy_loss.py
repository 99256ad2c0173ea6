"""SigmoidCrossEntropyLoss: targets between 0 and 1 against the sigmoid of scores."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, Run, Shapes, layer
from netspec.layers.loss import Loss, Normalization, refuse_gradient
from netspec.proto import LossParameter
from netspec.shapes import Shape, count, describe


@layer("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(Loss):
    """Caffe's SigmoidCrossEntropyLoss: -Σ (t log s + (1 - t) log(1 - s)), s the sigmoid
    of the scores.

    The sum is divided by the batch size unless ``loss_param`` says otherwise.  A target
    that is ignore_label when it is cut to an integer does not count.
    """

    def setup(self) -> None:
        """Read the normalisation."""
        default = LossParameter.BATCH_SIZE
        self.normalization = Normalization.read(self.proto.loss_param, default)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar; refuses targets that are not one for each score."""
        shapes = super().infer_shapes(bottom)
        scores, targets = bottom
        if count(scores) != count(targets):
            raise SpecError(
                f"bottom 1 ({describe(targets)}) holds {count(targets)} targets for "
                f"the {count(scores)} scores of bottom 0 ({describe(scores)}).",
                "Give one target a score.",
                field="bottom.1",
            )
        return shapes

    def geometry(self, bottom: Shapes) -> Shape:
        """Images, and scores over all of them."""
        return bottom[0][0], count(bottom[0])

    def allows_force_backward(self, bottom: int) -> bool:
        """Targets have no gradient."""
        return bottom == 0

    @property
    def needs_valid_count(self) -> bool:
        """Whether a cut batch must tell every shard the count of the whole batch."""
        return self.normalization.needs_labels

    def valid_count(self, labels: Array) -> int:
        """Targets of a whole batch (any shape) that count: ``Run.normalizer``."""
        return self.normalization.valid_count(labels)

    def forward(self, ops: Any, run: Run) -> None:
        """The loss."""
        scores, targets = run.bottom
        ops.sigmoid_cross_entropy(
            scores, targets, run.top[0], self.normalization.ignore, self._divisor(run)
        )

    def backward(self, ops: Any, run: Run) -> None:
        """(sigmoid - target) · weight / divisor."""
        refuse_gradient(run, what="targets")
        scores, targets = run.bottom
        ops.sigmoid_cross_entropy_backward(
            scores, targets, run.top_diff[0], run.bottom_diff[0],
            self.normalization.ignore, self._divisor(run),
        )  # fmt: skip

    def _divisor(self, run: Run) -> float | None:
        return self.normalization.divisor(run, *run.geometry)
