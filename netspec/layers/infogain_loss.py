"""InfogainLoss: the logarithms of all probabilities, weighted by the label's row of a
matrix."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from netspec.backends.base import AxisSplit
from netspec.errors import SpecError
from netspec.files import find
from netspec.layers.base import (
    Array,
    Run,
    Scratch,
    Shapes,
    between,
    layer,
    split_at,
)
from netspec.layers.loss import (
    Loss,
    Normalization,
    ReadsLabels,
    check_label_count,
    refuse_gradient,
)
from netspec.shapes import canonical_axis, count, describe
from netspec.spec.blobproto import read_blob
from netspec.spec.wire import Message

PREFIX = "infogain_loss_param"


@layer("InfogainLoss")
class InfogainLoss(ReadsLabels, Loss):
    """Caffe's InfogainLoss: -Σ H[label, k] log(prob_k), prob the softmax of the scores.

    H, K × K for K classes, is bottom 2, or a file that ``source`` names: a binaryproto
    with one blob of K² values.  Probabilities are cut off at 1e-20, in the loss alone.
    The mean is over the labels that are not ignore_label, unless ``loss_param`` says
    otherwise.  A second top gets the probabilities; no gradient comes back through it.
    """

    bottoms, tops = between(2, 3), between(1, 2)

    def setup(self) -> None:
        """Read the normalisation."""
        self.normalization = Normalization.read(self.proto.loss_param)
        self.message = self.proto.infogain_loss_param

    @cached_property
    def matrix(self) -> Array:
        """The matrix of the file, mapped: only its extent is read before it is used.

        Raises:
            SpecError: no file is named, or there is no such file.
            DataError: the file is no blob.
        """
        if not self.message.source:
            raise SpecError(
                "there is no matrix.",
                f"Give a third bottom, or {PREFIX}.source.",
                field=PREFIX,
            )
        path = find(self.message.source, beside=self.file or None)
        if not path.is_file():
            raise SpecError(
                f"there is no file '{path}' with the matrix.",
                "Make it available; relative paths are looked for beside the net too.",
                field=f"{PREFIX}.source",
            )
        return read_blob(Message.map(path, "BlobProto")).array

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar, and the scores' shape for the probabilities where wanted."""
        shapes = super().infer_shapes(bottom)
        axis = self.geometry(bottom)
        check_label_count(axis, bottom[:2])
        self._check_matrix(bottom, axis.size)
        return (*shapes, bottom[0])[: max(1, len(self.proto.top))]

    def _check_matrix(self, bottom: Shapes, classes: int) -> None:
        by_bottom = len(bottom) > 2
        given = bottom[2] if by_bottom else self.matrix.shape
        if count(given) != classes * classes:
            what = "bottom 2" if by_bottom else f"'{self.message.source}'"
            raise SpecError(
                f"the matrix, {what}, is {describe(given)} for {classes} classes.",
                f"It must be {classes} x {classes}.",
                field="bottom.2" if by_bottom else f"{PREFIX}.source",
            )

    def geometry(self, bottom: Shapes) -> AxisSplit:
        """The scores around the axis of the classes."""
        return AxisSplit(*split_at(bottom[0], self._axis(bottom)))

    def _axis(self, bottom: Shapes) -> int:
        return canonical_axis(self.message.axis, len(bottom[0]), f"{PREFIX}.axis")

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The probabilities, and the matrix where a file gives it."""
        classes = self.geometry(bottom).size
        kept = {"prob": Scratch(bottom[0])}
        if len(bottom) == 2:
            kept["matrix"] = Scratch((classes, classes))
        return kept

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether the probabilities of one image depend on the other images."""
        return self._axis(bottom) == 0

    def allows_force_backward(self, bottom: int) -> bool:
        """Labels have no gradient (nor has the matrix, which then is refused)."""
        return bottom != 1

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
        """The loss, and the probabilities where wanted.

        Raises:
            DataError: a label that is no class.
        """
        scores, labels, *given = run.bottom
        prob, axis, ignore = (
            run.scratch["prob"],
            run.geometry,
            self.normalization.ignore,
        )
        self.check_labels(ops, run)
        if not given:
            matrix = run.scratch["matrix"]
            ops.upload(self.matrix.reshape(matrix.shape), matrix)
        ops.softmax(scores, prob, axis)
        divisor = self._divisor(run)
        gain = _gain(run)
        ops.infogain_loss(prob, labels, gain, run.top[0], axis, ignore, divisor)
        for copy in run.top[1:]:
            ops.copy(prob, copy)

    def backward(self, ops: Any, run: Run) -> None:
        """(prob · Σ H[label] - H[label]) · weight / divisor."""
        refuse_gradient(run)
        if len(run.bottom) > 2:
            refuse_gradient(run, 2, "matrix")
        ops.infogain_loss_backward(
            run.scratch["prob"], run.bottom[1], _gain(run), run.top_diff[0],
            run.bottom_diff[0], run.geometry, self.normalization.ignore,
            self._divisor(run),
        )  # fmt: skip

    def _divisor(self, run: Run) -> float | None:
        axis = run.geometry
        return self.normalization.divisor(run, axis.outer, axis.places)


def _gain(run: Run) -> Array:
    """The matrix in use, K × K."""
    classes = run.geometry.size
    matrix = run.bottom[2] if len(run.bottom) > 2 else run.scratch["matrix"]
    return matrix.reshape(classes, classes)
