"""Accuracy: the share of labels among the top_k highest scores."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import AxisSplit
from netspec.errors import SpecError
from netspec.layers.base import Layer, Run, Shapes, between, exactly, layer, split_at
from netspec.layers.loss import ReadsLabels, check_label_count
from netspec.shapes import canonical_axis


@layer("Accuracy")
class Accuracy(ReadsLabels, Layer):
    """Caffe's Accuracy; a second top is the share for each class.

    A score equal to the label's counts against it.  A score that is not a number is
    never right (in Caffe it always is).  Of a batch cut into shards each gives its
    part of the whole batch's accuracy: the parts add up.
    """

    bottoms, tops = exactly(2), between(1, 2)
    backward_reads_bottom = False

    def setup(self) -> None:
        """Read top_k, the axis and the ignored label."""
        param = self.proto.accuracy_param
        self.top_k: int = param.top_k
        self.ignore = param.ignore_label if param.HasField("ignore_label") else None
        if self.top_k < 1:
            raise SpecError(
                "top_k is 0.", "Choose at least 1.", field="accuracy_param.top_k"
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar, and where a second top is asked for, one number a class."""
        axis = self.geometry(bottom)
        check_label_count(axis, bottom)
        if self.top_k > axis.size:
            raise SpecError(
                f"top_k {self.top_k} is above the number of classes, {axis.size}.",
                f"Choose from 1 to {axis.size}.",
                field="accuracy_param.top_k",
            )
        return ((), (axis.size,))[: len(self.proto.top)]

    def geometry(self, bottom: Shapes) -> AxisSplit:
        """The scores around the axis of the classes."""
        return AxisSplit(*split_at(bottom[0], self._axis(bottom)))

    def _axis(self, bottom: Shapes) -> int:
        axis = self.proto.accuracy_param.axis
        return canonical_axis(axis, len(bottom[0]), "accuracy_param.axis")

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether shares of parts do not add up: their counts are in the labels."""
        counted = self.ignore is not None or len(self.proto.top) == 2
        return counted or self._axis(bottom) == 0

    @property
    def ignored_label(self) -> int | None:
        """Of accuracy_param."""
        return self.ignore

    def forward(self, ops: Any, run: Run) -> None:
        """Count.

        Raises:
            DataError: a label that is no class.
        """
        scores, labels = run.bottom
        self.check_labels(ops, run)
        per_class = run.top[1] if len(run.top) == 2 else None
        ops.accuracy(
            scores, labels, run.top[0], per_class,
            run.geometry, self.top_k, self.ignore, run.shards,
        )  # fmt: skip

    def backward(self, ops: Any, run: Run) -> None:
        """Refuse: a count has no gradient."""
        if any(diff is not None for diff in run.bottom_diff):
            raise SpecError(
                "has no gradient, and one is asked for.",
                "Remove force_backward, or the loss_weight of its top.",
            )
