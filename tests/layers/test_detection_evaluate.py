"""DetectionEvaluate: verdicts on detections, and the average precision of all."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from netspec.layers.average_precision import average_precision
from tests.layers.harness import Trial, both_ops, infer, make_layer

BOX = np.array([0.1, 0.1, 0.5, 0.5])


def text(more=""):
    body = f"detection_evaluate_param {{ num_classes: 4 {more} }}"
    return f'type: "DetectionEvaluate" {body}'


def detection(image, label, score, box):
    return [image, label, score, *box]


def true(image, label, box, difficult=0):
    return [image, label, 0, *box, difficult]


DETECTIONS = [
    detection(0, 1, 0.6, BOX + 0.02),  # found again: wrong
    detection(0, 1, 0.9, BOX),  # right
    detection(0, 1, 0.8, BOX + 0.4),  # nothing is there
    detection(0, 3, 0.7, BOX),  # another class
    detection(2, 2, 0.5, BOX - 0.05),  # a difficult object
    detection(2, 2, 0.4, BOX + 0.3),  # right
    [1, -1, -1, -1, -1, -1, -1],  # nothing found
]
OBJECTS = [
    [true(0, 1, BOX), true(0, 1, BOX + 0.25)],
    [true(1, 1, BOX)],
    [true(2, 2, BOX, difficult=1), true(2, 2, BOX + 0.28)],
]


def by_image():
    rows = np.full((3, 1, 3, 8), -1.0)
    for image, own in enumerate(OBJECTS):
        rows[image, 0, : len(own)] = own
    return rows


def as_ssd():
    return np.array([row for own in OBJECTS for row in own])[None, None]


def run(more="", rows=None, ops=None):
    detections = np.array(DETECTIONS)[None, None]
    trial = Trial(text(more), [detections, by_image() if rows is None else rows],
                  phase=1, gradient=[False, False], ops=ops)  # fmt: skip
    sizes = []
    trial.run.resize = sizes.append
    (top,) = trial.forward()
    ((_, _, rows, _),) = sizes[0]
    return top.reshape(-1, 5)[:rows]


WANTED = [
    [-1, 1, 3, -1, -1], [-1, 2, 2, -1, -1], [-1, 3, 0, -1, -1],
    [0, 1, 0.9, 1, 0], [0, 1, 0.8, 0, 1], [0, 1, 0.6, 0, 1], [0, 3, 0.7, 0, 1],
    [2, 2, 0.5, 1, 0], [2, 2, 0.4, 1, 0],
]  # fmt: skip


@pytest.mark.parametrize("rows", [by_image(), as_ssd()], ids=["by image", "as SSD"])
@pytest.mark.parametrize("ops", both_ops(), ids=["reference", "cpu"])
def test_verdicts(rows, ops):
    np.testing.assert_allclose(run(rows=rows, ops=ops), WANTED, rtol=1e-6)


def test_difficult_objects_may_be_passed_over():
    found = run("evaluate_difficult_gt: false")
    assert found[1].tolist() == [-1, 2, 1, -1, -1]
    assert found[7, 3:].tolist() == [0, 0]
    assert found[8, 3:].tolist() == [1, 0]


def test_judging():
    """Class 1: one of 3 objects at first; class 2: both; class 3: none are there."""
    rows = np.array(WANTED, np.float64)
    layer = make_layer(text("show_per_class_result: true"), 2)
    np.testing.assert_allclose(layer.judge(rows), [(1 / 3 + 1) / 3, 1 / 3, 1, 0])
    assert make_layer(text(), 2).judge(rows) == pytest.approx((1 / 3 + 1) / 3)


def naive(scores, right, objects, version):
    """Point by point, from the definition."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    points, found = [], 0
    for n, i in enumerate(order, 1):
        found += right[i]
        points.append((found / objects, found / n))
    if version == "11point":
        best = [max([p for r, p in points if r >= j / 10] + [0]) for j in range(11)]
        return sum(best) / 11
    total, before = 0.0, 0.0
    for k, (recall, precision) in enumerate(points):
        if version == "MaxIntegral":
            precision = max(p for _, p in points[k:])
        total += (recall - before) * precision
        before = recall
    return total


@pytest.mark.parametrize("version", ["Integral", "MaxIntegral", "11point"])
def test_average_precision(version):
    draw = np.random.default_rng(2)
    found = []
    for count in (1, 7, 40):
        scores, right = draw.permutation(count) / 50, draw.integers(0, 2, count)
        objects = int(right.sum()) + 3
        value = average_precision(scores, right, objects, version)
        assert value == pytest.approx(naive(scores, right, objects, version))
        found.append(value)
    assert max(found) > 0.1
    assert average_precision(np.zeros(0), np.zeros(0), 5, version) == 0
    assert average_precision(np.ones(3), np.zeros(3), 0, version) == 0
    assert average_precision(np.arange(3), np.ones(3), 3, version) == pytest.approx(1)


@pytest.mark.parametrize(("row", "message"), [
    (detection(0, 0, 0.5, BOX), "a detection has label 0."),
    (detection(0, 4, 0.5, BOX), "a detection has label 4."),
])  # fmt: skip
def test_labels_of_no_class(row, message):
    trial = Trial(text(), [np.array([[[row]]]), by_image()], gradient=[False, False])
    with pytest.raises(DataError, match=message):
        trial.forward()


@pytest.mark.parametrize(("more", "message"), [
    ("num_classes: 0", "num_classes is missing or 0."),
    ("overlap_threshold: 0", "overlap_threshold is 0."),
    ("name_size_file: 'f'", "would compare boxes in pixels of the images' files."),
    ("ap_version: '12point'", "unknown ap_version '12point'."),
])  # fmt: skip
def test_refusals(more, message):
    body = text(more).replace("num_classes: 4", "") if "num" in more else text(more)
    with pytest.raises(SpecError) as refused:
        infer(body, ((1, 1, 9, 7), (3, 1, 2, 8)))
    assert message in refused.value.problem
    assert refused.value.remedy


def test_shapes():
    assert infer(text(), ((1, 1, 9, 7), (3, 1, 2, 8))) == ((1, 1, 12, 5),)
    with pytest.raises(SpecError, match="bottom 1 has shape 3x8"):
        infer(text(), ((1, 1, 9, 7), (3, 8)))
