from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.layers.harness import Trial, check_layer, infer, make_layer

SHAPE = (2, 6, 5, 7)
KERNEL = "kernel_size: 3 pad: 1 stride: 2 dilation: 1"


def text(kind: str, param: str) -> str:
    return f'type: "{kind}" convolution_param {{ {KERNEL} {param} }}'


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ["DepthwiseConvolution", "ConvolutionDepthwise"])
@pytest.mark.parametrize("param", ["", "num_output: 6", "num_output: 12", "group: 3"])
def test_equals_a_convolution_with_that_group(kind, param):
    whole = param if "group" in param else f"{param} group: 6"
    whole = whole if "num_output" in whole else f"{whole} num_output: 6"
    own, plain = (
        Trial(text(kind, param), [SHAPE]),
        Trial(text("Convolution", whole), [SHAPE]),
    )
    assert [p.shape for p in own.run.param] == [p.shape for p in plain.run.param]
    np.testing.assert_array_equal(own.forward()[0], plain.forward()[0])
    check_layer(own)


def test_parameters_are_one_filter_a_channel():
    layer = make_layer(text("DepthwiseConvolution", "bias_term: false"))
    layer.infer_shapes((SHAPE,))
    assert [spec.shape for spec in layer.params((SHAPE,))] == [(6, 1, 3, 3)]


def test_a_number_of_outputs_that_the_channels_do_not_divide():
    with pytest.raises(SpecError) as caught:
        infer(text("ConvolutionDepthwise", "num_output: 8"), (SHAPE,))
    assert str(caught.value) == (
        "group 6 does not divide num_output 8.\n"
        "  Choose a divisor of 8, or change num_output."
    )
