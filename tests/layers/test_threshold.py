from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops

TEXT = 'type: "Threshold" threshold_param { threshold: -0.75 }'


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("ops", both_ops())
def test_the_limit_itself_gives_0(ops, in_place):
    x = np.array([-1, -0.75, np.nextafter(np.float32(-0.75), np.float32(0)), 0, np.nan])
    trial = Trial(TEXT, [x], ops=ops, dtype=np.float32, in_place=in_place)
    np.testing.assert_array_equal(trial.forward()[0], [0, 0, 1, 1, 0])


def test_it_has_no_gradient():
    trial = Trial(TEXT, [(2, 3)])
    trial.forward()
    with pytest.raises(SpecError) as caught:
        trial.backward()
    assert str(caught.value) == (
        "has no gradient, and one is asked for.\n"
        "  Remove force_backward, or the loss_weight of its top."
    )


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Threshold"))
def test_golden(case, device):
    check_layer_case(case, device)
