from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

RNG = np.random.default_rng(11)
SCORES = RNG.standard_normal((4, 3, 5)) * 3
TARGETS = RNG.uniform(0, 1, (4, 3, 5))
TARGETS[RNG.uniform(size=TARGETS.shape) < 0.3] = -1
VALID = TARGETS != -1


def text(loss_param: str = "") -> str:
    return f'type: "SigmoidCrossEntropyLoss" loss_param {{ {loss_param} }}'


def each(targets: np.ndarray) -> np.ndarray:
    s = 1 / (1 + np.exp(-SCORES))
    return -(targets * np.log(s) + (1 - targets) * np.log(1 - s))


LOSSES = each(TARGETS)


@pytest.mark.parametrize(
    "loss_param",
    ["", "ignore_label: -1", "ignore_label: -1 normalization: VALID"],
)
def test_gradient(loss_param):
    check_layer(Trial(text(loss_param), [SCORES, TARGETS]))


@pytest.mark.smoke
@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize(
    ("loss_param", "expected"),
    [
        ("", LOSSES.sum() / 4),
        ("normalization: FULL", LOSSES.sum() / 60),
        ("normalization: NONE", LOSSES.sum()),
        ("normalization: VALID", LOSSES.sum() / 60),
        ("ignore_label: -1", LOSSES[VALID].sum() / 4),
        ("ignore_label: -1 normalization: VALID", LOSSES[VALID].mean()),
        ("ignore_label: -1 normalization: FULL", LOSSES[VALID].sum() / 60),
        ("ignore_label: -1 normalize: true", LOSSES[VALID].mean()),
        ("ignore_label: -1 normalize: false", LOSSES[VALID].sum() / 4),
    ],
)
def test_normalization(loss_param, expected, ops):
    bottoms = [SCORES, TARGETS.reshape(4, 15)]
    trial = Trial(text(loss_param), bottoms, ops=ops, dtype=np.float32)
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6)


def test_targets_are_cut_to_integers_where_they_are_ignored():
    targets = np.abs(TARGETS)
    targets[0, 0, :2] = 1
    trial = Trial(text("ignore_label: 0 normalization: NONE"), [SCORES, targets])
    expected = each(targets)[targets >= 1].sum()
    assert trial.forward()[0] == pytest.approx(expected)


@pytest.mark.parametrize("ops", both_ops())
def test_scores_far_out_stay_exact(ops):
    scores = np.array([[-300.0, 300.0, 25.0]])
    targets = np.array([[1.0, 0.0, 1.0]])
    trial = Trial(text(), [scores, targets], ops=ops, dtype=np.float32)
    assert trial.forward()[0] == pytest.approx(600, rel=1e-7)
    np.testing.assert_allclose(trial.backward([1.0])[0], [[-1, 1, 0]], atol=1e-7)


@pytest.mark.parametrize(
    "loss_param",
    ["", "ignore_label: -1 normalization: VALID", "normalization: FULL"],
)
def test_shards_add_up(loss_param):
    def run(rows: slice, **of_shard: float) -> tuple[float, np.ndarray]:
        trial = Trial(text(loss_param), [SCORES[rows], TARGETS[rows]], **of_shard)
        loss = float(trial.forward()[0])
        return loss, trial.backward([1.7])[0]

    whole = run(slice(None))
    layer, shared = make_layer(text(loss_param), 2), {"shards": 2}
    if layer.needs_valid_count:
        shared["normalizer"] = layer.valid_count(TARGETS)
        assert shared["normalizer"] == VALID.sum()
    parts = [run(slice(i, i + 2), **shared) for i in (0, 2)]
    assert sum(p[0] for p in parts) == pytest.approx(whole[0], rel=1e-12)
    together = np.concatenate([p[1] for p in parts])
    np.testing.assert_allclose(together, whole[1], rtol=1e-12)


def test_what_is_refused():
    with pytest.raises(SpecError) as caught:
        infer(text(), ((4, 3, 2), (4, 5)))
    assert str(caught.value) == (
        "bottom 1 (4x5) holds 20 targets for the 24 scores of bottom 0 (4x3x2).\n"
        "  Give one target a score."
    )
    assert caught.value.field == "bottom.1"


def test_targets_have_no_gradient():
    trial = Trial(text(), [SCORES, TARGETS], gradient=[True, True])
    trial.forward()
    with pytest.raises(SpecError, match="has no gradient for its targets"):
        trial.backward([1.0])


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("SigmoidCrossEntropyLoss"))
def test_golden(case, device):
    check_layer_case(case, device)
