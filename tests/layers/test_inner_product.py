from __future__ import annotations

import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer, infer, make_layer

IMAGE = (2, 6, 9, 11)


def text(fields: str) -> str:
    return f'type: "InnerProduct" inner_product_param {{ {fields} }}'


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("InnerProduct"))
def test_golden(case, device):
    check_layer_case(case, device)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "fields",
    [
        "num_output: 4",
        "num_output: 4 transpose: true",
        "num_output: 3 axis: 2",
        "num_output: 3 axis: -1 transpose: true bias_term: false",
    ],
)
def test_gradients(fields):
    check_layer(Trial(text(fields), [(2, 3, 2, 5)]))


SHAPES = [
    # fields, top shape, parameter shapes, multiply-adds of IMAGE
    ("num_output: 5", (2, 5), [(5, 594), (5,)], 5940),
    ("num_output: 5 transpose: true", (2, 5), [(594, 5), (5,)], 5940),
    ("num_output: 7 axis: 2 bias_term: false", (2, 6, 7), [(7, 99)], 8316),
    ("num_output: 7 axis: -1", (2, 6, 9, 7), [(7, 11), (7,)], 8316),
    ("num_output: 3 axis: 0", (3,), [(3, 1188), (3,)], 3564),
]


@pytest.mark.parametrize(("fields", "top", "params", "macs"), SHAPES)
def test_shapes_and_cost(fields, top, params, macs):
    layer = make_layer(text(fields))
    assert layer.infer_shapes((IMAGE,)) == (top,)
    assert [p.shape for p in layer.params((IMAGE,))] == params
    assert layer.macs((IMAGE,), (top,)) == macs


def test_fillers_are_the_files():
    fields = 'num_output: 5 weight_filler { type: "xavier" } bias_filler { value: 0.5 }'
    weights, bias = make_layer(text(fields)).params((IMAGE,))
    assert weights.filler.type == "xavier"
    assert bias.filler.value == 0.5


ERRORS = [
    ("", "num_output", "num_output is missing or 0.\n  It must be at least 1."),
    ("num_output: 3 axis: 5", "axis",
     "inner_product_param.axis 5 is out of range for a blob of 4 axes.\n"
     "  Choose from -4 to 3."),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "field", "message"), ERRORS)
def test_errors(fields, field, message):
    with pytest.raises(SpecError) as caught:
        infer(text(fields), (IMAGE,))
    assert str(caught.value) == message
    assert caught.value.field == f"inner_product_param.{field}"
