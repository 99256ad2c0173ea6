from __future__ import annotations

import numpy as np
import pytest

from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, make_layer

SHAPE = (3, 4, 2, 5)
PARAMS = ["", "across_channels: true", "normalize_variance: false"]


def text(param: str) -> str:
    return f'type: "MVN" mvn_param {{ {param} }}'


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("param", PARAMS)
def test_gradient(param, in_place):
    check_layer(Trial(text(param), [SHAPE], in_place=in_place))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("divides", [False, True])
def test_values_by_loops(divides, across, ops, in_place):
    param = (
        f"across_channels: {str(across).lower()} eps: 0.3 "
        f"normalize_variance: {str(divides).lower()}"
    )
    options = {"ops": ops, "dtype": np.float32, "in_place": in_place}
    x = np.random.default_rng(2).standard_normal(SHAPE) + 5
    trial = Trial(text(param), [x], **options)
    expected = np.empty(SHAPE)
    for place in np.ndindex(SHAPE[: 1 if across else 2]):
        v = trial.start[0][place].astype(float)
        y = v - v.mean()
        expected[place] = y / (np.sqrt((y * y).mean()) + 0.3) if divides else y
    # the mean, 5, is known to 3e-7
    np.testing.assert_allclose(trial.forward()[0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("ops", both_ops())
def test_one_value_is_its_own_mean(ops):
    trial = Trial(text(""), [(3, 4)], ops=ops, dtype=np.float32)
    np.testing.assert_array_equal(trial.forward()[0], np.zeros((3, 4)))


@pytest.mark.parametrize("ops", both_ops())
def test_without_eps_equal_values_have_no_deviation(ops):
    trial = Trial(text("eps: 0"), [np.ones((2, 1, 3))], ops=ops, dtype=np.float32)
    assert np.isnan(trial.forward()[0]).all()


def test_images_are_independent():
    for param in PARAMS:
        assert not make_layer(text(param)).couples_batch((SHAPE,))
    assert not Trial(text(PARAMS[2]), [SHAPE]).run.scratch


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("MVN"))
def test_golden(case, device):
    check_layer_case(case, device)
