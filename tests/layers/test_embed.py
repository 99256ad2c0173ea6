from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

INDEX = np.array([[6.0, 0, 6], [3, 1, 6]])


def text(param: str = "") -> str:
    return f'type: "Embed" embed_param {{ num_output: 5 input_dim: 7 {param} }}'


@pytest.mark.parametrize("param", ["", "bias_term: false"])
def test_gradient(param):
    check_layer(Trial(text(param), [INDEX], gradient=[False]))


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("bias", [True, False])
def test_values_by_loops(bias, ops):
    param = f"bias_term: {str(bias).lower()}"
    options = {"ops": ops, "dtype": np.float32, "gradient": [False]}
    trial = Trial(text(param), [INDEX], **options)
    w, *b = trial.run.param
    top = trial.forward()[0]
    dy = np.random.default_rng(4).standard_normal(top.shape).astype(np.float32)
    trial.backward([dy])
    dw = np.zeros(w.shape, np.float32)
    for at in np.ndindex(INDEX.shape):
        row = int(INDEX[at])
        np.testing.assert_array_equal(top[at], w[row] + (b[0] if b else 0))
        dw[row] += dy[at]
    np.testing.assert_array_equal(trial.param_diff[0], dw)
    if b:
        db = dy.sum(axis=(0, 1))
        np.testing.assert_allclose(trial.param_diff[1], db, rtol=1e-6, atol=1e-6)


def test_parameters_and_shapes():
    layer = make_layer(text('weight_filler { type: "xavier" }'))
    weights, bias = layer.params((INDEX.shape,))
    assert (weights.shape, weights.filler.type, bias.shape) == ((7, 5), "xavier", (5,))
    assert infer(text(), ((4,),)) == ((4, 5),)
    assert infer(text(), ((),)) == ((5,),)


def test_frozen_parameters_are_left_out():
    trial = Trial(text(), [INDEX], gradient=[False])
    trial.run.param_diff = [None, None]
    trial.forward()
    trial.backward()


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize(
    ("value", "printed"), [(7, "7"), (-1, "-1"), (np.nan, "nan"), (1e30, "1e+30")]
)
def test_an_index_that_is_no_row_is_named(value, printed, ops):
    index = INDEX.copy()
    index[1, 0] = value
    trial = Trial(text(), [index], ops=ops, dtype=np.float32)
    with pytest.raises(DataError) as caught:
        trial.forward()
    assert str(caught.value) == (
        f"index {printed} is outside 0 to 6: input_dim is 7.\n"
        "  Correct the index, or input_dim."
    )


@pytest.mark.parametrize(
    ("param", "message", "field"),
    [
        (
            "input_dim: 4",
            "num_output is missing or 0.\n  It must be at least 1.",
            "embed_param.num_output",
        ),
        (
            "num_output: 4",
            "input_dim is missing or 0.\n  It must be at least 1.",
            "embed_param.input_dim",
        ),
    ],
)
def test_what_is_refused(param, message, field):
    with pytest.raises(SpecError) as caught:
        make_layer(f'type: "Embed" embed_param {{ {param} }}')
    assert str(caught.value) == message
    assert caught.value.field == field


def test_indices_have_no_gradient():
    trial = Trial(text(), [INDEX], gradient=[True])
    trial.forward()
    with pytest.raises(SpecError) as caught:
        trial.backward()
    assert str(caught.value) == (
        "has no gradient for its indices, and one is asked for.\n"
        "  Remove force_backward, or set propagate_down: false."
    )


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Embed"))
def test_golden(case, device):
    check_layer_case(case, device)
