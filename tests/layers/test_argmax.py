from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, infer, make_layer


def text(param: str = "") -> str:
    return f'type: "ArgMax" argmax_param {{ {param} }}'


@pytest.mark.parametrize(
    ("param", "shape", "expected", "couples"),
    [
        ("", (4, 3, 2, 5), (4, 1, 1, 1), False),
        ("top_k: 7", (4, 3, 2, 5), (4, 1, 7, 1), False),
        ("top_k: 2 out_max_val: true", (4, 3), (4, 2, 2), False),
        ("top_k: 2", (4, 3), (4, 1, 2), False),
        ("axis: 1 top_k: 2", (4, 3, 5), (4, 2, 5), False),
        ("axis: -1 out_max_val: true", (4, 3, 5), (4, 3, 1), False),
        ("axis: 0 top_k: 3", (4, 3), (3, 3), True),
    ],
)
def test_shapes(param, shape, expected, couples):
    assert infer(text(param), (shape,)) == (expected,)
    assert make_layer(text(param)).couples_batch((shape,)) is couples


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize("axis", [None, 0, 1, 2])
@pytest.mark.parametrize("values", [False, True])
def test_by_sorting(axis, values, ops):
    x = np.round(np.random.default_rng(7).standard_normal((4, 3, 5)), 0)  # ties
    rows = x.reshape(4, 15, 1) if axis is None else x
    at = 1 if axis is None else axis
    order = np.empty(rows.shape, int)
    for place in np.ndindex(*np.delete(rows.shape, at)):
        whole = (*place[:at], slice(None), *place[at:])
        pairs = sorted(((v, i) for i, v in enumerate(rows[whole])), reverse=True)
        order[whole] = [i for _, i in pairs]
    order = np.take(order, range(3), axis=at)
    largest = np.take_along_axis(rows, order, at)
    param = "" if axis is None else f"axis: {axis}"
    wanted = f"top_k: 3 out_max_val: {str(values).lower()}"
    trial = Trial(text(f"{param} {wanted}"), [x], ops=ops, dtype=np.float32)
    found = trial.forward()[0]
    if axis is None:
        np.testing.assert_array_equal(found[:, 0], order[:, :, 0])
        if values:
            np.testing.assert_array_equal(found[:, 1], largest[:, :, 0])
    else:
        np.testing.assert_array_equal(found, largest if values else order)


@pytest.mark.parametrize(
    ("param", "shape", "message", "field"),
    [
        ("top_k: 0", (4, 3), "top_k is 0.\n  Choose at least 1.", "argmax_param.top_k"),
        (
            "top_k: 7", (4, 3, 2),
            "top_k 7 is above the 6 values of bottom 0 (4x3x2).\n  Choose from 1 to 6.",
            "argmax_param.top_k",
        ),
        (
            "top_k: 4 axis: 1", (4, 3, 2),
            "top_k 4 is above the 3 values of bottom 0 (4x3x2).\n  Choose from 1 to 3.",
            "argmax_param.top_k",
        ),
        (
            "axis: 3", (4, 3, 2),
            "argmax_param.axis 3 is out of range for a blob of 3 axes.\n"
            "  Choose from -3 to 2.",
            "argmax_param.axis",
        ),
        ("", (), "bottom is a scalar.\n  Give an image a row: N x C.", "bottom"),
    ],
)  # fmt: skip
def test_what_is_refused(param, shape, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text(param), (shape,))
    assert str(caught.value) == message
    assert caught.value.field == field


def test_it_has_no_gradient():
    trial = Trial(text(), [(2, 3)])
    trial.forward()
    with pytest.raises(SpecError, match="has no gradient, and one is asked for"):
        trial.backward()


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("ArgMax"))
def test_golden(case, device):
    check_layer_case(case, device)
