from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

SHAPE = (2, 3, 7, 6)
CASES = [
    ("kernel_size: 2", SHAPE, (2, 12, 6, 5)),
    ("kernel_size: 3 stride: 2 pad: 1", SHAPE, (2, 27, 4, 3)),
    ("kernel_h: 2 kernel_w: 3 stride_h: 1 stride_w: 2 pad_w: 1", SHAPE, (2, 18, 6, 3)),
    ("kernel_size: 2 dilation: 3", SHAPE, (2, 12, 4, 3)),
    ("kernel_size: 3 stride: 2", (2, 3, 8), (2, 9, 3)),
    ("kernel_size: 2 axis: 2", (2, 3, 4, 5), (2, 3, 8, 4)),
]


def text(param: str) -> str:
    return f'type: "Im2col" convolution_param {{ {param} }}'


@pytest.mark.parametrize(("param", "shape", "expected"), CASES)
def test_gradient_and_shape(param, shape, expected):
    trial = Trial(text(param), [shape])
    assert trial.top_shapes == (expected,)
    check_layer(trial)


@pytest.mark.parametrize("ops", both_ops())
def test_values_by_loops(ops):
    param = "kernel_h: 2 kernel_w: 3 stride_h: 1 stride_w: 2 pad_h: 1 pad_w: 2"
    trial = Trial(text(param), [SHAPE], ops=ops, dtype=np.float32)
    (top,), x = trial.forward(), trial.start[0]
    for n, k, h, w in np.ndindex(top.shape):
        c, tap = divmod(k, 6)
        row, column = h - 1 + tap // 3, 2 * w - 2 + tap % 3
        there = 0 <= row < 7 and 0 <= column < 6
        assert top[n, k, h, w] == (x[n, c, row, column] if there else 0)


def test_it_has_no_parameters_and_multiplies_nothing():
    layer = make_layer(text("kernel_size: 2"))
    assert layer.params((SHAPE,)) == ()
    assert layer.macs((SHAPE,), infer(text("kernel_size: 2"), (SHAPE,))) == 0
    assert layer.receptive((SHAPE,)).kernel == (2, 2)


@pytest.mark.parametrize(
    ("param", "message"),
    [
        (
            "",
            "kernel_size is missing or 0.\n  It must be at least 1.",
        ),
        (
            "kernel_size: 8",
            "kernel 8x8 does not fit the 7x6 input of bottom 'bottom0' (pad 0x0, "
            "dilation 1x1).\n  Choose a smaller kernel or dilation, or more padding.",
        ),
    ],
)
def test_what_is_refused(param, message):
    with pytest.raises(SpecError) as caught:
        infer(text(param), (SHAPE,))
    assert str(caught.value) == message


def test_one_bottom_only():
    with pytest.raises(SpecError, match="takes exactly 1 bottom"):
        infer(text("kernel_size: 2"), (SHAPE, SHAPE), 2)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Im2col"))
def test_golden(case, device):
    check_layer_case(case, device)
