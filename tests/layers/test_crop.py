from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer

SHAPES = ((2, 5, 6, 9), (2, 3, 4, 7))


def text(param: str = "") -> str:
    return f'type: "Crop" crop_param {{ {param} }}'


CASES = [
    ("", np.s_[:, :, :4, :7]),
    ("offset: 2", np.s_[:, :, 2:6, 2:9]),
    ("offset: 1 offset: 2", np.s_[:, :, 1:5, 2:9]),
    ("axis: 1 offset: 2 offset: 0 offset: 1", np.s_[:, 2:5, :4, 1:8]),
    ("axis: -1 offset: 1", np.s_[:, :, :, 1:8]),
    ("axis: 0", np.s_[:2, :3, :4, :7]),
]


@pytest.mark.parametrize("param", [c[0] for c in CASES])
def test_gradient(param):
    trial = Trial(text(param), SHAPES)
    check_layer(trial)
    assert trial.layer.couples_batch(trial.shapes) is (param == "axis: 0")


@pytest.mark.parametrize("ops", both_ops())
@pytest.mark.parametrize(("param", "part"), CASES)
def test_values(param, part, ops):
    trial = Trial(text(param), SHAPES, ops=ops, dtype=np.float32)
    (top,) = trial.forward()
    np.testing.assert_array_equal(top, trial.start[0][part])
    dy = trial.rng.standard_normal(top.shape).astype(np.float32)
    expected = np.zeros(SHAPES[0], np.float32)
    expected[part] = dy
    found = trial.backward([dy])
    np.testing.assert_array_equal(found[0], expected)
    assert not found[1].any()


def test_a_gradient_that_nobody_wants_is_left_out():
    trial = Trial(text(), SHAPES, gradient=[False, False])
    trial.forward()
    assert trial.backward() == [None, None]


@pytest.mark.parametrize(
    ("param", "shapes", "message", "field"),
    [
        (
            "offset: 3", SHAPES,
            "4 elements from offset 3 do not fit axis 2 of bottom 0 (2x5x6x9).\n"
            "  Choose an offset up to 2.",
            "crop_param.offset",
        ),
        (
            "", SHAPES[::-1],
            "6 elements from offset 0 do not fit axis 2 of bottom 0 (2x3x4x7).\n"
            "  Bottom 1 must not be larger than bottom 0.",
            "crop_param.offset",
        ),
        (
            "axis: 1 offset: 0 offset: 0", SHAPES,
            "offset is given 2 times for the 3 axes from axis 1 on.\n"
            "  Give none, one for all, or 3.",
            "crop_param.offset",
        ),
        (
            "", ((2, 3, 6), (2, 3)),
            "bottom 1 has shape 2x3, and bottom 0 has 3 axes (2x3x6).\n"
            "  Bottom 1 must have as many.",
            "bottom.1",
        ),
        (
            "axis: 4", SHAPES,
            "crop_param.axis 4 is out of range for a blob of 4 axes.\n"
            "  Choose from -4 to 3.",
            "crop_param.axis",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(param, shapes, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text(param), shapes)
    assert str(caught.value) == message
    assert caught.value.field == field


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Crop"))
def test_golden(case, device):
    check_layer_case(case, device)
