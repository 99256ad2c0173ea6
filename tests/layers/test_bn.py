"""BN of SegNet and of PSPNet."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.proto import TEST, TRAIN
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

SHAPE = (3, 4, 2, 5)
RNG = np.random.default_rng(7)
W, B = RNG.normal(1, 0.4, (1, 4, 1, 1)), RNG.normal(size=(1, 4, 1, 1))
MEAN, VARIANCE = RNG.normal(size=(1, 4, 1, 1)), RNG.uniform(0.5, 2, (1, 4, 1, 1))
SEGNET = "scale_filler { value: 1 } shift_filler { value: 0.001 }"
PSPNET = "slope_filler { value: 1 } bias_filler { } momentum: 0.8 eps: 0.03"


def text(param: str) -> str:
    return f'type: "BN" bn_param {{ {param} }}'


def normalised(x: np.ndarray, eps: float) -> np.ndarray:
    mean = x.mean(axis=(0, 2, 3), keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=(0, 2, 3), keepdims=True)
    return (x - mean) / np.sqrt(variance + eps)


@pytest.mark.smoke
@pytest.mark.parametrize("phase", [TRAIN, TEST])
@pytest.mark.parametrize("in_place", [False, True])
def test_segnets_normalises_by_the_batch_in_both_phases(phase, in_place):
    trial = Trial(text(SEGNET), [SHAPE], phase=phase, in_place=in_place, params=[W, B])
    expected = W * normalised(trial.start[0], 1e-9) + B
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-9, atol=1e-9)
    check_layer(trial)
    assert trial.layer.couples_batch((SHAPE,))


def test_segnets_statistics_as_tops():
    trial = Trial(text(SEGNET), [SHAPE], tops=3, params=[W, B])
    _, mean, variance = trial.forward()
    x = trial.start[0]
    np.testing.assert_allclose(mean[0, :, 0, 0], x.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(variance[0, :, 0, 0], x.var(axis=(0, 2, 3)))


@pytest.mark.parametrize("in_place", [False, True])
def test_segnets_folded(in_place):
    trial = Trial(
        text(f"{SEGNET} bn_mode: INFERENCE"), [SHAPE], in_place=in_place, params=[W, B]
    )
    np.testing.assert_allclose(trial.forward()[0], W * trial.start[0] + B)
    check_layer(trial)
    assert not trial.layer.couples_batch((SHAPE,))


@pytest.mark.smoke
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("ops", both_ops())
def test_pspnets_in_train(in_place, ops):
    start = [W, B, MEAN, VARIANCE]
    trial = Trial(text(PSPNET), [SHAPE], in_place=in_place, params=start, ops=ops)
    x = trial.start[0]
    expected = W * normalised(x, 0.03) + B
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6, atol=1e-7)
    mean, variance = (p.reshape(-1) for p in trial.run.param[2:])
    np.testing.assert_allclose(
        mean, 0.8 * MEAN.reshape(-1) + 0.2 * x.mean(axis=(0, 2, 3))
    )
    np.testing.assert_allclose(
        variance, 0.8 * VARIANCE.reshape(-1) + 0.2 * x.var(axis=(0, 2, 3))
    )


@pytest.mark.parametrize("in_place", [False, True])
def test_pspnets_gradient_in_train(in_place):
    trial = Trial(text(PSPNET), [SHAPE], in_place=in_place)
    check_layer(trial)
    assert [d is None for d in trial.param_diff] == [False, False, True, True]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(("phase", "frozen"), [(TEST, ""), (TRAIN, "frozen: true")])
def test_pspnets_with_running_means(phase, frozen, in_place):
    start = [W, B, MEAN, VARIANCE]
    trial = Trial(
        text(f"{PSPNET} {frozen}"),
        [SHAPE],
        phase=phase,
        in_place=in_place,
        params=start,
    )
    expected = W * (trial.start[0] - MEAN) / np.sqrt(VARIANCE + 0.03) + B
    np.testing.assert_allclose(trial.forward()[0], expected)
    check_layer(trial)
    assert not trial.layer.couples_batch((SHAPE,))
    assert [d is None for d in trial.param_diff][:2] == [bool(frozen)] * 2


def test_what_is_given_decides_whose_it_is():
    kinds = {
        "": 4,
        "slope_filler { }": 4,
        "engine: CUDNN": 4,
        "scale_filler { }": 2,
        "bn_mode: LEARN": 2,
    }
    for param, blobs in kinds.items():
        specs = make_layer(text(param)).params((SHAPE,))
        assert [s.shape for s in specs] == [(1, 4, 1, 1)] * blobs
    frozen = make_layer(text("frozen: true")).params((SHAPE,))
    assert [s.filler.value for s in frozen] == [0, 0, 0, 1]
    assert [s.trainable for s in frozen] == [False] * 4


@pytest.mark.parametrize(
    ("param", "shape", "tops", "message"),
    [
        (
            "shift_filler { } momentum: 0.9",
            SHAPE,
            1,
            "has SegNet's shift_filler and PSPNet's momentum.\n"
            "  SegNet's BN knows scale_filler, shift_filler, bn_mode; PSPNet's "
            "slope_filler, bias_filler, momentum, eps, frozen, engine.",
        ),
        (
            "momentum: 0.9",
            SHAPE,
            2,
            "has 2 tops.\n  Only SegNet's BN in mode LEARN gives mean and variance.",
        ),
        (
            "",
            (7,),
            1,
            "bottom has shape 7.\n  BN takes at least two axes: N x C.",
        ),
    ],
)
def test_what_is_refused(param, shape, tops, message):
    with pytest.raises(SpecError) as caught:
        infer(text(param), (shape,), tops)
    assert str(caught.value) == message
