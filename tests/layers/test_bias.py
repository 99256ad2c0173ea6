from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer, infer, make_layer

SHAPE = (2, 3, 4, 5)


def text(fields: str = "") -> str:
    return f'type: "Bias" bias_param {{ {fields} }}'


@pytest.mark.parametrize("lean", [False, True], ids=["observed", "lean"])
@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Bias"))
def test_golden(case, device, lean):
    check_layer_case(case, device, lean=lean)


@pytest.mark.smoke
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("fields", "shape", "spread"),
    [
        ("", (3,), (3, 1, 1)),
        ("axis: 0 num_axes: 2", (2, 3), (2, 3, 1, 1)),
        ("axis: -2 num_axes: -1", (4, 5), (4, 5)),
        ("num_axes: 0", (), ()),
    ],
)
def test_learned(fields, shape, spread, in_place):
    trial = Trial(text(fields), [SHAPE], in_place=in_place)
    assert trial.run.param[0].shape == shape
    check_layer(trial)
    expected = trial.start[0] + trial.run.param[0].reshape(spread)
    np.testing.assert_allclose(trial.forward()[0], expected)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("fields", "shape"), [("", (3,)), ("axis: 2", (4, 5)), ("axis: 0", SHAPE), ("", ())]
)
def test_from_a_bottom(fields, shape, in_place):
    check_layer(Trial(text(fields), [SHAPE, shape], in_place=in_place))


@pytest.mark.parametrize("wanted", [(True, False), (False, True), (False, False)])
def test_only_wanted_gradients(wanted):
    check_layer(Trial(text(), [SHAPE, (3, 4)], gradient=wanted))


def test_filler():
    assert make_layer(text()).params((SHAPE,))[0].filler.value == 0
    (bias,) = make_layer(text("filler { value: 0.5 }")).params((SHAPE,))
    assert bias.filler.value == 0.5


def test_errors():
    with pytest.raises(SpecError) as caught:
        infer(text("axis: 3"), (SHAPE, (4, 5)))
    assert str(caught.value) == (
        "bottom 1 has shape 4x5, and from axis 3 on bottom 0 has 5.\n"
        "  Bottom 1 must equal the axes of bottom 0 that it covers: change axis, "
        "or reshape it."
    )
    assert caught.value.field == "bottom.1"
