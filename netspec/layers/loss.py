"""What loss layers share: their shapes, labels and normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from netspec.backends.base import AxisSplit
from netspec.errors import LabelError, SpecError
from netspec.layers.base import Array, Layer, Run, Shapes, exactly
from netspec.proto import TRAIN, LayerParameter, LossParameter
from netspec.shapes import Shape, count, describe


class Loss(Layer):
    """Base of losses: two bottoms with one batch size, a scalar top with weight 1.

    Of a batch that is cut into shards each shard's loss is its share of the whole
    batch's: the shares add up.
    """

    bottoms, tops = exactly(2), exactly(1)
    is_loss = True
    smooths_labels: ClassVar[bool] = False  # reads loss_param's label_smoothing

    def __init__(
        self, proto: LayerParameter, phase: int = TRAIN, file: str = ""
    ) -> None:
        super().__init__(proto, phase, file)
        if proto.loss_param.label_smoothing and not self.smooths_labels:
            raise SpecError(
                f"a layer of type {self.type} has no label_smoothing.",
                "Remove it; SoftmaxWithLoss has it.",
                field="loss_param.label_smoothing",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar."""
        one_batch(bottom[0], bottom[1])
        return ((),)


class ReadsLabels:
    """A layer whose bottom 1 holds labels, each of which must be a class.

    The run's geometry is the scores' :class:`AxisSplit`.
    """

    @property
    def ignored_label(self) -> int | None:
        """The label that does not count, or None."""
        return None

    def check_labels(self, ops: Any, run: Run) -> None:
        """Refuse a label that is no class, unless the run says that they were checked.

        Raises:
            LabelError: names the value, the row in the batch and the number of classes.
        """
        if not run.labels_checked:
            self.refuse_bad_label(ops, run, run.bottom[1])

    def refuse_bad_label(self, ops: Any, run: Run, labels: Array) -> None:
        """The same for *labels*, wherever they are; *ops* are those of the place."""
        classes, ignore = run.geometry.size, self.ignored_label
        at = ops.first_bad_label(labels, classes, ignore)
        if at < 0:
            return
        value = float(ops.download(labels).reshape(-1)[at])
        rows = labels.shape[0] if labels.ndim else 1
        row = run.first_sample + at * rows // labels.size
        unless = "" if ignore is None else f" or {ignore}, which is ignored"
        raise LabelError(
            f"label {value:g} in row {row} of the batch is outside 0 to "
            f"{classes - 1}: there are {classes} classes.",
            f"Labels run from 0 to {classes - 1}{unless}. Correct the label, or the "
            "num_output of the layer that makes the scores.",
            row,
        )


def one_batch(data: Shape, label: Shape) -> None:
    """Refuse bottoms that differ in their first axis, or have none."""
    if not data or not label or data[0] != label[0]:
        raise SpecError(
            f"bottom 0 has shape {describe(data)}, bottom 1 has {describe(label)}: "
            "their batches differ.",
            "Both must have the same first axis.",
            field="bottom.1",
        )


def one_label_a_row(bottom: Shapes) -> AxisSplit:
    """Bottom 0 as rows of scores, one for each image; refuses other numbers of labels.

    For losses without an axis: whatever follows the first axis is one row.
    """
    axis = AxisSplit(bottom[0][0], count(bottom[0], 1), 1)
    if count(bottom[1]) != axis.outer:
        raise SpecError(
            f"bottom 1 ({describe(bottom[1])}) holds {count(bottom[1])} labels for the "
            f"{axis.outer} images of bottom 0 ({describe(bottom[0])}).",
            "Give one label an image.",
            field="bottom.1",
        )
    return axis


def refuse_gradient(run: Run, bottom: int = 1, what: str = "labels") -> None:
    """Refuse to send a gradient to labels and their like.

    Raises:
        SpecError: a layer below asks for one.
    """
    if run.bottom_diff[bottom] is not None:
        told = ["propagate_down: true"] * len(run.bottom)
        told[bottom] = "propagate_down: false"
        raise SpecError(
            f"has no gradient for its {what}, and a layer below asks for one.",
            f"Set {' '.join(told)}, without force_backward.",
            field=f"bottom.{bottom}",
        )


@dataclass(frozen=True)
class Normalization:
    """What a labelled loss divides its sum by: Caffe's ``loss_param``.

    Attributes:
        mode: a LossParameter.NormalizationMode.
        ignore: the label that does not count, or None.
    """

    mode: int
    ignore: int | None

    @classmethod
    def read(
        cls, param: LossParameter, default: int = LossParameter.VALID
    ) -> Normalization:
        """From the message; the old ``normalize`` acts where ``normalization`` is not
        given, and *default* where neither is."""
        mode = default
        if param.HasField("normalization"):
            mode = param.normalization
        elif param.HasField("normalize"):
            mode = LossParameter.VALID if param.normalize else LossParameter.BATCH_SIZE
        ignore = param.ignore_label if param.HasField("ignore_label") else None
        return cls(mode, ignore)

    @property
    def needs_labels(self) -> bool:
        """Whether the divisor is known only when the labels are."""
        return self.mode == LossParameter.VALID and self.ignore is not None

    def divisor(self, run: Run, batch: int, places: int) -> float | None:
        """The divisor for the whole batch, or None: the labels at hand, counted.

        Args:
            run: holds the number of shards, and the count over all of them.
            batch: images of the shard.
            places: labels of the shard.
        """
        if self.mode == LossParameter.NONE:
            return 1.0
        if self.mode == LossParameter.BATCH_SIZE:
            return max(1.0, batch * run.shards)
        if self.needs_labels:
            return None if run.normalizer is None else max(1.0, run.normalizer)
        return max(1.0, places * run.shards)

    def valid_count(self, labels: Array) -> int:
        """Labels of a whole batch (any shape) that count."""
        if self.ignore is None:
            return int(labels.size)
        return int((labels.astype("int64") != self.ignore).sum())


def check_label_count(axis: AxisSplit, bottom: Shapes) -> None:
    """Refuse labels (bottom 1) that are not one for each place of the scores."""
    scores, labels = bottom
    if axis.places != count(labels):
        raise SpecError(
            f"bottom 1 ({describe(labels)}) holds {count(labels)} labels for the "
            f"{axis.places} places of bottom 0 ({describe(scores)}, {axis.size} "
            "classes).",
            "Scores of N x C x H x W on axis 1 take N x H x W labels from 0 to C - 1.",
            field="bottom.1",
        )
