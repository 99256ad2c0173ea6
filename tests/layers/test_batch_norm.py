from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.proto import TEST, TRAIN
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

SHAPE = (3, 2, 4, 5)
STORED = [np.array([0.6, -1.5]), np.array([2.5, 0.9]), np.array([1.7])]


def text(fields: str = "", param: str = "") -> str:
    return f'type: "BatchNorm" batch_norm_param {{ {fields} }} {param}'


@pytest.mark.parametrize("lean", [False, True], ids=["observed", "lean"])
@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("BatchNorm"))
def test_golden(case, device, lean):
    check_layer_case(case, device, lean=lean)


@pytest.mark.smoke
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shape", [SHAPE, (6, 3), (4, 2, 3)])
def test_gradients_with_statistics_of_the_batch(shape, in_place):
    check_layer(Trial(text("eps: 0.03"), [shape], in_place=in_place))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("fields", "phase"), [("use_global_stats: true", TRAIN), ("", TEST)]
)
def test_gradients_with_stored_statistics(fields, phase, in_place):
    trial = Trial(text(fields), [SHAPE], params=STORED, phase=phase, in_place=in_place)
    check_layer(trial)
    mean, variance = STORED[0] / 1.7, STORED[1] / 1.7
    expected = trial.start[0] - mean.reshape(1, 2, 1, 1)
    expected /= np.sqrt(variance + 1e-5).reshape(1, 2, 1, 1)
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6)
    for param, stored in zip(trial.run.param, STORED, strict=True):
        np.testing.assert_array_equal(param, stored)


@pytest.mark.parametrize("ops", both_ops())
def test_statistics_are_stored_at_every_forward(ops):
    trial = Trial(
        text("moving_average_fraction: 0.75"),
        [SHAPE],
        params=[np.zeros(2), np.zeros(2), np.zeros(1)],
        ops=ops,
        dtype=np.float32,
    )
    trial.forward()
    trial.forward()
    x = trial.start[0]
    unbiased = x.var((0, 2, 3), ddof=1)
    for param, one in zip(
        trial.run.param, (x.mean((0, 2, 3)), unbiased, 1), strict=True
    ):
        np.testing.assert_allclose(param, 1.75 * one, rtol=1e-5)


@pytest.mark.parametrize(
    ("fields", "phase", "stored"),
    [
        ("", TRAIN, False),
        ("", TEST, True),
        ("use_global_stats: true", TRAIN, True),
        ("use_global_stats: false", TEST, False),
    ],
)
def test_what_couples_the_images_of_a_batch(fields, phase, stored):
    layer = make_layer(text(fields), phase=phase)
    assert layer.couples_batch((SHAPE,)) is not stored
    kept = layer.scratch((SHAPE,), True)
    assert ("normalised" in kept) is not stored
    assert "normalised" not in layer.scratch((SHAPE,), False)


def test_parameters_are_statistics():
    params = make_layer(text()).params((SHAPE,))
    assert [p.shape for p in params] == [(2,), (2,), (1,)]
    assert not any(p.trainable for p in params)
    assert all(p.filler.value == 0 for p in params)


def test_statistics_are_not_learned():
    with pytest.raises(SpecError) as caught:
        make_layer(text(param="param { lr_mult: 0 } param { decay_mult: 0 }"))
    assert str(caught.value) == (
        "param 1 has lr_mult 1, and holds statistics, which are not learned.\n"
        "  Set its lr_mult to 0, or leave out the param entries."
    )
    assert caught.value.field == "param.1.lr_mult"


@pytest.mark.parametrize("lr", [0, 1])
def test_three_entries_of_old_files_are_ignored(lr):
    make_layer(text(param=f"param {{ lr_mult: {lr} }} " * 3))


def test_a_channel_axis_is_needed():
    with pytest.raises(SpecError) as caught:
        infer(text(), ((7,),))
    assert str(caught.value) == (
        "bottom has shape 7.\n  BatchNorm takes at least two axes: N x C."
    )
