"""BatchNorm with scale and bias inside: NVIDIA's and Intel's forks."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.proto import TEST, TRAIN
from tests.layers.harness import Trial, both_ops, check_layer, make_layer

SHAPE = (3, 4, 2, 5)
RNG = np.random.default_rng(7)
MEAN, VARIANCE = RNG.normal(size=4), RNG.uniform(0.5, 2, 4)
W, B = RNG.normal(1, 0.4, 4), RNG.normal(size=4)
FRACTION, EPS, COUNT = 0.75, 0.125, 30  # values behind a statistic: 3 · 2 · 5
COMMON = f"moving_average_fraction: {FRACTION} eps: {EPS}"
NVIDIA = f"{COMMON} scale_bias: true"
INTEL = f"{COMMON} use_weight_bias: true"


def text(param: str) -> str:
    return f'type: "BatchNorm" batch_norm_param {{ {param} }}'


def wide(values: np.ndarray) -> np.ndarray:
    return values.reshape(1, 4, 1, 1)


@pytest.mark.smoke
@pytest.mark.parametrize("param", [NVIDIA, INTEL])
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("ops", both_ops())
def test_in_test_the_stored_statistics_then_scale_and_bias(param, in_place, ops):
    start = [2 * MEAN, 2 * VARIANCE, np.array([2.0]), W, B]
    trial = Trial(
        text(param), [SHAPE], phase=TEST, params=start, in_place=in_place, ops=ops
    )
    z = (trial.start[0] - wide(MEAN)) / np.sqrt(wide(VARIANCE) + EPS)
    np.testing.assert_allclose(trial.forward()[0], wide(W) * z + wide(B))
    if ops is not both_ops()[0]:
        check_layer(trial)


@pytest.mark.parametrize("param", [NVIDIA, INTEL])
@pytest.mark.parametrize("in_place", [False, True])
def test_in_train_the_batchs_with_gradients(param, in_place):
    start = [MEAN, VARIANCE, np.array([1.0]), W, B]
    trial = Trial(text(param), [SHAPE], params=start, in_place=in_place)
    x = trial.start[0]
    mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
    z = (x - wide(mean)) / np.sqrt(wide(variance) + EPS)
    np.testing.assert_allclose(trial.forward()[0], wide(W) * z + wide(B))
    stored = [p.copy() for p in trial.run.param[:3]]
    if param == NVIDIA:  # running means, of biased variances
        expected = [
            FRACTION * MEAN + (1 - FRACTION) * mean,
            FRACTION * VARIANCE + (1 - FRACTION) * variance,
            [1],
        ]
    else:  # Caffe's sums
        expected = [
            FRACTION * MEAN + mean,
            FRACTION * VARIANCE + variance * COUNT / (COUNT - 1),
            [FRACTION + 1],
        ]
    for found, wanted in zip(stored, expected):
        np.testing.assert_allclose(found, wanted)
    check_layer(trial)
    assert [d is None for d in trial.param_diff] == [True] * 3 + [False] * 2


def test_running_means_that_start_at_0_are_means_from_the_first_batch_on():
    start = [np.zeros(4), np.zeros(4), np.zeros(1), W, B]
    trial = Trial(text(NVIDIA), [SHAPE], params=start)
    trial.forward()
    mean, variance, factor = trial.run.param[:3]
    x = trial.start[0]
    np.testing.assert_allclose(mean / factor, x.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(variance / factor, x.var(axis=(0, 2, 3)))


# Blobs, and whether the statistics are running means, by what is given.
KINDS = {
    "": (3, False),
    "use_weight_bias: false filler { }": (3, False),
    "scale_bias: false": (3, False),
    "engine: MKLDNN": (3, False),
    "scale_bias: true": (5, True),
    "scale_filler { value: 3 } bias_filler { value: 4 }": (5, True),
    "filler { value: 3 } bias_filler { value: 4 }": (5, False),
    "filler { value: 3 } bias_term: false": (4, False),
    "bias_term: true": (5, False),
}


@pytest.mark.parametrize("param", KINDS)
def test_a_field_of_a_fork_must_ask_for_it(param):
    layer = make_layer(text(param))
    specs = layer.params((SHAPE,))
    assert (len(specs), layer.averages) == KINDS[param]
    assert [s.trainable for s in specs] == [False] * 3 + [True] * (len(specs) - 3)
    given = "value: 3" in param
    for spec, value in zip(
        specs[3:], (3 if given else 1, 4 if "value: 4" in param else 0)
    ):
        assert (spec.shape, spec.filler.value) == ((4,), value)


def test_without_a_bias():
    start = [MEAN, VARIANCE, np.array([1.0]), W]
    param = f"{INTEL} bias_term: false"
    trial = Trial(text(param), [SHAPE], params=start)
    check_layer(trial)
    trial = Trial(text(param), [SHAPE], params=start, phase=TEST)
    z = (trial.start[0] - wide(MEAN)) / np.sqrt(wide(VARIANCE) + EPS)
    np.testing.assert_allclose(trial.forward()[0], wide(W) * z)


def test_nvidias_least_eps():
    layer = make_layer(text("scale_bias: true eps: 1e-9"), phase=TRAIN)
    assert layer.eps == 1e-5
    assert make_layer(text("eps: 1e-9")).eps == pytest.approx(1e-9)


def test_fields_of_both_forks_are_refused():
    with pytest.raises(SpecError) as caught:
        make_layer(text("scale_filler { } use_weight_bias: true"))
    assert str(caught.value) == (
        "has NVIDIA's scale_filler and Intel's use_weight_bias.\n"
        "  NVIDIA's fork knows scale_bias, scale_filler; Intel's use_weight_bias, "
        "bias_term, filler."
    )
