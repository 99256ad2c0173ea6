from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer

RNG = np.random.default_rng(6)
SCORES = RNG.standard_normal((4, 3, 2)) * 1.5
LABELS = np.array([5.0, 0, 2, 3])


def text(norm: str) -> str:
    return f'type: "HingeLoss" hinge_loss_param {{ norm: {norm} }}'


def margins() -> np.ndarray:
    rows = SCORES.reshape(4, 6)
    sign = [[1 if k == label else -1 for k in range(6)] for label in LABELS]
    return np.maximum(0, 1 - np.array(sign) * rows)


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_gradient(norm):
    check_layer(Trial(text(norm), [SCORES, LABELS]))


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize(("norm", "power"), [("L1", 1), ("L2", 2)])
def test_value(norm, power, ops):
    lack = margins()
    assert 4 < (lack == 0).sum() < 20
    bottoms = [SCORES, LABELS.reshape(4, 1, 1)]
    trial = Trial(text(norm), bottoms, ops=ops, dtype=np.float32)
    assert trial.forward()[0] == pytest.approx((lack**power).sum() / 4, rel=1e-6)


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_shards_add_up(norm):
    def run(rows: slice, shards: int) -> tuple[float, np.ndarray]:
        trial = Trial(text(norm), [SCORES[rows], LABELS[rows]], shards=shards)
        loss = float(trial.forward()[0])
        return loss, trial.backward([0.3])[0]

    whole, parts = run(slice(0, 4), 1), [run(slice(i, i + 2), 2) for i in (0, 2)]
    assert sum(p[0] for p in parts) == pytest.approx(whole[0], rel=1e-12)
    together = np.concatenate([p[1] for p in parts])
    np.testing.assert_allclose(together, whole[1], rtol=1e-12)


def test_a_label_that_is_no_class_is_named():
    trial = Trial(text("L1"), [SCORES, np.array([0, 1, 6, 2])], first_sample=4)
    with pytest.raises(DataError) as caught:
        trial.forward()
    assert "label 6 in row 6 of the batch is outside 0 to 5" in str(caught.value)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            ((4, 3), (4, 2)),
            "bottom 1 (4x2) holds 8 labels for the 4 images of bottom 0 (4x3).\n"
            "  Give one label an image.",
        ),
        (
            ((4, 3), (5,)),
            "bottom 0 has shape 4x3, bottom 1 has 5: their batches differ.\n"
            "  Both must have the same first axis.",
        ),
    ],
)
def test_what_is_refused(shapes, message):
    with pytest.raises(SpecError) as caught:
        infer(text("L1"), shapes)
    assert str(caught.value) == message
    assert caught.value.field == "bottom.1"


def test_labels_have_no_gradient():
    trial = Trial(text("L1"), [SCORES, LABELS], gradient=[True, True])
    trial.forward()
    with pytest.raises(SpecError, match="has no gradient for its labels"):
        trial.backward([1.0])


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("HingeLoss"))
def test_golden(case, device):
    check_layer_case(case, device)
