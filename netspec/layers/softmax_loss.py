"""SoftmaxWithLoss: the mean of -log(softmax of the scores at the label)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.backends.base import AxisSplit
from netspec.errors import SpecError
from netspec.layers.base import Array, Run, Scratch, Shapes, layer, split_at
from netspec.layers.loss import (
    Loss,
    Normalization,
    ReadsLabels,
    check_label_count,
    refuse_gradient,
)
from netspec.layers.softmax import softmax_axis


@layer("SoftmaxWithLoss")
class SoftmaxWithLoss(ReadsLabels, Loss):
    """Caffe's SoftmaxWithLoss: scores and labels to one loss.

    The mean is over the labels that are not ignore_label, unless ``loss_param`` says
    otherwise.  The loss takes no logarithm below that of the least float32; the
    gradient is that of the uncut loss.  Label smoothing: Szegedy et al. 2016, section
    7.
    """

    smooths_labels = True

    def setup(self) -> None:
        """Read the normalisation and the smoothing."""
        self.normalization = Normalization.read(self.proto.loss_param)
        self.smoothing: float = self.proto.loss_param.label_smoothing
        if not 0 <= self.smoothing < 1:
            raise SpecError(
                f"label_smoothing is {self.smoothing:g}.",
                "It is from 0 to below 1, the share of a label that all classes get.",
                field="loss_param.label_smoothing",
            )

    def check_arity(self, bottoms: int, tops: int) -> None:
        """Refuse wrong arity; Caffe cannot give the probabilities either."""
        if tops == 2:
            raise SpecError(
                "cannot give the probabilities as a second top.",
                "Remove the top; a Softmax layer on the same scores gives them.",
                field="top.1",
            )
        super().check_arity(bottoms, tops)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar; refuses labels that are not one for each place."""
        shapes = super().infer_shapes(bottom)
        check_label_count(self.geometry(bottom), bottom)
        return shapes

    def geometry(self, bottom: Shapes) -> AxisSplit:
        """The scores around the axis of the classes."""
        return AxisSplit(*split_at(bottom[0], softmax_axis(self.proto, bottom[0])))

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The probabilities."""
        return {"prob": Scratch(bottom[0])}

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether the probabilities of one image depend on the other images."""
        return softmax_axis(self.proto, bottom[0]) == 0

    def allows_force_backward(self, bottom: int) -> bool:
        """Labels have no gradient."""
        return bottom == 0

    @property
    def needs_valid_count(self) -> bool:
        """Whether a cut batch must tell every shard the count of the whole batch."""
        return self.normalization.needs_labels

    def valid_count(self, labels: Array) -> int:
        """Labels of a whole batch (any shape) that count: ``Run.normalizer``."""
        return self.normalization.valid_count(labels)

    @property
    def ignored_label(self) -> int | None:
        """Of loss_param."""
        return self.normalization.ignore

    def forward(self, ops: Any, run: Run) -> None:
        """The loss.

        Raises:
            DataError: a label that is no class.
        """
        scores, labels = run.bottom
        ignore = self.normalization.ignore
        self.check_labels(ops, run)
        ops.softmax_loss(
            scores, labels, run.scratch["prob"], run.top[0],
            run.geometry, ignore, self._divisor(run), self.smoothing,
        )  # fmt: skip

    def backward(self, ops: Any, run: Run) -> None:
        """(prob - target) · weight / divisor; the target is 1 at the label."""
        refuse_gradient(run)
        ops.softmax_loss_backward(
            run.scratch["prob"], run.bottom[1], run.top_diff[0], run.bottom_diff[0],
            run.geometry, self.normalization.ignore, self._divisor(run),
            self.smoothing,
        )  # fmt: skip

    def _divisor(self, run: Run) -> float | None:
        axis = run.geometry
        return self.normalization.divisor(run, axis.outer, axis.places)
