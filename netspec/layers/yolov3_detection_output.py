"""Yolov3DetectionOutput: the boxes that YOLOv3 reports."""

from __future__ import annotations

import numpy as np

from netspec.errors import SpecError
from netspec.layers.base import Array, layer
from netspec.layers.yolo_boxes import BOX, Doubles, YoloBoxes, sigmoid


@layer("Yolov3DetectionOutput")
class Yolov3DetectionOutput(YoloBoxes):
    """YOLOv3's boxes (Redmon and Farhadi 2018, section 2), as MobileNet-YOLO reports
    them: 1 x 1 x boxes x 7.

    A box's centre is (column + s(x)) / W, (row + s(y)) / H, its size the anchor's times
    exp(w), exp(h), by W and H times the map's ``anchors_scale``; s is the sigmoid. It
    is reported for each class above the threshold, with score s(object) s(class).
    Anchors count in pixels of the net's input; ``mask`` has those of each map in turn.
    """

    param = "yolov3_detection_output_param"

    def setup(self) -> None:
        """Read yolov3_detection_output_param."""
        super().setup()
        message, self.labels_a_box = self.message, self.classes
        if message.gaussian_box:
            raise SpecError(
                "gaussian_box is not known.",
                "Only boxes without their deviations are.",
                field=f"{self.param}.gaussian_box",
            )
        maps = len(self.proto.bottom)
        given = len(message.anchors_scale), message.mask_group_num, len(message.mask)
        if given != (maps, maps, maps * self.each):
            raise SpecError(
                f"anchors_scale is given {given[0]} times, mask {given[2]} times, and "
                f"mask_group_num is {given[1]}, for {maps} bottoms.",
                f"Give a scale for each, {self.each} numbers of mask for each, and "
                "their number.",
                field=f"{self.param}.mask",
            )
        if max(message.mask) >= len(self.anchors):
            raise SpecError(
                f"mask names anchor {max(message.mask)} of {len(self.anchors)}.",
                "Give the width and the height of each anchor in biases.",
                field=f"{self.param}.mask",
            )

    def shares(self, i: int, height: int, width: int) -> Doubles:
        """This map's anchors by the size of the net's input."""
        mask = list(self.message.mask)[i * self.each : (i + 1) * self.each]
        scale = self.message.anchors_scale[i]
        return self.anchors[mask] / [width * scale, height * scale]

    def scores(self, table: Doubles) -> tuple[Array, Array, Array]:
        """Every class of every box."""
        each = sigmoid(table[:, BOX:]) * sigmoid(table[:, 4:5])
        by_box = np.moveaxis(each, 1, -1).reshape(-1, self.classes)
        above = by_box > np.float32(self.message.confidence_threshold)
        which, label = np.nonzero(above)
        return which, label + 1.0, by_box[which, label]
