from __future__ import annotations

import numpy as np
import pytest

from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, make_layer

TEXT = 'type: "AbsVal"'


def test_gradient():
    check_layer(Trial(TEXT, [(2, 3, 5)]))


@pytest.mark.parametrize("ops", both_ops())
def test_values_and_no_gradient_at_0(ops):
    x = np.array([-2.5, -0.0, 0.0, 1.5, np.nan], np.float32)
    trial = Trial(TEXT, [x], ops=ops, dtype=np.float32)
    np.testing.assert_array_equal(trial.forward()[0], [2.5, 0, 0, 1.5, np.nan])
    (diff,) = trial.backward([np.full(5, 3.0)])
    np.testing.assert_array_equal(diff[:4], [-3, 0, 0, 3])


def test_it_does_not_work_in_place():
    assert not make_layer(TEXT).allows_in_place


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("AbsVal"))
def test_golden(case, device):
    check_layer_case(case, device)
