from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, infer, make_layer


def text(param: str = "") -> str:
    return f'type: "Accuracy" accuracy_param {{ {param} }}'


SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.4, 0.4, 0.2], [0.1, 0.3, 0.6]])
LABELS = np.array([1.0, 2.0, 0.0, 0.0])


@pytest.mark.smoke
@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize(
    ("param", "expected", "per_class"),
    [
        # Row 2 is a tie of classes 0 and 1: no hit for top 1, one for top 2.
        ("", 1 / 4, [0, 1, 0]),
        ("top_k: 2", 3 / 4, [1 / 2, 1, 1]),
        ("top_k: 3", 1, [1, 1, 1]),
        ("top_k: 2 ignore_label: 0", 1, [0, 1, 1]),
        ("ignore_label: 2", 1 / 3, [0, 1, 0]),
    ],
)
def test_counts(param, expected, per_class, ops):
    bottoms = [SCORES, LABELS]
    trial = Trial(text(param), bottoms, tops=2, ops=ops, dtype=np.float32)
    total, classes = trial.forward()
    assert total == pytest.approx(expected)
    np.testing.assert_allclose(classes, per_class, rtol=1e-6)


def test_another_axis_and_places():
    rng = np.random.default_rng(2)
    scores = rng.standard_normal((3, 5, 4, 2))
    labels = rng.integers(0, 4, (3, 5, 2)).astype(float)
    right = [
        scores[n, c, :, w].argmax() == labels[n, c, w]
        for n, c, w in np.ndindex(labels.shape)
    ]
    (total,) = Trial(text("axis: 2"), [scores, labels]).forward()
    assert total == pytest.approx(np.mean(right))


def test_a_score_that_is_not_a_number_is_never_right():
    scores = np.full((3, 4), np.nan)
    (total,) = Trial(text(), [scores, np.array([0.0, 1.0, 3.0])]).forward()
    assert total == 0


def test_all_ignored_is_0():
    (total,) = Trial(text("ignore_label: 9"), [SCORES, np.full(4, 9.0)]).forward()
    assert total == 0


def test_the_accuracies_of_shards_add_up():
    whole = Trial(text(), [SCORES, LABELS]).forward()[0]
    parts = [
        Trial(text(), [SCORES[i : i + 2], LABELS[i : i + 2]], shards=2).forward()[0]
        for i in (0, 2)
    ]
    assert sum(parts) == pytest.approx(float(whole))


@pytest.mark.parametrize(
    ("param", "tops", "couples"),
    [("", 1, False), ("", 2, True), ("ignore_label: 1", 1, True), ("axis: 0", 1, True)],
)
def test_it_couples_the_batch_where_shares_do_not_add_up(param, tops, couples):
    layer = make_layer(text(param), 2, tops)
    assert layer.couples_batch(((4, 3), (4,))) is couples


def test_a_label_that_is_no_class_is_named():
    labels = LABELS.copy()
    labels[3] = 3
    with pytest.raises(DataError) as caught:
        Trial(text("ignore_label: 7"), [SCORES, labels]).forward()
    assert str(caught.value) == (
        "label 3 in row 3 of the batch is outside 0 to 2: there are 3 classes.\n"
        "  Labels run from 0 to 2 or 7, which is ignored. Correct the label, or the "
        "num_output of the layer that makes the scores."
    )


@pytest.mark.parametrize(
    ("param", "shapes", "message", "field"),
    [
        (
            "top_k: 5", ((6, 4), (6,)),
            "top_k 5 is above the number of classes, 4.\n  Choose from 1 to 4.",
            "accuracy_param.top_k",
        ),
        ("top_k: 0", ((6, 4), (6,)), "top_k is 0.\n  Choose at least 1.",
         "accuracy_param.top_k"),
        (
            "axis: 2", ((6, 4), (6,)),
            "accuracy_param.axis 2 is out of range for a blob of 2 axes.\n"
            "  Choose from -2 to 1.",
            "accuracy_param.axis",
        ),
        (
            "", ((6, 4, 3), (6,)),
            "bottom 1 (6) holds 6 labels for the 18 places of bottom 0 (6x4x3, "
            "4 classes).\n  Scores of N x C x H x W on axis 1 take N x H x W labels "
            "from 0 to C - 1.",
            "bottom.1",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(param, shapes, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text(param), shapes)
    assert str(caught.value) == message
    assert caught.value.field == field


def test_backward_refuses():
    trial = Trial(text(), [SCORES, LABELS])
    trial.forward()
    with pytest.raises(SpecError) as caught:
        trial.backward([1.0])
    assert str(caught.value) == (
        "has no gradient, and one is asked for.\n"
        "  Remove force_backward, or the loss_weight of its top."
    )


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Accuracy"))
def test_golden(case, device):
    check_layer_case(case, device)
