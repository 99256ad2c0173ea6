"""DetectionOutput: the boxes that a detector reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.backends.base import BoxRule
from netspec.errors import SpecError
from netspec.layers.base import Array, Run, Scratch, Shapes, between, layer
from netspec.layers.no_gradient import NoGradient
from netspec.proto import PriorBoxParameter
from netspec.shapes import describe

PREFIX = "detection_output_param"
LOWEST = float(np.finfo(np.float32).min)
ROW = 7  # image, label, score and four corners


@layer("DetectionOutput")
class DetectionOutput(NoGradient):
    """SSD's DetectionOutput: box codes, scores and priors to 1 x 1 x boxes x 7.

    A row is (image, label, score, left, top, right, bottom); where no image has any,
    there is one row an image of its number and -1s. Rows go by image, then label,
    then score. How many there are is known when the scores are.
    """

    bottoms = between(3, 4)  # the fourth, the images, is for drawing alone
    resizes = True

    def setup(self) -> None:
        """Read detection_output_param."""
        message = self.message = self.proto.detection_output_param
        self._refuse_files()
        self.classes = _positive("num_classes", message.num_classes)
        self.labels = 1 if message.share_location else self.classes
        nms = message.nms_param
        _in_range("nms_threshold", nms.nms_threshold, nms.nms_threshold >= 0)
        _in_range("eta", nms.eta, 0 < nms.eta <= 1)
        given = message.HasField("confidence_threshold")
        self.rule = BoxRule(
            code=PriorBoxParameter.CodeType.Name(message.code_type),
            variance_encoded=message.variance_encoded_in_target,
            score=message.confidence_threshold if given else LOWEST,
            top_k=nms.top_k if nms.HasField("top_k") else -1,
            overlap=nms.nms_threshold,
            eta=nms.eta,
        )

    def _refuse_files(self) -> None:
        """Files and windows that SSD's Caffe would make, and nothing here does."""
        saving = self.message.save_output_param
        if saving.output_directory and saving.label_map_file and saving.name_size_file:
            raise SpecError(
                f"save_output_param would write files to {saving.output_directory!r}; "
                "netspec writes none.",
                "Remove output_directory; the top holds the detections.",
                field=f"{PREFIX}.save_output_param",
            )
        if self.message.visualize:
            raise SpecError(
                "visualize would open a window.",
                "Remove it; the top holds the detections.",
                field=f"{PREFIX}.visualize",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """As many rows as there can be."""
        batch, priors = self._check(bottom)
        each = priors if self.rule.top_k < 0 else min(priors, self.rule.top_k)
        reported = self.classes - (0 <= self._background < self.classes)
        rows, most = each * reported, self.message.keep_top_k
        return ((1, 1, batch * max(1, rows if most < 0 else min(rows, most)), ROW),)

    def _check(self, bottom: Shapes) -> tuple[int, int]:
        """Images and priors; refuses bottoms that do not fit each other."""
        code, scores, priors = bottom[:3]
        if len(priors) != 3 or priors[1] != 2 or priors[2] % 4:
            raise SpecError(
                f"bottom 2, the priors, has shape {describe(priors)}.",
                "Give the top of a PriorBox, or several joined along axis 2.",
                field="bottom.2",
            )
        number = priors[2] // 4
        for i, (shape, each) in enumerate(
            ((code, self.labels * 4), (scores, self.classes))
        ):
            if shape[:1] != code[:1] or int(np.prod(shape[1:])) != number * each:
                raise SpecError(
                    f"bottom {i} has shape {describe(shape)} for {number} priors and "
                    f"{each} numbers each.",
                    f"It must be {describe((*code[:1], number * each))}: see "
                    "num_classes and share_location.",
                    field=f"bottom.{i}",
                )
        return code[0], number

    @property
    def _background(self) -> int:
        return self.message.background_label_id

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """All boxes, decoded."""
        batch, priors = self._check(bottom)
        return {"boxes": Scratch((batch, self.labels, priors, 4))}

    def couples_batch(self, bottom: Shapes) -> bool:
        """Its rows are not images, and hold their numbers."""
        return True

    def forward(self, ops: Any, run: Run) -> None:
        """Decode all boxes, choose, resize the top."""
        boxes = run.scratch["boxes"]
        batch, _, priors, _ = boxes.shape
        code = run.bottom[0].reshape(batch, priors, self.labels, 4)
        ops.decode_boxes(code, run.bottom[2].reshape(2, priors, 4), boxes, self.rule)
        scores = run.bottom[1].reshape(batch, priors, self.classes)
        about = ops.download(boxes), ops.download(scores)
        rows = [self._rows(ops, i, *image) for i, image in enumerate(zip(*about))]
        found = np.concatenate(rows)
        if not len(found):
            found = np.full((batch, ROW), -1.0)
            found[:, 0] = np.arange(batch)
        run.resize(((1, 1, *found.shape),))
        ops.upload(found, run.top[0].reshape(-1, ROW)[: len(found)])

    def _rows(
        self, ops: Any, image: int, boxes: Array, scores: Array
    ) -> NDArray[np.float64]:
        """Rows of one image: the host's boxes (labels, P, 4), scores (P, classes)."""
        parts = []
        for label in range(self.classes):
            if label != self._background:
                own = boxes[0 if self.message.share_location else label]
                score = scores[:, label]
                kept = ops.suppress(own, score, self.rule)
                about = np.full((len(kept), 2), (image, label))
                numbers = about, score[kept][:, None], own[kept]
                parts.append(np.concatenate(numbers, axis=1))
        return _best(np.concatenate(parts), self.message.keep_top_k)


def _best(rows: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """The *most* rows of the highest scores (below 0: all), by label, then score."""
    if not 0 <= most < len(rows):
        return rows
    best = np.argsort(-rows[:, 2], kind="stable")[:most]
    return rows[best[np.argsort(rows[best, 1], kind="stable")]]


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise SpecError(
            f"{name} is missing or 0.", "Give at least 1.", field=f"{PREFIX}.{name}"
        )
    return value


def _in_range(name: str, value: float, fits: bool) -> None:
    if not fits:
        raise SpecError(
            f"{name} is {value:g}.",
            "nms_threshold is at least 0, eta above 0 and at most 1.",
            field=f"{PREFIX}.nms_param.{name}",
        )
