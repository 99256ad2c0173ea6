from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_gradients, infer

RNG = np.random.default_rng(2)
A, B = RNG.standard_normal((2, 6, 3))
SIMILAR = np.array([1.0, 0, 0, 1, 0, -2])
SIMILAR_AS_INTEGERS = [True, False, False, True, False, True]
MARGIN = 2.8  # some pairs are nearer, some are not


def text(legacy: bool) -> str:
    param = f"margin: {MARGIN} legacy_version: {str(legacy).lower()}"
    return f'type: "ContrastiveLoss" contrastive_loss_param {{ {param} }}'


@pytest.mark.parametrize("legacy", [False, True])
def test_gradient(legacy):
    # the gradient divides by the distance + 1e-4
    check_gradients(Trial(text(legacy), [A, B, SIMILAR]), tolerance=2e-4)


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("legacy", [False, True])
def test_value(legacy, ops):
    total, free = 0.0, 0
    for a, b, alike in zip(A, B, SIMILAR_AS_INTEGERS):
        d = np.sqrt(((a - b) ** 2).sum())
        lack = max(MARGIN - (d * d if legacy else d), 0)
        free += lack == 0 and not alike
        total += d * d if alike else lack if legacy else lack**2
    assert 0 < free < 3
    shapes = (6, 3, 1, 1)
    bottoms = [A.reshape(shapes), B, SIMILAR.reshape(6, 1)]
    trial = Trial(text(legacy), bottoms, ops=ops, dtype=np.float32)
    assert trial.forward()[0] == pytest.approx(total / 12, rel=1e-6)


def test_similarity_is_cut_to_an_integer():
    whole = Trial(text(False), [A, B, np.zeros(6)]).forward()[0]
    assert Trial(text(False), [A, B, np.full(6, 0.7)]).forward()[0] == whole


@pytest.mark.parametrize("legacy", [False, True])
def test_shards_add_up(legacy):
    def run(rows: slice, shards: int) -> tuple[float, list]:
        arrays = [array[rows] for array in (A, B, SIMILAR)]
        trial = Trial(text(legacy), arrays, shards=shards)
        loss = float(trial.forward()[0])
        return loss, trial.backward([1.7])

    whole, parts = run(slice(0, 6), 1), [run(slice(i, i + 3), 2) for i in (0, 3)]
    assert sum(p[0] for p in parts) == pytest.approx(whole[0], rel=1e-12)
    for i in (0, 1):
        together = np.concatenate([p[1][i] for p in parts])
        np.testing.assert_allclose(together, whole[1][i], rtol=1e-12)


def test_equal_vectors_have_a_finite_gradient():
    trial = Trial(text(False), [A, A, np.zeros(6)])
    trial.forward()
    assert not trial.backward([1.0])[0].any()


@pytest.mark.parametrize(
    ("shapes", "message", "field"),
    [
        (
            ((4, 3), (4, 5), (4,)),
            "bottom 0 has vectors of 3 (4x3), bottom 1 of 5 (4x5).\n"
            "  Both must be of one length.",
            "bottom.1",
        ),
        (
            ((4, 3, 2, 1), (4, 6), (4,)),
            "bottom 0 has shape 4x3x2x1.\n  Give a vector for each image: N x C.",
            "bottom.0",
        ),
        (
            ((4, 3), (4, 3), (4, 2)),
            "bottom 2 (4x2) holds 8 numbers for 4 pairs.\n"
            "  Give one a pair: not 0 where it is similar.",
            "bottom.2",
        ),
        (
            ((4, 3), (3, 3), (4,)),
            "bottom 0 has shape 4x3, bottom 1 has 3x3: their batches differ.\n"
            "  Both must have the same first axis.",
            "bottom.1",
        ),
    ],
)
def test_what_is_refused(shapes, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text(False), shapes)
    assert str(caught.value) == message
    assert caught.value.field == field


def test_similarity_has_no_gradient():
    trial = Trial(text(False), [A, B, SIMILAR], gradient=[True] * 3)
    trial.forward()
    with pytest.raises(SpecError) as caught:
        trial.backward([1.0])
    assert str(caught.value) == (
        "has no gradient for its similarities, and a layer below asks for one.\n"
        "  Set propagate_down: true propagate_down: true propagate_down: false, "
        "without force_backward."
    )


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("ContrastiveLoss"))
def test_golden(case, device):
    check_layer_case(case, device)
