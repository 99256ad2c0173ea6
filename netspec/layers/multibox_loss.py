"""MultiBoxLoss: how far a detector's boxes and scores are from the true ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from netspec.backends.base import AxisSplit, BoxRule, Term
from netspec.errors import LabelError, SpecError
from netspec.layers.base import Array, Run, Scratch, Shapes, exactly, layer
from netspec.layers.box_matching import (
    ROW,
    Numbers,
    Truth,
    areas,
    truths,
    without_difficult,
)
from netspec.layers.loss import Loss, Normalization, refuse_gradient
from netspec.layers.multibox_targets import Rules, Targets, choose, mine
from netspec.proto import LossParameter, MultiBoxLossParameter, PriorBoxParameter
from netspec.shapes import describe

PREFIX = "multibox_loss_param"
_LEAST_AREA = 1e-5  # of a box that mining with nms_param looks at
UNCOUNTED = -1  # the label of a prior whose scores do not count


@dataclass(frozen=True)
class Sizes:
    """Images, priors, boxes a prior and classes."""

    batch: int
    priors: int
    labels: int
    classes: int

    @property
    def axis(self) -> AxisSplit:
        """The scores around the axis of the classes."""
        return AxisSplit(self.batch * self.priors, self.classes, 1)


@layer("MultiBoxLoss")
class MultiBoxLoss(Loss):
    """SSD's MultiBoxLoss (Liu et al. 2016, section 2.2): see ``MultiBoxLossParameter``.

    Bottoms are box codes, scores, priors and the true boxes, whose rows are (image,
    label, instance, left, top, right, bottom, difficult): (N, 1, most, 8) with rows of
    each image, or SSD's (1, 1, all, 8). An image without true boxes counts only where
    nothing is mined. Whether a loss counts may also be said by propagate_down.
    """

    bottoms = exactly(4)
    open_bottoms: ClassVar[int | None] = 2

    def setup(self) -> None:
        """Read multibox_loss_param."""
        message = self.message = self.proto.multibox_loss_param
        if message.num_classes < 1:
            raise SpecError(
                "num_classes is missing or 0.",
                "Give at least 1, the background included.",
                field=f"{PREFIX}.num_classes",
            )
        self.normalization = Normalization.read(
            self.proto.loss_param, LossParameter.VALID
        )
        self.logistic = message.conf_loss_type == MultiBoxLossParameter.LOGISTIC
        self.smooth = message.loc_loss_type == MultiBoxLossParameter.SMOOTH_L1
        self.labels = 1 if message.share_location else message.num_classes
        self._check_background()
        self.rules = Rules.read(message)
        self.code = BoxRule(
            code=PriorBoxParameter.CodeType.Name(message.code_type),
            variance_encoded=message.encode_variance_in_target,
            score=-np.inf,
            top_k=message.nms_param.top_k
            if message.nms_param.HasField("top_k")
            else -1,
            overlap=message.nms_param.nms_threshold,
            eta=1.0,
        )

    def _check_background(self) -> None:
        message = self.message
        background, classes = message.background_label_id, message.num_classes
        if background >= classes and not self.logistic:
            raise SpecError(
                f"background_label_id {background} is none of the {classes} classes.",
                f"Choose one from 0 to {classes - 1}, as SOFTMAX needs it.",
                field=f"{PREFIX}.background_label_id",
            )
        if message.map_object_to_agnostic and background + 1 >= classes:
            raise SpecError(
                f"map_object_to_agnostic makes all objects class {background + 1} of "
                f"{classes}.",
                "Set num_classes to 2 and background_label_id to 0.",
                field=f"{PREFIX}.map_object_to_agnostic",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A scalar; refuses bottoms that do not fit each other."""
        self.geometry(bottom)
        return ((),)

    def geometry(self, bottom: Shapes) -> Sizes:
        """Sizes, as far as the bottoms fit each other."""
        code, _, priors, rows = bottom
        if len(priors) != 3 or priors[1] != 2 or priors[2] % 4:
            raise SpecError(
                f"bottom 2, the priors, has shape {describe(priors)}.",
                "Give the top of a PriorBox, or several joined along axis 2.",
                field="bottom.2",
            )
        number = priors[2] // 4
        self._check_count(bottom, 0, number, self.labels * 4)
        self._check_count(bottom, 1, number, self.message.num_classes)
        if len(rows) != 4 or rows[1] != 1 or rows[3] != ROW:
            raise SpecError(
                f"bottom 3, the true boxes, has shape {describe(rows)}.",
                "Give the second top of an AnnotatedData.",
                field="bottom.3",
            )
        if rows[0] not in (1, code[0]):
            raise SpecError(
                f"bottom 3 holds boxes of {rows[0]} images, bottom 0 codes of "
                f"{code[0]}.",
                "Both must be of one batch.",
                field="bottom.3",
            )
        return Sizes(code[0], number, self.labels, self.message.num_classes)

    def _check_count(self, bottom: Shapes, i: int, priors: int, each: int) -> None:
        shape = bottom[i]
        if shape[:1] != bottom[0][:1] or int(np.prod(shape[1:])) != priors * each:
            raise SpecError(
                f"bottom {i} has shape {describe(shape)} for {priors} priors and "
                f"{each} numbers each.",
                f"It must be {describe((*bottom[0][:1], priors * each))}: see "
                "num_classes and share_location.",
                field=f"bottom.{i}",
            )

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """What is asked of codes and scores, and how far they are from it."""
        sizes = self.geometry(bottom)
        places = (sizes.batch, sizes.priors)
        boxes, scores = (*places, sizes.labels, 4), (*places, sizes.classes)
        kept = {
            "target": Scratch(boxes),
            "weight": Scratch(boxes),  # 0 where no code is asked for
            "distance": Scratch(boxes),
            "value": Scratch(boxes),
            "class": Scratch(places),
            "losses": Scratch(places),
            "asked": Scratch(scores if self.logistic else places),
            "divisor": Scratch((1,)),
            "scores_loss": Scratch(()),
        }
        if not self.logistic:
            kept["prob"] = Scratch(scores)
        if self._decodes:
            kept["boxes"] = Scratch((sizes.batch, sizes.labels, sizes.priors, 4))
        return kept

    @property
    def _decodes(self) -> bool:
        """Whether the predicted boxes matter, and not only their codes."""
        return not self.message.use_prior_for_matching or self.rules.covers_predicted

    def couples_batch(self, bottom: Shapes) -> bool:
        """Its priors are no rows of images; and images share the number of matches."""
        return True

    def allows_force_backward(self, bottom: int) -> bool:
        """Priors and true boxes have no gradient."""
        return bottom < 2

    def forward(self, ops: Any, run: Run) -> None:
        """Match, mine, and add both losses.

        Raises:
            LabelError: a true box of a class that there is none of.
        """
        targets = self._match(ops, run)
        if self.rules.mines:
            self._mine(ops, run, targets)
        self._compare_boxes(ops, run, targets)
        self._upload_classes(ops, run, targets)
        divisor = self._divisor(run, targets.matches)
        ops.fill(run.scratch["divisor"], divisor)
        total, scores_loss = run.top[0].reshape(1), run.scratch["scores_loss"]
        ops.fill(total, 0.0)
        if self._counts(0):
            term = Term.SUM if self.smooth else Term.SQUARE
            factor = self.message.loc_weight / divisor * (1 if self.smooth else 0.5)
            value = run.scratch["value" if self.smooth else "distance"]
            ops.reduce_rows(value.reshape(1, -1), total, term, factor)
        if self._counts(1):
            self._scores_loss(ops, run, divisor)
            ops.add(total, scores_loss.reshape(1), total)

    def _counts(self, bottom: int) -> bool:
        """Whether the loss of that bottom is part of the loss."""
        told = self.proto.propagate_down
        return bool(told[bottom]) if told else True

    def _match(self, ops: Any, run: Run) -> Targets:
        sizes = run.geometry
        found = truths(ops.download(run.bottom[3]), sizes.batch)
        self._check_labels(run, found)
        if not self.message.use_difficult_gt:
            found = list(map(without_difficult, found))
        device = run.bottom[2].reshape(2, sizes.priors, 4)
        predicted = None
        if self._decodes:
            code = run.bottom[0].reshape(sizes.batch, sizes.priors, sizes.labels, 4)
            ops.decode_boxes(code, device, run.scratch["boxes"], self.code)
            predicted = ops.download(run.scratch["boxes"])
        return choose(self.rules, found, ops.download(device), predicted)

    def _check_labels(self, run: Run, found: list[Truth]) -> None:
        classes, background = self.message.num_classes, self.rules.background
        for image, truth in enumerate(found):
            for label in truth.labels.tolist():
                fits = self.rules.agnostic or 0 <= label < classes
                if fits and label != background:
                    continue
                row = run.first_sample + image
                raise LabelError(
                    f"a box of image {row} of the batch has label {label}: there are "
                    f"classes 0 to {classes - 1}, and {background} is the background.",
                    "Correct the label, num_classes or background_label_id.",
                    row,
                )

    def _mine(self, ops: Any, run: Run, targets: Targets) -> None:
        """Choose the scores that count, by the losses of all."""
        scratch = run.scratch
        ops.upload(targets.classes, scratch["class"])
        ops.class_losses(
            run.bottom[1], scratch["class"], scratch["losses"], run.geometry.axis,
            self.logistic,
        )  # fmt: skip
        losses = ops.download(scratch["losses"]).copy()
        if self.rules.hard_examples:
            self._compare_boxes(ops, run, targets)
            each = ops.download(scratch["value" if self.smooth else "distance"])
            losses += (each if self.smooth else each * each / 2).sum(axis=(2, 3))
            ops.upload(losses, scratch["losses"])

        def uncovered(image: int, numbers: Numbers) -> Numbers:
            boxes = ops.download(run.bottom[2]).reshape(2, -1, 4)[0]
            if self.rules.covers_predicted:
                boxes = ops.download(scratch["boxes"])[image, 0]
            own = boxes[numbers]
            kept = ops.suppress(own, losses[image][numbers], self.code)
            return numbers[kept[areas(own[kept]) >= _LEAST_AREA]]

        mine(self.rules, targets, losses, uncovered)

    def _compare_boxes(self, ops: Any, run: Run, targets: Targets) -> None:
        """weight · (code - target), and the loss of each."""
        scratch = run.scratch
        ops.upload(targets.codes, scratch["target"])
        ops.upload(targets.weights, scratch["weight"])
        distance = scratch["distance"]
        code = run.bottom[0].reshape(distance.shape)
        ops.eltwise_sum((code, scratch["target"]), distance, (1.0, -1.0))
        ops.eltwise_prod((scratch["weight"], distance), distance)
        if self.smooth:
            ops.smooth_l1(distance, scratch["value"], 1.0)

    def _upload_classes(self, ops: Any, run: Run, targets: Targets) -> None:
        """The class of each prior that counts; for sigmoids, a target for each."""
        asked = run.scratch["asked"]
        if self.logistic:
            classes = np.arange(run.geometry.classes)
            each = targets.classes[..., None] == classes
            if targets.others is not None:
                each |= targets.others
            ops.upload(np.where(targets.counts[..., None], each, UNCOUNTED), asked)
        else:
            ops.upload(np.where(targets.counts, targets.classes, UNCOUNTED), asked)

    def _scores_loss(self, ops: Any, run: Run, divisor: float) -> None:
        scores, scratch, axis = run.bottom[1], run.scratch, run.geometry.axis
        loss, asked = scratch["scores_loss"], scratch["asked"]
        if self.logistic:
            scores = scores.reshape(asked.shape)
            ops.sigmoid_cross_entropy(scores, asked, loss, UNCOUNTED, divisor)
        else:
            ops.softmax_loss(
                scores, asked, scratch["prob"], loss, axis, UNCOUNTED, divisor
            )

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients of codes and scores."""
        refuse_gradient(run, 2, "priors")
        refuse_gradient(run, 3, "true boxes")
        divisor = float(ops.download(run.scratch["divisor"])[0])
        d_code, d_scores = run.bottom_diff[:2]
        if d_code is not None:
            self._location_backward(ops, run, d_code, divisor)
        if d_scores is not None:
            self._scores_backward(ops, run, d_scores, divisor)

    def _location_backward(
        self, ops: Any, run: Run, d_code: Array, divisor: float
    ) -> None:
        scratch = run.scratch
        slope = d_code.reshape(scratch["distance"].shape)
        factor = float(ops.download(run.top_diff[0])) * self.message.loc_weight
        factor = factor / divisor if self._counts(0) else 0.0
        if self.smooth:
            ops.fill(slope, factor)
            ops.smooth_l1_backward(scratch["distance"], slope, slope, 1.0)
        else:
            ops.scale(scratch["distance"], slope, factor)
        ops.eltwise_prod((scratch["weight"], slope), slope)

    def _scores_backward(
        self, ops: Any, run: Run, d_scores: Array, divisor: float
    ) -> None:
        scratch, asked, dy = run.scratch, run.scratch["asked"], run.top_diff[0]
        if not self._counts(1):
            ops.fill(d_scores, 0.0)
        elif self.logistic:
            scores = run.bottom[1].reshape(asked.shape)
            d_scores = d_scores.reshape(asked.shape)
            ops.sigmoid_cross_entropy_backward(
                scores, asked, dy, d_scores, UNCOUNTED, divisor
            )
        else:
            ops.softmax_loss_backward(
                scratch["prob"], asked, dy, d_scores, run.geometry.axis, UNCOUNTED,
                divisor,
            )  # fmt: skip

    def _divisor(self, run: Run, matches: int) -> float:
        """Of the whole batch; each shard counts its own matches as a share of it."""
        sizes, mode = run.geometry, self.normalization.mode
        if mode == LossParameter.VALID:
            return max(1.0, matches) * run.shards
        found = replace(self.normalization, ignore=None).divisor(
            run, sizes.batch, sizes.batch * sizes.priors
        )
        return found or 1.0
