from __future__ import annotations

import math

import numpy as np
import pytest

from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer


def text(alpha: float) -> str:
    return f'type: "ELU" elu_param {{ alpha: {alpha} }}'


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("alpha", [0.3, 1.0, 0.0, -0.6])
def test_gradient(alpha, in_place):
    check_layer(Trial(text(alpha), [(2, 3, 5)], in_place=in_place))


@pytest.mark.parametrize("ops", both_ops())
def test_values_and_the_sides_of_zero(ops):
    x = [-95.0, -1.5, -1e-3, -0.0, 0.0, 2.5]
    trial = Trial(text(0.25), [np.array(x)], ops=ops, dtype=np.float32)
    expected = [v if v > 0 else 0.25 * math.expm1(v) for v in x]
    # exp(x) - 1 is good to float32's 6e-8 of 1
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6, atol=3e-8)
    (diff,) = trial.backward([np.full(6, 8.0)])
    slopes = [8 * (1 if v > 0 else 0.25 * math.exp(v)) for v in x]
    np.testing.assert_allclose(diff, slopes, rtol=1e-6, atol=1e-6)


def test_only_an_alpha_below_0_keeps_its_input():
    for alpha, kept in ((0.0, []), (0.5, []), (-0.5, ["input"])):
        assert list(Trial(text(alpha), [(2, 3)]).run.scratch) == kept


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("ELU"))
def test_golden(case, device):
    check_layer_case(case, device)
