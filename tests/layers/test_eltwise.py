from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

SHAPE = (2, 3, 5)


def text(param: str = "") -> str:
    return f'type: "Eltwise" eltwise_param {{ {param} }}'


FAST = "operation: PROD stable_prod_grad: false"


@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.parametrize("param", ["", "operation: PROD", FAST, "operation: MAX"])
def test_gradient(param, number):
    check_layer(Trial(text(param), [SHAPE] * number))


def test_gradient_with_coefficients():
    check_layer(Trial(text("coeff: 0.5 coeff: -1.2 coeff: 2"), [SHAPE] * 3))


def test_coefficients_act_on_a_sum_only():
    a, b = np.array([1.0, 5.0]), np.array([2.0, 3.0])
    for param, expected in (
        ("coeff: 3 coeff: -2", [-1, 9]),
        ("operation: MAX coeff: 3 coeff: -2", [2, 5]),
    ):
        np.testing.assert_array_equal(Trial(text(param), [a, b]).forward()[0], expected)


@pytest.mark.smoke
@pytest.mark.parametrize("ops", both_ops())
def test_of_equal_maxima_the_gradient_goes_to_one(ops):
    bottoms = [np.array(v, np.float32) for v in (
        [7, 7, 1, 7, 2], [7, 1, 7, 7, 2], [7, 7, 7, 1, 2], [1, 1, 1, 7, 3],
    )]  # fmt: skip
    trial = Trial(text("operation: MAX"), bottoms, ops=ops, dtype=np.float32)
    np.testing.assert_array_equal(trial.forward()[0], [7, 7, 7, 7, 3])
    winners = np.array(trial.backward([np.ones(5)])).argmax(axis=0)
    np.testing.assert_array_equal(winners, [1, 0, 1, 1, 3])


def test_a_factor_of_0_has_a_gradient_only_where_it_is_stable():
    bottoms = [np.array([0.0, 2.0]), np.array([3.0, 4.0])]
    stable = Trial(text("operation: PROD"), bottoms)
    fast = Trial(text(FAST), bottoms)
    for trial in (stable, fast):
        trial.forward()
        trial.backward([np.ones(2)])
    np.testing.assert_array_equal(stable.bottom_diff[0], [3, 4])
    np.testing.assert_array_equal(fast.bottom_diff[0], [np.nan, 4])


def test_only_a_product_needs_its_bottoms_in_backward():
    needs = [make_layer(text(p), 2).backward_reads_bottom
             for p in ("", "operation: PROD", "operation: MAX")]  # fmt: skip
    assert needs == [False, True, False]


@pytest.mark.parametrize(
    ("param", "shapes", "message", "field"),
    [
        (
            "", ((2, 6, 9, 11), (2, 6, 9, 12)),
            "bottom 1 has shape 2x6x9x12, bottom 0 has 2x6x9x11.\n"
            "  All bottoms must have one shape.",
            "bottom",
        ),
        (
            "coeff: 1 coeff: 2 coeff: 3", ((2, 3), (2, 3)),
            "coeff is given 3 times for 2 bottoms.\n"
            "  Give none, or one for each bottom.",
            "eltwise_param.coeff",
        ),
        (
            "operation: PROD coeff: 1 coeff: 2", ((2, 3), (2, 3)),
            "coeff is given for operation PROD.\n"
            "  Remove coeff, or choose operation SUM.",
            "eltwise_param.coeff",
        ),
        (
            "", ((2, 3),),
            "takes at least 2 bottom(s), and has 1.\n  Give it at least 2.",
            "bottom",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(param, shapes, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text(param), shapes)
    assert str(caught.value) == message
    assert caught.value.field == field


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Eltwise"))
def test_golden(case, device):
    check_layer_case(case, device)
