from __future__ import annotations

import math

import numpy as np
import pytest

from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer


def text(beta: float) -> str:
    return f'type: "Swish" swish_param {{ beta: {beta} }}'


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("beta", [1.0, 0.4, -1.3])
def test_gradient(beta, in_place):
    check_layer(Trial(text(beta), [(2, 3, 5)], in_place=in_place))


@pytest.mark.parametrize("ops", both_ops())
def test_values(ops):
    x = [-40.0, -1.5, 0.0, 0.3, 25.0]
    found = Trial(text(1.7), [np.array(x)], ops=ops, dtype=np.float32).forward()[0]
    expected = [v / (1 + math.exp(-1.7 * v)) for v in x]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Swish"))
def test_golden(case, device):
    check_layer_case(case, device)
