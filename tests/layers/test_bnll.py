from __future__ import annotations

import math

import numpy as np
import pytest

from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer

TEXT = 'type: "BNLL"'


@pytest.mark.parametrize("in_place", [False, True])
def test_gradient(in_place):
    check_layer(Trial(TEXT, [(2, 3, 5)], in_place=in_place))


@pytest.mark.parametrize("ops", both_ops())
def test_values_near_and_far_from_0(ops):
    x = [-90.0, -17.0, -0.5, 0.0, 0.7, 30.0, 88.0, 1e30]
    trial = Trial(TEXT, [np.array(x)], ops=ops, dtype=np.float32)
    found = trial.forward()[0]
    expected = [max(v, 0) + math.log1p(math.exp(-abs(v))) for v in x]
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=1e-37)
    (diff,) = trial.backward([np.full(len(x), 2.0)])
    slopes = [2 / (1 + math.exp(min(-v, 700))) for v in x]
    np.testing.assert_allclose(diff, slopes, rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize("ops", both_ops())
def test_a_nan_is_not_hidden(ops):
    trial = Trial(TEXT, [np.array([np.nan, 1])], ops=ops, dtype=np.float32)
    assert np.isnan(trial.forward()[0]).tolist() == [True, False]


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("BNLL"))
def test_golden(case, device):
    check_layer_case(case, device)
