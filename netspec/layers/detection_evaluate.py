"""DetectionEvaluate: which of a detector's boxes are right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from netspec.errors import DataError, SpecError
from netspec.layers.average_precision import VERSIONS, average_precision
from netspec.layers.base import Array, Run, Shapes, exactly, layer
from netspec.layers.box_matching import ROW, Truth, overlaps, truths
from netspec.layers.no_gradient import NoGradient
from netspec.registry import suggest
from netspec.shapes import describe

PREFIX = "detection_evaluate_param"
DETECTION = 7  # numbers of a row: image, label, score and four corners
COLUMNS = 5  # of the top: image, label, score, right, wrong
COUNT = -1  # the image of a row that counts a class's objects


@layer("DetectionEvaluate")
class DetectionEvaluate(NoGradient):
    """SSD's DetectionEvaluate: detections and true boxes to 1 x 1 x rows x 5.

    First a row for each class but the background: (-1, class, objects, -1, -1). Then
    one for each detection: (image, class, score, right, wrong), with neither where it
    found a difficult object that does not count. Of an object that is found twice the
    surer detection is right. What a test reports is the mean average precision.
    """

    bottoms = exactly(2)
    resizes = True
    judges = True

    def setup(self) -> None:
        """Read detection_evaluate_param."""
        message = self.message = self.proto.detection_evaluate_param
        if message.num_classes < 1:
            raise SpecError(
                "num_classes is missing or 0.",
                "Give at least 1, the background included.",
                field=f"{PREFIX}.num_classes",
            )
        if message.overlap_threshold <= 0:
            raise SpecError(
                f"overlap_threshold is {message.overlap_threshold:g}.",
                "Choose a number above 0.",
                field=f"{PREFIX}.overlap_threshold",
            )
        if message.name_size_file or message.HasField("resize_param"):
            raise SpecError(
                "would compare boxes in pixels of the images' files.",
                "Remove name_size_file and resize_param: they are compared as parts of "
                "the image, which differs by less than a pixel.",
                field=PREFIX,
            )
        if message.ap_version not in VERSIONS:
            raise SpecError(
                f"unknown ap_version {message.ap_version!r}.",
                suggest(message.ap_version, VERSIONS),
                field=f"{PREFIX}.ap_version",
            )
        self.classes = [
            c for c in range(message.num_classes) if c != message.background_label_id
        ]

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """A row a class, and one for each detection there may be."""
        for i, (shape, width) in enumerate(zip(bottom, (DETECTION, ROW))):
            if len(shape) != 4 or shape[3] != width or shape[1] != 1:
                raise SpecError(
                    f"bottom {i} has shape {describe(shape)}.",
                    "Give the top of a DetectionOutput, and the second of an "
                    "AnnotatedData.",
                    field=f"bottom.{i}",
                )
        return ((1, 1, len(self.classes) + bottom[0][2], COLUMNS),)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Its rows are not images, and hold their numbers."""
        return True

    def forward(self, ops: Any, run: Run) -> None:
        """Judge each detection, resize the top.

        Raises:
            DataError: a detection or an object of the background or of no class.
        """
        found = ops.download(run.bottom[0]).reshape(-1, DETECTION)
        found = found[found[:, 1] != -1]
        own = ops.download(run.bottom[1])
        batch = own.shape[0]
        if batch == 1:  # SSD's form holds the numbers of images
            batch = int(max(own[..., 0].max(), found[:, 0].max(initial=0))) + 1
        every = truths(own, batch)
        self._check(found[:, 1], "detection")
        self._check(np.concatenate([t.labels for t in every]), "true box")
        rows = np.array([*self._counts(every), *self._judged(found, every)])
        run.resize(((1, 1, *rows.shape),))
        ops.upload(rows, run.top[0].reshape(-1, COLUMNS)[: len(rows)])

    def _check(self, labels: Array, what: str) -> None:
        wrong = [label for label in labels.tolist() if label not in self.classes]
        if wrong:
            raise DataError(
                f"a {what} has label {wrong[0]:g}.",
                f"Labels are {', '.join(map(str, self.classes[:20]))}: see num_classes "
                "and background_label_id.",
            )

    def _counts(self, every: list[Truth]) -> Iterator[tuple[float, ...]]:
        for label in self.classes:
            counted = [
                (truth.labels == label) & ~self._passed_over(truth) for truth in every
            ]
            yield COUNT, label, sum(int(c.sum()) for c in counted), -1, -1

    def _passed_over(self, truth: Truth) -> Array:
        """Objects that do not count."""
        if self.message.evaluate_difficult_gt:
            return np.zeros(len(truth.labels), bool)
        return truth.difficult

    def _judged(self, found: Array, every: list[Truth]) -> Iterator[tuple[float, ...]]:
        for image in np.unique(found[:, 0]).astype(int).tolist():
            for label in np.unique(found[found[:, 0] == image, 1]).tolist():
                own = found[(found[:, 0] == image) & (found[:, 1] == label)]
                own = own[np.argsort(-own[:, 2], kind="stable")]
                verdicts = self._verdicts(own[:, 3:], every[image], label)
                for row, verdict in zip(own, verdicts):
                    yield image, label, float(row[2]), *verdict

    def _verdicts(
        self, boxes: Array, truth: Truth, label: float
    ) -> Iterator[tuple[int, int]]:
        """Right and wrong of the detections of one class in an image, surest first."""
        objects = truth.labels == label
        passed, taken = self._passed_over(truth)[objects], set()
        shared = overlaps(boxes, truth.boxes[objects])
        for each in shared:
            best = int(each.argmax()) if len(each) else -1
            if best < 0 or each[best] < self.message.overlap_threshold:
                yield 0, 1
            elif passed[best]:
                yield 0, 0
            else:
                yield (0, 1) if best in taken else (1, 0)
                taken.add(best)

    def judge(self, rows: Array) -> Array:
        """The mean average precision of all rows of a test, (R, 5).

        With ``show_per_class_result`` that of each class follows.
        """
        counts, judged = rows[rows[:, 0] == COUNT], rows[rows[:, 0] != COUNT]
        judged = judged[judged[:, 3] + judged[:, 4] > 0]
        each = []
        for label in self.classes:
            own = judged[judged[:, 1] == label]
            objects = int(counts[counts[:, 1] == label, 2].sum())
            each.append(
                average_precision(
                    own[:, 2], own[:, 3], objects, self.message.ap_version
                )
            )
        mean = np.mean(each) if each else 0.0
        return np.array([mean, *each] if self.message.show_per_class_result else mean)
