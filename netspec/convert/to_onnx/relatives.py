"""Layers of Caffe's relatives that are more than one operator."""

from __future__ import annotations

import numpy as np

from netspec.convert.refusal import Unsupported
from netspec.convert.to_onnx.emission import Emission, emits


@emits("PriorBox")
def prior_box(e: Emission) -> None:
    """A constant: the boxes follow the sizes of map and image, which must be known."""
    for i, bottom in enumerate(e.node.bottoms):
        e.fix(bottom, [2, 3], f"its boxes follow the size of bottom {i}")
    boxes = np.asarray(e.layer.geometry(e.node.bottom_shapes), np.float32)
    e.out("Identity", [e.builder.weight(f"{e.node.name}.boxes", boxes)])


@emits("ROIPooling")
def roi_pooling(e: Emission) -> None:
    """Refused: the one operator for it cuts regions at other pixels."""
    raise Unsupported(
        "ONNX's MaxRoiPool is not in every runtime and rounds regions otherwise.",
        "End the net before it and pool the regions in your own code.",
    )


@emits("DetectionOutput")
def detection_output(e: Emission) -> None:
    """Refused: runtimes differ in which of equal boxes they keep, and how many."""
    raise Unsupported(
        "the boxes that it keeps depend on the data, and no runtime's "
        "NonMaxSuppression takes its options.",
        "End the net before it: its bottoms are outputs then, and netspec or your own "
        "code turns them into detections.",
    )
