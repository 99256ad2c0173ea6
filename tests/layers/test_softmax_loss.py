from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

RNG = np.random.default_rng(4)
SCORES = RNG.standard_normal((4, 3, 2, 5))
LABELS = RNG.integers(0, 3, (4, 2, 5)).astype(float)
PLACES = 40


def text(loss_param: str = "", axis: int = 1) -> str:
    softmax = f"softmax_param {{ axis: {axis} }}"
    return f'type: "SoftmaxWithLoss" {softmax} loss_param {{ {loss_param} }}'


def negative_logs() -> np.ndarray:
    """-log of the label's probability at each place, (4, 2, 5), one by one."""
    out = np.empty(LABELS.shape)
    for n, h, w in np.ndindex(LABELS.shape):
        e = np.exp(SCORES[n, :, h, w])
        out[n, h, w] = -np.log(e[int(LABELS[n, h, w])] / e.sum())
    return out


LOSSES = negative_logs()
VALID = LABELS != 2


@pytest.mark.parametrize(
    "loss_param",
    ["", "ignore_label: 2", "normalization: NONE", "normalization: BATCH_SIZE"],
)
def test_gradient(loss_param):
    check_layer(Trial(text(loss_param), [SCORES, LABELS]))


@pytest.mark.parametrize(
    ("axis", "scores", "labels"), [(-1, (4, 5, 3), (4, 5)), (0, (3, 15), (3, 5))]
)
def test_gradient_along_another_axis(axis, scores, labels):
    drawn = np.random.default_rng(1).integers(0, 3, labels)
    check_layer(Trial(text(axis=axis), [scores, drawn]))
    layer = make_layer(text(axis=axis), 2)
    assert layer.couples_batch((scores, labels)) is (axis == 0)


@pytest.mark.smoke
@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize(
    ("loss_param", "expected"),
    [
        ("", LOSSES.mean()),
        ("normalization: FULL", LOSSES.mean()),
        ("normalization: BATCH_SIZE", LOSSES.sum() / 4),
        ("normalization: NONE", LOSSES.sum()),
        ("ignore_label: 2", LOSSES[VALID].mean()),
        ("ignore_label: 2 normalization: FULL", LOSSES[VALID].sum() / PLACES),
        ("ignore_label: 2 normalize: true", LOSSES[VALID].mean()),
        ("ignore_label: 2 normalize: false", LOSSES[VALID].sum() / 4),
        ("normalize: false normalization: NONE", LOSSES.sum()),
    ],
)
def test_normalization(loss_param, expected, ops):
    trial = Trial(text(loss_param), [SCORES, LABELS], ops=ops, dtype=np.float32)
    # float32 exponentials of a few units: some 1e-7 each
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "loss_param",
    ["", "ignore_label: 2", "normalization: BATCH_SIZE", "normalization: NONE"],
)
def test_the_losses_and_gradients_of_shards_make_up_the_batchs(loss_param):
    def run(rows: slice, **of_shard: float) -> tuple[float, np.ndarray]:
        trial = Trial(text(loss_param), [SCORES[rows], LABELS[rows]], **of_shard)
        loss = float(trial.forward()[0])
        return loss, trial.backward([1.7])[0]

    whole_loss, whole_diff = run(slice(None))
    layer = make_layer(text(loss_param), 2)
    shared = {"shards": 2}
    if layer.needs_valid_count:
        shared["normalizer"] = layer.valid_count(LABELS)
        assert shared["normalizer"] == VALID.sum()
    parts = [run(slice(i, i + 2), **shared) for i in (0, 2)]
    assert sum(p[0] for p in parts) == pytest.approx(whole_loss, rel=1e-12)
    together = np.concatenate([p[1] for p in parts])
    np.testing.assert_allclose(together, whole_diff, rtol=1e-12)


def smoothed(share: float, mask: np.ndarray) -> float:
    """Cross-entropy with smoothed targets, place by place, in plain Python."""
    total = 0.0
    for n, y, x in np.argwhere(mask):
        e = np.exp(SCORES[n, :, y, x] - SCORES[n, :, y, x].max())
        target = np.full(e.size, share / e.size)
        target[int(LABELS[n, y, x])] += 1 - share
        total -= float((target * np.log(e / e.sum())).sum())
    return total / int(mask.sum())


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("ignore", ["", "ignore_label: 2 "])
def test_smoothed_labels_are_other_targets(ignore, ops):
    mask = VALID if ignore else np.ones_like(VALID)
    trial = Trial(text(ignore + "label_smoothing: 0.3"), [SCORES, LABELS], ops=ops)
    # 0.3 to float32's precision, in which the field is stored.
    share = float(np.float32(0.3))
    assert trial.forward()[0] == pytest.approx(smoothed(share, mask), rel=1e-12)
    check_layer(trial)


