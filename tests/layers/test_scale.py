from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer, infer, make_layer

SHAPE = (2, 3, 4, 5)


def text(fields: str = "") -> str:
    return f'type: "Scale" scale_param {{ {fields} }}'


@pytest.mark.parametrize("lean", [False, True], ids=["observed", "lean"])
@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Scale"))
def test_golden(case, device, lean):
    check_layer_case(case, device, lean=lean)


LEARNED = [
    # fields, shape of the scale
    ("", (3,)),
    ("bias_term: true", (3,)),
    ("axis: 0 num_axes: 3 bias_term: true", (2, 3, 4)),
    ("axis: -2 num_axes: 2", (4, 5)),
    ("axis: 1 num_axes: -1 bias_term: true", (3, 4, 5)),
    ("axis: -1", (5,)),
    ("num_axes: 0 bias_term: true", ()),
]


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(("fields", "shape"), LEARNED)
def test_learned(fields, shape, in_place):
    trial = Trial(text(fields), [SHAPE], in_place=in_place)
    assert {p.shape for p in trial.run.param} == {shape}
    check_layer(trial)
    params = [_spread(p, fields) for p in trial.run.param]
    expected = trial.start[0] * params[0] + (params[1] if "bias" in fields else 0)
    np.testing.assert_allclose(trial.forward()[0], expected)


def _spread(param, fields):
    """A parameter with axes of 1 for those of SHAPE that it does not cover."""
    axis = int(fields.split("axis: ")[1].split()[0]) % 4 if "axis: " in fields else 1
    return param.reshape(param.shape + (1,) * (4 - axis - param.ndim))


@pytest.mark.smoke
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ("", (3, 4)),
        ("axis: 0", (2,)),
        ("axis: 0 bias_term: true", SHAPE),
        ("axis: -1 bias_term: true", (5,)),
        ("axis: 3", ()),
    ],
)
def test_by_a_bottom(fields, shape, in_place):
    trial = Trial(text(fields), [SHAPE, shape], in_place=in_place)
    check_layer(trial)
    assert [p.shape for p in trial.run.param] == [shape] * ("bias" in fields)


@pytest.mark.parametrize("wanted", [(True, False), (False, True), (False, False)])
def test_only_wanted_gradients(wanted):
    trial = Trial(text("axis: 0"), [SHAPE, (2, 3)], gradient=wanted)
    check_layer(trial)


def test_fillers():
    scale, bias = make_layer(text("bias_term: true")).params((SHAPE,))
    assert (scale.filler.type, scale.filler.value) == ("constant", 1)
    assert (bias.filler.type, bias.filler.value) == ("constant", 0)
    fields = "bias_term: true filler { value: 3 } bias_filler { value: 0.5 }"
    scale, bias = make_layer(text(fields)).params((SHAPE,))
    assert (scale.filler.value, bias.filler.value) == (3, 0.5)


def test_the_bottom_is_kept_in_place_only():
    layer = make_layer(text())
    assert layer.scratch((SHAPE,), False) == {}
    kept = layer.scratch((SHAPE,), True)["bottom"]
    assert kept.shape == SHAPE
    assert kept.training


ERRORS = [
    ("axis: 4", [SHAPE], "scale_param.axis",
     "scale_param.axis 4 is out of range for a blob of 4 axes.\n"
     "  Choose from -4 to 3."),
    ("axis: 2 num_axes: 3", [SHAPE], "scale_param.num_axes",
     "num_axes 3 from axis 2 on, and the bottom has shape 2x3x4x5.\n"
     "  Choose from 0 to 2, or -1 for all of them."),
    ("num_axes: -2", [SHAPE], "scale_param.num_axes",
     "num_axes -2 from axis 1 on, and the bottom has shape 2x3x4x5.\n"
     "  Choose from 0 to 3, or -1 for all of them."),
    ("", [SHAPE, (2, 3)], "bottom.1",
     "bottom 1 has shape 2x3, and from axis 1 on bottom 0 has 3x4x5.\n"
     "  Bottom 1 must equal the axes of bottom 0 that it covers: change axis, "
     "or reshape it."),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "shapes", "field", "message"), ERRORS)
def test_errors(fields, shapes, field, message):
    with pytest.raises(SpecError) as caught:
        infer(text(fields), tuple(shapes))
    assert str(caught.value) == message
    assert caught.value.field == field
