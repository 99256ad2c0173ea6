from __future__ import annotations

import pytest

from netspec.errors import SpecError
from netspec.layers.base import Window
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer, infer, make_layer

IMAGE = (2, 6, 5, 4)


def text(fields: str) -> str:
    return f'type: "Deconvolution" convolution_param {{ {fields} }}'


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Deconvolution"))
def test_golden(case, device):
    check_layer_case(case, device)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ("num_output: 3 kernel_h: 2 kernel_w: 3 stride_w: 2 stride_h: 1", (2, 2, 3, 4)),
        ("num_output: 4 kernel_size: 4 group: 2 stride: 2 pad: 1", (1, 2, 3, 2)),
        ("num_output: 2 kernel_size: 2 axis: 2 bias_term: false", (1, 3, 2, 5)),
    ],
)
def test_gradients(fields, shape):
    check_layer(Trial(text(fields), [shape]))


SHAPES = [
    # fields, top shape, weight shape, multiply-adds of IMAGE
    ("num_output: 5 kernel_size: 3", (2, 5, 7, 6), (6, 5, 3, 3), 10800),
    ("num_output: 4 kernel_size: 4 stride: 2 pad: 1 group: 2",
     (2, 4, 10, 8), (6, 2, 4, 4), 7680),
    ("num_output: 5 kernel_h: 2 kernel_w: 3 stride_h: 3 stride_w: 1 dilation: 2",
     (2, 5, 15, 8), (6, 5, 2, 3), 7200),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "top", "weights", "macs"), SHAPES)
def test_shapes_and_cost(fields, top, weights, macs):
    layer = make_layer(text(fields))
    assert layer.infer_shapes((IMAGE,)) == (top,)
    assert [p.shape for p in layer.params((IMAGE,))] == [weights, (top[1],)]
    assert layer.macs((IMAGE,), (top,)) == macs


def test_an_output_sees_the_taps_that_reach_it():
    fields = "num_output: 1 kernel_h: 5 kernel_w: 4 stride_h: 2 stride_w: 4"
    window = make_layer(text(fields)).receptive((IMAGE,))
    assert window == Window((3, 1), (1, 1), (0, 0), (1, 1))


# fields, field of the error, its text
ERRORS = [
    ("num_output: 2", "kernel_size",
     "kernel_size is missing or 0.\n  It must be at least 1."),
    ("num_output: 8 kernel_size: 3 group: 4", "group",
     "group 4 does not divide the 6 input channels of bottom 'bottom0'.\n"
     "  Choose a divisor of 6, or change the channels."),
    ("num_output: 2 kernel_size: 2 pad_w: 3 pad_h: 2", "pad_h",
     "pad 2x3 leaves nothing of the output (kernel 2x2, stride 1x1).\n"
     "  Choose less padding."),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "field", "message"), ERRORS)
def test_errors(fields, field, message):
    with pytest.raises(SpecError) as caught:
        infer(text(fields), (IMAGE,))
    assert str(caught.value) == message
    assert caught.value.field == f"convolution_param.{field}"
