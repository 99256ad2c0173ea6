from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

SHAPES = [(3, 4, 2, 5), (6, 5), (2, 3, 1)]


def text(shared: bool, filler: str = "") -> str:
    param = f"channel_shared: {str(shared).lower()} {filler}"
    return f'type: "PReLU" prelu_param {{ {param} }}'


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradient(shape, shared, in_place):
    check_layer(Trial(text(shared), [shape], in_place=in_place))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_by_loops(shape, shared, ops, in_place):
    rng = np.random.default_rng(5)
    x = np.round(rng.standard_normal(shape), 1)  # zeros among them
    options = {"ops": ops, "dtype": np.float32, "in_place": in_place}
    trial = Trial(text(shared), [x], **options)
    slope, dy = trial.run.param[0], rng.standard_normal(shape)
    top, diff = np.empty(shape), np.empty(shape)
    dslope = np.zeros(slope.shape)
    for at in np.ndindex(shape):
        a = () if shared else (at[1],)
        below = x[at] <= 0
        top[at] = x[at] * (slope[a] if below else 1)
        diff[at] = dy[at] * (slope[a] if below else 1)
        dslope[a] += dy[at] * x[at] if below else 0
    np.testing.assert_allclose(trial.forward()[0], top, rtol=1e-6)
    np.testing.assert_allclose(trial.backward([dy])[0], diff, rtol=1e-6)
    np.testing.assert_allclose(trial.param_diff[0], dslope, rtol=2e-6, atol=1e-6)


def test_slopes_start_at_a_quarter_unless_told():
    shapes = ((2, 5, 3),)
    (spec,) = make_layer(text(False)).params(shapes)
    assert (spec.shape, spec.filler.type, spec.filler.value) == ((5,), "constant", 0.25)
    layer = make_layer(text(True, 'filler { type: "uniform" }'))
    (spec,) = layer.params(shapes)
    assert (spec.shape, spec.filler.type) == ((), "uniform")


def test_gradients_that_nobody_wants_are_left_out():
    trial = Trial(text(False), [(2, 3, 4)], gradient=[False])
    trial.run.param_diff = [None]
    trial.forward()
    assert trial.backward() == [None]


def test_a_channel_axis_is_needed():
    with pytest.raises(SpecError) as caught:
        infer(text(True), ((7,),))
    message = "bottom has shape 7.\n  PReLU takes at least two axes: N x C."
    assert str(caught.value) == message


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("PReLU"))
def test_golden(case, device):
    check_layer_case(case, device)
