from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, make_layer

PARAMS = ["", "base: 5.8 scale: 0.6 shift: 0.35", "base: 0.6 shift: 0.5"]
X = np.random.default_rng(3).uniform(0.2, 3, (2, 3, 5))


def text(param: str) -> str:
    return f'type: "Log" log_param {{ {param} }}'


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("param", PARAMS)
def test_gradient(param, in_place):
    check_layer(Trial(text(param), [X], in_place=in_place))


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("param", PARAMS)
def test_values(param, ops):
    trial = Trial(text(param), [X], ops=ops, dtype=np.float32)
    settings = trial.layer.proto.log_param
    base = math.e if settings.base == -1 else settings.base
    expected = np.log(settings.shift + settings.scale * X) / math.log(base)
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("ops", both_ops())
def test_what_has_no_logarithm_is_not_a_number(ops):
    x = np.array([-1, 0, np.inf, np.nan, -np.inf])
    found = Trial(text(""), [x], ops=ops, dtype=np.float32).forward()[0]
    np.testing.assert_array_equal(found, [np.nan, -np.inf, np.inf, np.nan, np.nan])


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("-0.5", "base -0.5 is no base.\n  Give one above 0, or -1 for e."),
        (
            "1",
            "there is no logarithm to base 1.\n  Choose another base, or -1 for e.",
        ),
    ],
)
def test_what_is_refused(base, message):
    with pytest.raises(SpecError) as caught:
        make_layer(text(f"base: {base}"))
    assert str(caught.value) == message
    assert caught.value.field == "log_param.base"


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Log"))
def test_golden(case, device):
    check_layer_case(case, device)
