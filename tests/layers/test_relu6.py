from __future__ import annotations

import numpy as np
import pytest

from tests.layers.harness import Trial, both_ops, check_layer

# Far enough from the kinks at 0 and 6 for differences; both sides of each.
X = np.array([[-7.0, -0.3, 0.2, 3.0], [5.9, 6.1, 40.0, -40.0]])


def text(slope: float) -> str:
    return f'type: "ReLU6" relu6_param {{ negative_slope: {slope} }}'


@pytest.mark.smoke
@pytest.mark.parametrize("slope", [0.0, 0.3, -0.25])
@pytest.mark.parametrize("in_place", [False, True])
def test_values_and_gradient(slope, in_place):
    trial = Trial(text(slope), [X], in_place=in_place)
    expected = [min(x if x > 0 else slope * x, 6) for x in X.flat]
    np.testing.assert_allclose(trial.forward()[0].reshape(-1), expected)
    check_layer(trial)


@pytest.mark.parametrize("ops", both_ops())
def test_neither_end_passes_a_gradient(ops):
    x = np.array([0.0, 6.0, 1.0])
    trial = Trial(text(0.0), [x], ops=ops, dtype=np.float32)
    trial.forward()
    np.testing.assert_array_equal(trial.backward([np.full(3, 2.0)])[0], [0, 0, 2])
