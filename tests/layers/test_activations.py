from __future__ import annotations

import math

import numpy as np
import pytest

from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("kind", ["Sigmoid", "TanH"])
def test_gradient(kind, in_place):
    check_layer(Trial(f'type: "{kind}"', [(2, 3, 5)], in_place=in_place))


def test_values():
    x = np.array([-1.5, 0.25, 700.0, -700.0])
    for kind, formula in (
        ("Sigmoid", lambda v: 1 / (1 + math.exp(-v))),
        ("TanH", math.tanh),
    ):
        found = Trial(f'type: "{kind}"', [x]).forward()[0]
        expected = [formula(v) for v in x]
        np.testing.assert_allclose(found, expected, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Sigmoid", "TanH"))
def test_golden(case, device):
    check_layer_case(case, device)
