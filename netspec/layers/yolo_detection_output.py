"""YoloDetectionOutput: the boxes that YOLOv2 reports."""

from __future__ import annotations

import numpy as np

from netspec.errors import SpecError
from netspec.layers.base import Array, layer
from netspec.layers.yolo_boxes import BOX, Doubles, YoloBoxes, sigmoid


@layer("YoloDetectionOutput")
class YoloDetectionOutput(YoloBoxes):
    """YOLOv2's boxes (Redmon and Farhadi 2017, section 2), as MobileNet-YOLO reports
    them: 1 x 1 x boxes x 7.

    A box's centre is (column + s(x)) / W, (row + s(y)) / H, its size the anchor's times
    exp(w), exp(h), by W and H; s is the sigmoid. Its label is the class of the largest
    softmax p, its score s(object) p. Anchors count in places of the map.
    """

    param = "yolo_detection_output_param"

    def setup(self) -> None:
        """Read yolo_detection_output_param."""
        super().setup()
        if self.message.coords != 4:
            raise SpecError(
                f"coords is {self.message.coords}.",
                "Leave it at 4: a box has no more sides.",
                field=f"{self.param}.coords",
            )
        if len(self.message.biases) != 2 * self.each:
            raise SpecError(
                f"biases is given {len(self.message.biases)} times for {self.each} "
                "boxes a place.",
                "Give the width and the height of each.",
                field=f"{self.param}.biases",
            )

    def shares(self, i: int, height: int, width: int) -> Doubles:
        """Anchors by the size of the map."""
        return self.anchors / [width, height]

    def scores(self, table: Doubles) -> tuple[Array, Array, Array]:
        """The best class of each box."""
        logits = table[:, BOX:]
        away = np.exp(logits - logits.max(axis=1, keepdims=True))
        best = (1 / away.sum(axis=1)).ravel() * sigmoid(table[:, 4]).ravel()
        which = np.flatnonzero(best >= np.float32(self.message.confidence_threshold))
        label = logits.argmax(axis=1).ravel()[which] + 1.0
        return which, label, best[which]
