"""DetectionOutput against a plain reading of the SSD paper's post-processing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.backends.base import BoxRule
from netspec.errors import SpecError
from tests.layers.harness import Trial, both_ops, infer

IMAGES, PRIORS, CLASSES = 2, 9, 4
RNG = np.random.default_rng(8)


def text(param: str) -> str:
    return (
        'type: "DetectionOutput" detection_output_param { '
        f"num_classes: {CLASSES} {param} }}"
    )


def priors() -> np.ndarray:
    low = RNG.uniform(0, 0.5, (PRIORS, 2))
    corners = np.concatenate([low, low + RNG.uniform(0.2, 0.5, (PRIORS, 2))], axis=1)
    variances = RNG.uniform(0.1, 0.4, (PRIORS, 4))
    return np.stack([corners, variances]).reshape(1, 2, -1)


def bottoms(labels: int = 1) -> list[np.ndarray]:
    code = RNG.normal(size=(IMAGES, PRIORS * labels * 4))
    scores = RNG.uniform(0.05, 1, (IMAGES, PRIORS * CLASSES))
    return [code, scores, priors()]


def decoded(code, prior, variance, kind: str, encoded: bool) -> list[float]:
    x = list(code) if encoded else [c * v for c, v in zip(code, variance)]
    left, top, right, bottom = prior
    w, h = right - left, bottom - top
    if kind == "CORNER":
        return [a + b for a, b in zip(prior, x)]
    if kind == "CORNER_SIZE":
        return [a + b * s for a, b, s in zip(prior, x, (w, h, w, h))]
    cx, cy = (left + right) / 2 + x[0] * w, (top + bottom) / 2 + x[1] * h
    w, h = w * math.exp(x[2]) / 2, h * math.exp(x[3]) / 2
    return [cx - w, cy - h, cx + w, cy + h]


def area(box) -> float:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def overlap(a, b) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    both = w * h if w > 0 and h > 0 else 0
    return both / (area(a) + area(b) - both) if both else 0


def kept(boxes, scores, least, top_k, threshold, eta) -> list[int]:
    order = sorted(
        (p for p in range(PRIORS) if scores[p] > least), key=lambda p: -scores[p]
    )
    out: list[int] = []
    for p in order[:top_k]:
        if all(overlap(boxes[p], boxes[q]) <= threshold for q in out):
            out.append(p)
            if eta < 1 and threshold > 0.5:
                threshold *= eta
    return out


def expected(
    code, scores, prior, kind, encoded, shared, rule, most
) -> list[list[float]]:
    corners, variances = prior.reshape(2, PRIORS, 4)
    labels = 1 if shared else CLASSES
    code = code.reshape(IMAGES, PRIORS, labels, 4)
    scores = scores.reshape(IMAGES, PRIORS, CLASSES)
    rows = []
    for i in range(IMAGES):
        found = []
        for label in range(1, CLASSES):
            boxes = [
                decoded(code[i, p, 0 if shared else label], *ps, kind, encoded)
                for p, ps in enumerate(zip(corners, variances))
            ]
            own = scores[i, :, label]
            found += [[i, label, own[p], *boxes[p]] for p in kept(boxes, own, *rule)]
        best = sorted(found, key=lambda r: -r[2])[:most]
        rows += sorted(best, key=lambda r: (r[1], -r[2]))
    return rows


def resizable(*args, **options) -> Trial:
    """A trial whose top keeps its largest shape: rows are read off its front."""
    trial = Trial(*args, **options)
    trial.run.resize = lambda tops: None
    return trial


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ["CORNER", "CENTER_SIZE", "CORNER_SIZE"])
@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("ops", both_ops())
def test_boxes_labels_and_scores(kind, encoded, shared, ops):
    given = bottoms(1 if shared else CLASSES)
    trial = resizable(
        text(
            f"code_type: {kind} variance_encoded_in_target: {str(encoded).lower()} "
            f"share_location: {str(shared).lower()} confidence_threshold: 0.2 "
            "keep_top_k: 11 nms_param { nms_threshold: 0.6 top_k: 7 eta: 0.9 }"
        ),
        given,
        ops=ops,
        dtype=np.float32,
    )
    rows = expected(*given, kind, encoded, shared, (0.2, 7, 0.6, 0.9), 11)
    assert len(rows) == 22  # so keep_top_k has cut both images
    np.testing.assert_allclose(trial.forward()[0][0, 0], rows, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ops", both_ops())
def test_the_top_has_as_many_rows_as_there_are_boxes(ops):
    given = bottoms()
    shapes = []
    trial = resizable(text("confidence_threshold: 0.5"), given, ops=ops)
    trial.run.resize = lambda tops: shapes.append(tops[0])
    trial.forward()
    rows = expected(*given, "CORNER", False, True, (0.5, PRIORS, 0.3, 1.0), 99)
    assert shapes == [(1, 1, len(rows), 7)]
    assert trial.top_shapes == ((1, 1, IMAGES * PRIORS * 3, 7),)
    np.testing.assert_allclose(trial.top[0][0, 0, : len(rows)], rows)


def test_no_box_at_all_is_a_row_an_image():
    trial = resizable(text("confidence_threshold: 2 keep_top_k: 5"), bottoms())
    np.testing.assert_array_equal(
        trial.forward()[0][0, 0, :IMAGES],
        [[i, *[-1] * 6] for i in range(IMAGES)],
    )


@pytest.mark.parametrize("ops", both_ops())
def test_equal_scores_keep_their_order_and_empty_boxes_cover_nothing(ops):
    boxes = np.array(
        [[0.1, 0.1, 0.4, 0.4], [0.1, 0.1, 0.4, 0.41], [0.4, 0.4, 0.1, 0.1],
         [0.5, 0.5, 0.5, 0.9], [0.5, 0.5, 0.5, 0.9]],
        np.float32,
    )  # fmt: skip
    scores = np.array([0.5, 0.5, 0.7, 0.5, np.nan], np.float32)
    rule = BoxRule("CORNER", False, 0.1, -1, 0.5, 1.0)
    assert ops.suppress(boxes, scores, rule).tolist() == [2, 0, 3]


SHAPES = ((2, 36), (2, 36), (1, 2, 36))


@pytest.mark.parametrize(
    ("param", "shapes", "message"),
    [
        (
            "",
            ((2, 36), (2, 35), (1, 2, 36)),
            "bottom 1 has shape 2x35 for 9 priors and 4 numbers each.\n"
            "  It must be 2x36: see num_classes and share_location.",
        ),
        (
            "share_location: false",
            SHAPES,
            "bottom 0 has shape 2x36 for 9 priors and 16 numbers each.\n"
            "  It must be 2x144: see num_classes and share_location.",
        ),
        (
            "",
            ((2, 36), (2, 36), (1, 3, 36)),
            "bottom 2, the priors, has shape 1x3x36.\n"
            "  Give the top of a PriorBox, or several joined along axis 2.",
        ),
        (
            "nms_param { eta: 0 }",
            SHAPES,
            "eta is 0.\n  nms_threshold is at least 0, eta above 0 and at most 1.",
        ),
        (
            'save_output_param { output_directory: "out" label_map_file: "a" '
            'name_size_file: "b" }',
            SHAPES,
            "save_output_param would write files to 'out'; netspec writes none.\n"
            "  Remove output_directory; the top holds the detections.",
        ),
        (
            "visualize: true",
            SHAPES,
            "visualize would open a window.\n"
            "  Remove it; the top holds the detections.",
        ),
    ],
)
def test_what_is_refused(param, shapes, message):
    with pytest.raises(SpecError) as caught:
        infer(text(param), shapes)
    assert str(caught.value) == message


def test_there_is_no_gradient():
    trial = resizable(text(""), bottoms(), gradient=[True, False, False])
    trial.forward()
    with pytest.raises(SpecError, match="has no gradient"):
        trial.backward()
