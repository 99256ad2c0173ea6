from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, make_layer

TEXT = 'type: "Clip" clip_param { min: -0.4 max: 0.75 }'


@pytest.mark.parametrize("in_place", [False, True])
def test_gradient(in_place):
    check_layer(Trial(TEXT, [(2, 3, 5)], in_place=in_place))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("ops", both_ops())
def test_the_limits_pass_their_gradient(ops, in_place):
    low, high = np.float32(-0.4), np.float32(0.75)
    x = np.array([-1, low, 0, high, 2, np.nan], np.float32)
    trial = Trial(TEXT, [x], ops=ops, dtype=np.float32, in_place=in_place)
    expected = np.array([low, low, 0, high, high, np.nan], np.float32)
    np.testing.assert_array_equal(trial.forward()[0], expected)
    (diff,) = trial.backward([np.full(6, 3.0)])
    np.testing.assert_array_equal(diff[:5], [0, 3, 3, 3, 0])


@pytest.mark.parametrize(
    ("param", "message", "field"),
    [
        (
            "",
            "no limits are given.\n  Give clip_param with min and max.",
            "clip_param",
        ),
        (
            "clip_param { min: 2 max: -1.5 }",
            "min 2 is above max -1.5.\n  Swap them.",
            "clip_param.min",
        ),
    ],
)
def test_what_is_refused(param, message, field):
    with pytest.raises(SpecError) as caught:
        make_layer(f'type: "Clip" {param}')
    assert str(caught.value) == message
    assert caught.value.field == field


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Clip"))
def test_golden(case, device):
    check_layer_case(case, device)