def test_the_gradient_of_smoothed_labels_vanishes_at_their_targets():
    targets = np.array([[0.1, 0.1, 0.8 + 0.1, 0.1]]) / 1.2
    share = 4 * 0.1 / 1.2
    param = text(f"label_smoothing: {share}")
    trial = Trial(param, [np.log(targets), np.array([2.0])])
    trial.forward()
    np.testing.assert_allclose(trial.backward([1.0])[0], 0 * targets, atol=1e-7)


@pytest.mark.parametrize("share", ["1", "-0.1", "nan"])
def test_a_wrong_share_is_refused(share):
    with pytest.raises(SpecError) as caught:
        make_layer(text(f"label_smoothing: {share}"), 2)
    assert str(caught.value) == (
        f"label_smoothing is {share}.\n"
        "  It is from 0 to below 1, the share of a label that all classes get."
    )
    assert caught.value.field == "loss_param.label_smoothing"


@pytest.mark.parametrize("kind", ["SigmoidCrossEntropyLoss", "HingeLoss"])
def test_other_losses_refuse_smoothing(kind):
    with pytest.raises(SpecError) as caught:
        make_layer(f'type: "{kind}" loss_param {{ label_smoothing: 0.2 }}', 2)
    assert str(caught.value) == (
        f"a layer of type {kind} has no label_smoothing.\n"
        "  Remove it; SoftmaxWithLoss has it."
    )


def test_all_labels_ignored_is_a_loss_of_0():
    trial = Trial(text("ignore_label: -3"), [SCORES, np.full(LABELS.shape, -3.0)])
    assert trial.forward()[0] == 0
    assert not trial.backward([1.0])[0].any()


def test_a_vanishing_probability_costs_no_more_than_the_least_float32():
    scores = np.array([[0.0, -200.0]])
    trial = Trial(text(), [scores, np.array([1.0])])
    assert trial.forward()[0] == pytest.approx(-np.log(2.0**-126))
    np.testing.assert_allclose(trial.backward([1.0])[0], [[1, -1]])


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize(
    ("value", "printed"),
    [(3.0, "3"), (-1.0, "-1"), (np.nan, "nan"), (1e10, "1e+10"), (-np.inf, "-inf")],
)
def test_a_label_that_is_no_class_is_named(value, printed, ops):
    labels = LABELS.copy()
    labels[2, 1, 3] = value
    trial = Trial(text(), [SCORES, labels], ops=ops, dtype=np.float32, first_sample=8)
    with pytest.raises(DataError) as caught:
        trial.forward()
    assert str(caught.value) == (
        f"label {printed} in row 10 of the batch is outside 0 to 2: there are 3 "
        "classes.\n  Labels run from 0 to 2. Correct the label, or the num_output of "
        "the layer that makes the scores."
    )


def test_an_ignored_label_may_lie_outside():
    labels = LABELS.copy()
    labels[0, 0, 0] = 255
    trial = Trial(text("ignore_label: 255"), [SCORES, labels])
    expected = (LOSSES.sum() - LOSSES[0, 0, 0]) / (PLACES - 1)
    assert trial.forward()[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("shapes", "tops", "message", "field"),
    [
        (
            ((2, 6, 9, 11), (2,)), 1,
            "bottom 1 (2) holds 2 labels for the 198 places of bottom 0 (2x6x9x11, "
            "6 classes).\n  Scores of N x C x H x W on axis 1 take N x H x W labels "
            "from 0 to C - 1.",
            "bottom.1",
        ),
        (
            ((5, 4), (6,)), 1,
            "bottom 0 has shape 5x4, bottom 1 has 6: their batches differ.\n"
            "  Both must have the same first axis.",
            "bottom.1",
        ),
        (
            ((5, 4), (5,)), 2,
            "cannot give the probabilities as a second top.\n"
            "  Remove the top; a Softmax layer on the same scores gives them.",
            "top.1",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(shapes, tops, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text(), shapes, tops)
    assert str(caught.value) == message
    assert caught.value.field == field


def test_labels_have_no_gradient():
    assert not make_layer(text(), 2).allows_force_backward(1)
    trial = Trial(text(), [SCORES, LABELS], gradient=[True, True])
    trial.forward()
    with pytest.raises(SpecError) as caught:
        trial.backward([1.0])
    assert "has no gradient for its labels" in str(caught.value)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("SoftmaxWithLoss"))
def test_golden(case, device):
    check_layer_case(case, device)
