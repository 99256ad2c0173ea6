from __future__ import annotations

import numpy as np
import pytest

from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer

POSITIVE = np.linspace(0.2, 3.1, 30).reshape(2, 3, 5)
MIXED = POSITIVE - 1.4


def text(power: float, scale: float, shift: float) -> str:
    numbers = f"power: {power} scale: {scale} shift: {shift}"
    return f'type: "Power" power_param {{ {numbers} }}'


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("power", "scale", "shift", "x"),
    [
        (1.7, 0.6, 0.4, POSITIVE),
        (-1.3, 1.4, 0.0, POSITIVE),
        (2, -0.7, 0.3, MIXED),
        (3, 1.1, 0.0, MIXED),
        (1, -1.2, 0.5, MIXED),
        (0, 1.2, 0.5, MIXED),
        (2.5, 0.0, 1.3, MIXED),
    ],
)
def test_gradient(power, scale, shift, x, in_place):
    check_layer(Trial(text(power, scale, shift), [x], in_place=in_place))


@pytest.mark.parametrize(
    ("power", "shift", "value"),
    [
        (0, -3.0, 1.0),
        (2.0, -3.0, 9.0),
        (-2.0, 0.0, np.inf),
        (0.5, -3.0, np.nan),
        (1e38, 1e38, np.inf),
    ],
)
def test_scale_0_gives_a_constant_without_a_gradient(power, shift, value):
    trial = Trial(text(power, 0.0, shift), [np.array([np.nan, 2.0, np.inf])])
    np.testing.assert_array_equal(trial.forward()[0], [value] * 3)
    np.testing.assert_array_equal(trial.backward()[0], [0, 0, 0])


def test_what_has_no_real_power_is_nan_without_a_warning():
    trial = Trial(text(0.5, 1.0, 0.0), [np.array([-1.0, 4.0])])
    np.testing.assert_array_equal(trial.forward()[0], [np.nan, 2])


def test_only_a_curved_power_in_place_keeps_its_input():
    for power, in_place, kept in ((2, True, ["input"]), (2, False, []), (1, True, [])):
        trial = Trial(text(power, 0.5, 0.1), [MIXED], in_place=in_place)
        assert list(trial.run.scratch) == kept


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Power"))
def test_golden(case, device):
    check_layer_case(case, device)
