"""The boxes that YOLOv2 and YOLOv3 report, place by place from the papers' formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.layers.harness import Trial, both_ops, infer

RNG = np.random.default_rng(31)
CLASSES, BATCH = 3, 2
V2 = [(1.25, 2.0), (3.5, 4.25)]
V3 = [(10, 14), (23, 27), (37, 58), (81, 82)]
MASKS, SCALES = [[2, 3], [0, 1]], [32, 16]


def text_of_v2(more=""):
    biases = " ".join(f"biases: {v}" for anchor in V2 for v in anchor)
    return (
        'type: "YoloDetectionOutput" yolo_detection_output_param { num_classes: 3 '
        f"num_box: 2 confidence_threshold: 0.25 nms_threshold: 0.3 {biases} {more} }}"
    )


def text_of_v3(more=""):
    biases = " ".join(f"biases: {v}" for anchor in V3 for v in anchor)
    return (
        'type: "Yolov3DetectionOutput" yolov3_detection_output_param { num_classes: 3 '
        "num_box: 2 confidence_threshold: 0.4 nms_threshold: 0.3 mask_group_num: 2 "
        "anchors_scale: 32 anchors_scale: 16 mask: 2 mask: 3 mask: 0 mask: 1 "
        f"{biases} {more} }}"
    )


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def box(values, row, column, height, width, anchor_w, anchor_h):
    x = (column + sigmoid(values[0])) / width
    y = (row + sigmoid(values[1])) / height
    w, h = math.exp(values[2]) * anchor_w, math.exp(values[3]) * anchor_h
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0
    area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return w * h / (sum(area) - w * h)


def suppressed(found, image):
    """The best of what covers each other, of all classes."""
    rows = []
    for label, score, corners in sorted(found, key=lambda each: -each[1]):
        if all(iou(corners, row[3:]) < 0.3 for row in rows):
            rows.append([image, label, score, *corners])
    return rows


def places(x):
    for n in range(2):
        for row in range(x.shape[1]):
            for column in range(x.shape[2]):
                yield n, row, column, x[n * 8 : n * 8 + 8, row, column].tolist()


def v2(maps):
    rows = []
    for image in range(BATCH):
        found = []
        for x in (each[image] for each in maps):
            height, width = x.shape[1:]
            for n, row, column, v in places(x):
                p = np.exp(v[5:]) / np.exp(v[5:]).sum()
                score = sigmoid(v[4]) * p.max()
                if score >= 0.25:
                    size = V2[n][0] / width, V2[n][1] / height
                    corners = box(v, row, column, height, width, *size)
                    found.append((int(p.argmax()) + 1, score, corners))
        rows += suppressed(found, image)
    return rows


def v3(maps):
    rows = []
    for image in range(BATCH):
        found = []
        for i, x in enumerate(each[image] for each in maps):
            height, width = x.shape[1:]
            for n, row, column, v in places(x):
                anchor = V3[MASKS[i][n]]
                size = anchor[0] / (width * SCALES[i]), anchor[1] / (height * SCALES[i])
                corners = box(v, row, column, height, width, *size)
                for c in range(CLASSES):
                    score = sigmoid(v[4]) * sigmoid(v[5 + c])
                    if score > 0.4:
                        found.append((c + 1, score, corners))
        rows += suppressed(found, image)
    return rows


def run(text, maps, ops, dtype):
    trial = Trial(text, maps, phase=1, gradient=[False] * len(maps), ops=ops,
                  dtype=dtype)  # fmt: skip
    sizes = []
    trial.run.resize = sizes.append
    (top,) = trial.forward()
    ((_, _, rows, _),) = sizes[0]
    return top.reshape(-1, 7)[:rows]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("ops", both_ops(), ids=["reference", "cpu"])
@pytest.mark.parametrize(("text", "naive"), [(text_of_v2(), v2), (text_of_v3(), v3)],
                         ids=["v2", "v3"])  # fmt: skip
def test_boxes(text, naive, ops, dtype):
    maps = [1.2 * RNG.standard_normal((BATCH, 16, *s)) for s in ((3, 4), (6, 8))]
    maps = [each.astype(np.float32).astype(np.float64) for each in maps]
    wanted = np.array(naive(maps))
    found = run(text, maps, ops, dtype)
    assert len(wanted) > 8
    assert len(set(wanted[:, 0])) == BATCH
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("text", [text_of_v2(), text_of_v3()], ids=["v2", "v3"])
def test_nothing_found(text):
    maps = [np.full((BATCH, 16, *s), -9.0) for s in ((3, 4), (6, 8))]
    found = run(text, maps, None, np.float64)
    assert found.tolist() == [[image, *[-1] * 6] for image in range(BATCH)]


SHAPES = ((2, 16, 3, 4), (2, 16, 6, 8))


@pytest.mark.parametrize(("body", "message"), [
    (text_of_v2("num_box: 0"), "num_box is 0."),
    (text_of_v2("num_classes: 4"), "bottom 0 has shape 2x16x3x4 for 2 boxes a place"),
    (text_of_v2("coords: 5"), "coords is 5."),
    (text_of_v2("biases: 3"), "biases is given 5 times."),
    (text_of_v2("biases: 3 biases: 3"), "biases is given 6 times for 2 boxes"),
    (text_of_v3("gaussian_box: true"), "gaussian_box is not known."),
    (text_of_v3("mask: 1"), "mask 5 times"),
    (text_of_v3().replace("mask: 3", "mask: 7"), "mask names anchor 7 of 4."),
])  # fmt: skip
def test_refusals(body, message):
    for word in ("num_box: 2", "num_classes: 3"):
        name = word.split()[0]
        body = body.replace(f"{word} ", "") if body.count(name) > 1 else body
    with pytest.raises(SpecError) as refused:
        infer(body, SHAPES)
    assert message in refused.value.problem
    assert refused.value.remedy
