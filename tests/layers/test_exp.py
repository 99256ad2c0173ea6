from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, make_layer

PARAMS = ["", "base: 3.5 scale: -0.4 shift: 0.6", "scale: 0.7 shift: -0.3", "base: 0.2"]


def text(param: str) -> str:
    return f'type: "Exp" exp_param {{ {param} }}'


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("param", PARAMS)
def test_gradient(param, in_place):
    check_layer(Trial(text(param), [(2, 3, 5)], in_place=in_place))


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("param", PARAMS)
def test_values(param, ops):
    trial = Trial(text(param), [(3, 4)], ops=ops, dtype=np.float32)
    settings = trial.layer.proto.exp_param
    base = math.e if settings.base == -1 else settings.base
    expected = base ** (settings.shift + settings.scale * trial.start[0].astype(float))
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6)


@pytest.mark.parametrize("ops", both_ops())
def test_what_is_too_large_is_infinite(ops):
    x = np.array([-np.inf, -200, 88, 89, 1e30, np.inf, np.nan])
    found = Trial(text(""), [x], ops=ops, dtype=np.float32).forward()[0]
    np.testing.assert_array_equal(found[[0, 1]], [0, 0])
    assert found[2] == pytest.approx(math.exp(88), rel=1e-6)
    np.testing.assert_array_equal(found[3:], [np.inf, np.inf, np.inf, np.nan])


def test_a_shift_too_large_for_a_number():
    assert make_layer(text("shift: 1000")).factor == math.inf


@pytest.mark.parametrize(
    ("base", "printed"), [("0", "0"), ("-2", "-2"), ("inf", "inf")]
)
def test_what_is_refused(base, printed):
    with pytest.raises(SpecError) as caught:
        make_layer(text(f"base: {base}"))
    message = f"base {printed} is no base.\n  Give one above 0, or -1 for e."
    assert str(caught.value) == message
    assert caught.value.field == "exp_param.base"


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Exp"))
def test_golden(case, device):
    check_layer_case(case, device)
