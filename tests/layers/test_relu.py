from __future__ import annotations

import numpy as np
import pytest

from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer

SHAPE = (2, 3, 5)


@pytest.mark.smoke
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.3, -0.4])
def test_gradient(slope, in_place):
    text = f'type: "ReLU" relu_param {{ negative_slope: {slope} }}'
    check_layer(Trial(text, [SHAPE], in_place=in_place))


@pytest.mark.parametrize("ops", both_ops())
def test_values_and_the_sides_of_zero(ops):
    x = np.array([[-2.0, -0.0, 0.0, 3.0]], np.float32)
    trial = Trial('type: "ReLU" relu_param { negative_slope: 0.25 }', [x],
                  ops=ops, dtype=np.float32)  # fmt: skip
    np.testing.assert_array_equal(trial.forward()[0], [[-0.5, 0, 0, 3]])
    (diff,) = trial.backward([np.full(x.shape, 8.0)])
    np.testing.assert_array_equal(diff, [[2, 2, 2, 8]])


@pytest.mark.parametrize("ops", both_ops())
def test_a_nan_is_not_hidden(ops):
    x = np.array([np.nan, -1.0, np.inf], np.float32)
    trial = Trial('type: "ReLU"', [x], ops=ops, dtype=np.float32)
    np.testing.assert_array_equal(trial.forward()[0], [np.nan, 0, np.inf])


def test_only_a_slope_below_0_keeps_its_input():
    for slope, kept in ((0.0, []), (0.5, []), (-0.5, ["input"])):
        text = f'type: "ReLU" relu_param {{ negative_slope: {slope} }}'
        assert list(Trial(text, [SHAPE]).run.scratch) == kept


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("ReLU"))
def test_golden(case, device):
    check_layer_case(case, device)
