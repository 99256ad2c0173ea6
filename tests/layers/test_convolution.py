from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.layers.base import Run, Window
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer, infer, make_layer

IMAGE = (2, 6, 9, 11)


def text(fields: str, kind: str = "Convolution") -> str:
    return f'type: "{kind}" convolution_param {{ {fields} }}'


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Convolution"))
def test_golden(case, device):
    check_layer_case(case, device)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ("num_output: 3 kernel_h: 2 kernel_w: 3 stride_w: 2 stride_h: 1", (2, 2, 5, 6)),
        ("num_output: 4 kernel_size: 3 group: 2 pad: 2 dilation: 2", (2, 2, 4, 5)),
        ("num_output: 2 kernel_size: 2 axis: -2 bias_term: false", (2, 3, 2, 5)),
    ],
)
def test_gradients(fields, shape):
    check_layer(Trial(text(fields), [shape]))


def test_two_bottoms_share_the_parameters():
    trial = Trial(text("num_output: 3 kernel_size: 2"), [(1, 2, 3, 4)] * 2, tops=2)
    check_layer(trial)


SHAPES = [
    # fields, top shape, weight shape, multiply-adds of IMAGE
    ("num_output: 5 kernel_size: 3", (2, 5, 7, 9), (5, 6, 3, 3), 34020),
    ("num_output: 5 kernel_size: 3 stride: 2 pad: 1",
     (2, 5, 5, 6), (5, 6, 3, 3), 16200),
    ("num_output: 4 kernel_size: 2 kernel_size: 3 dilation: 4 dilation: 1 group: 2",
     (2, 4, 5, 9), (4, 3, 2, 3), 6480),
    ("num_output: 4 kernel_h: 1 kernel_w: 5 pad_w: 3 stride_h: 3 stride_w: 4",
     (2, 4, 3, 4), (4, 6, 1, 5), 2880),
    # The last column sticks out by less than a stride: one output, as in Caffe.
    ("num_output: 1 kernel_h: 10 kernel_w: 12 stride_h: 3 stride_w: 2",
     (2, 1, 1, 1), (1, 6, 10, 12), 1440),
    ("num_output: 7 axis: 3", (2, 6, 9, 7), (7, 11), 8316),
    ("num_output: 7 axis: 2 kernel_size: 4", (2, 6, 7, 8), (7, 9, 4), 24192),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "top", "weights", "macs"), SHAPES)
def test_shapes_and_cost(fields, top, weights, macs):
    layer = make_layer(text(fields))
    assert layer.infer_shapes((IMAGE,)) == (top,)
    assert [p.shape for p in layer.params((IMAGE,))] == [weights, weights[:1]]
    assert layer.macs((IMAGE,), (top,)) == macs


def test_two_bottoms_cost_twice():
    layer = make_layer(text("num_output: 5 kernel_size: 3"), bottoms=2, tops=2)
    assert layer.infer_shapes((IMAGE, IMAGE)) == ((2, 5, 7, 9),) * 2
    assert layer.macs((IMAGE, IMAGE), ()) == 2 * 34020


def test_without_bias_there_is_one_parameter():
    layer = make_layer(text("num_output: 5 kernel_size: 3 bias_term: false"))
    assert [p.shape for p in layer.params((IMAGE,))] == [(5, 6, 3, 3)]


def test_fillers_are_the_files():
    fields = (
        'num_output: 5 kernel_size: 3 weight_filler { type: "msra" } '
        'bias_filler { type: "constant" value: 0.25 }'
    )
    weights, bias = make_layer(text(fields)).params((IMAGE,))
    assert weights.filler.type == "msra"
    assert bias.filler.value == 0.25


def test_the_window():
    fields = "num_output: 1 kernel_size: 3 stride: 2 stride: 3 pad_h: 4 dilation: 2"
    window = make_layer(text(fields)).receptive((IMAGE,))
    assert window == Window((3, 3), (2, 3), (4, 0), (2, 2))


@pytest.mark.parametrize("fields", ["engine: CUDNN", "force_nd_im2col: true"])
def test_choices_of_implementation_change_nothing(fields):
    plain = Trial(text("num_output: 3 kernel_size: 2"), [(2, 3, 4, 5)])
    other = Trial(text("num_output: 3 kernel_size: 2 " + fields), [(2, 3, 4, 5)])
    np.testing.assert_array_equal(plain.forward()[0], other.forward()[0])


