from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer, infer, make_layer


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("axis", [1, -1, 0])
def test_gradient(axis, in_place):
    text = f'type: "Softmax" softmax_param {{ axis: {axis} }}'
    check_layer(Trial(text, [(2, 3, 5)], in_place=in_place))


def test_probabilities_sum_to_1_along_the_axis_alone():
    (y,) = Trial('type: "Softmax"', [(2, 3, 4, 5)]).forward()
    np.testing.assert_allclose(y.sum(axis=1), np.ones((2, 4, 5)), rtol=1e-14)
    assert abs(y.sum(axis=2) - 1).max() > 0.1


def test_scores_far_out_neither_overflow_nor_vanish():
    x = np.array([[1000.0, 999.0, -1000.0]])
    (y,) = Trial('type: "Softmax"', [x]).forward()
    e = np.exp(-1)
    np.testing.assert_allclose(y, [[1 / (1 + e), e / (1 + e), 0]], rtol=1e-14)


def test_an_axis_that_is_not_there():
    with pytest.raises(SpecError) as caught:
        infer('type: "Softmax"', ((4,),))
    assert str(caught.value) == (
        "softmax_param.axis 1 is out of range for a blob of 1 axes.\n"
        "  Choose from -1 to 0."
    )
    assert caught.value.field == "softmax_param.axis"


def test_along_the_batch_it_couples_images():
    shapes = ((4, 5),)
    assert not make_layer('type: "Softmax"').couples_batch(shapes)
    text = 'type: "Softmax" softmax_param { axis: -2 }'
    assert make_layer(text).couples_batch(shapes)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Softmax"))
def test_golden(case, device):
    check_layer_case(case, device)