def test_a_fused_relu():
    plain = Trial(text("num_output: 3 kernel_size: 2"), [(2, 3, 4, 5)])
    relu = [(make_layer('type: "ReLU"'), Run())]
    fused = Trial(text("num_output: 3 kernel_size: 2"), [(2, 3, 4, 5)], followers=relu)
    expected = np.maximum(plain.forward()[0], 0)
    np.testing.assert_array_equal(fused.forward()[0], expected)


# fields, field of the error, its text
ERRORS = [
    ("kernel_size: 3", "num_output",
     "num_output is missing or 0.\n  It must be at least 1."),
    ("num_output: 2", "kernel_size",
     "kernel_size is missing or 0.\n  It must be at least 1."),
    ("num_output: 2 kernel_size: 3 kernel_size: 0", "kernel_size",
     "kernel_size is missing or 0.\n  It must be at least 1."),
    ("num_output: 2 kernel_h: 3", "kernel_h",
     "kernel_h or kernel_w is missing or 0.\n  It must be at least 1."),
    ("num_output: 2 kernel_size: 3 stride_w: 2", "stride_h",
     "stride_h or stride_w is missing or 0.\n  It must be at least 1."),
    ("num_output: 2 kernel_size: 3 stride: 0", "stride",
     "stride is missing or 0.\n  It must be at least 1."),
    ("num_output: 2 kernel_size: 3 group: 0", "group",
     "group is missing or 0.\n  It must be at least 1."),
    ("num_output: 8 kernel_size: 3 group: 4", "group",
     "group 4 does not divide the 6 input channels of bottom 'bottom0'.\n"
     "  Choose a divisor of 6, or change the channels."),
    ("num_output: 4 kernel_size: 3 group: 3", "group",
     "group 3 does not divide num_output 4.\n"
     "  Choose a divisor of 4, or change num_output."),
    ("num_output: 2 kernel_size: 12", "kernel_size",
     "kernel 12x12 does not fit the 9x11 input of bottom 'bottom0' "
     "(pad 0x0, dilation 1x1).\n"
     "  Choose a smaller kernel or dilation, or more padding."),
    ("num_output: 2 kernel_h: 2 kernel_w: 3 pad_h: 1 dilation: 12", "kernel_h",
     "kernel 2x3 does not fit the 9x11 input of bottom 'bottom0' "
     "(pad 1x0, dilation 12x12).\n"
     "  Choose a smaller kernel or dilation, or more padding."),
    ("num_output: 2 kernel_size: 3 pad: 1 pad: 2 pad: 3", "pad",
     "convolution_param.pad is given 3 times for 2 spatial axes.\n"
     "  Give it once, or 2 times."),
    ("num_output: 2 kernel_size: 3 kernel_h: 3 kernel_w: 3", "kernel_h",
     "kernel_size and kernel_h are both given.\n"
     "  Keep kernel_size, or kernel_h and kernel_w."),
    ("num_output: 2 kernel_size: 3 pad: 1 pad_w: 2", "pad_w",
     "pad and pad_w are both given.\n  Keep pad, or pad_h and pad_w."),
    ("num_output: 2 axis: 2 kernel_w: 3 kernel_h: 3", "kernel_h",
     "kernel_h is given for 1 spatial axes.\n"
     "  kernel_h and kernel_w are for images: use kernel_size."),
    ("num_output: 2 kernel_size: 3 axis: 4", "axis",
     "convolution_param.axis 4 is out of range for a blob of 4 axes.\n"
     "  Choose from -4 to 3."),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "field", "message"), ERRORS)
def test_errors(fields, field, message):
    with pytest.raises(SpecError) as caught:
        infer(text(fields), (IMAGE,))
    assert str(caught.value) == message
    assert caught.value.field == f"convolution_param.{field}"


def test_bottoms_must_have_one_shape_and_a_top_each():
    with pytest.raises(SpecError, match="bottom 1 has shape 2x6x9x12, bottom 0"):
        infer(text("num_output: 2 kernel_size: 3"), (IMAGE, (2, 6, 9, 12)), tops=2)
    with pytest.raises(SpecError) as caught:
        infer(text("num_output: 2 kernel_size: 3"), (IMAGE, IMAGE), tops=1)
    expected = "has 2 bottoms and 1 tops.\n  Give it one top for each bottom."
    assert str(caught.value) == expected
    assert caught.value.field == "top"
