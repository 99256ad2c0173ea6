"""Backward adds complete sums: a gradient onto another has the bits of both's sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.layers import LAYERS
from netspec.layers.base import Layer
from tests.layers.harness import Trial, both_ops, make_layer

RNG = np.random.default_rng(29)
IMAGES = (9, 6, 7, 8)
CONT = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0], [1, 1, 1.0]])
SEQUENCES = [(4, 3, 5), CONT, (3, 2)]


def convolution(rest: str, kind: str = "Convolution") -> str:
    return f'type: "{kind}" convolution_param {{ {rest} }}'


# Text and bottoms: each way that a backend has, in several tasks, parts and blocks.
CASES: dict[str, tuple[str, list]] = {
    "Convolution": (convolution("num_output: 5 kernel_size: 3 stride: 2"), [IMAGES]),
    "Convolution, blocks of channels": (
        convolution("num_output: 7 kernel_size: 5"),
        [(3, 40, 9, 8)],
    ),
    "Convolution 1x1": (convolution("num_output: 19 kernel_size: 1"), [(9, 33, 5, 7)]),
    "Convolution, Winograd in parts": (
        convolution("num_output: 24 kernel_size: 3 pad: 1"),
        [(9, 17, 13, 9)],
    ),
    "Convolution, Winograd in chunks": (
        convolution("num_output: 130 kernel_size: 3"),
        [(5, 129, 12, 14)],
    ),
    "Convolution in groups": (
        convolution("num_output: 4 kernel_size: 3 group: 2 dilation: 2"),
        [IMAGES],
    ),
    "Convolution of volumes": (
        convolution("num_output: 3 kernel_size: 2 kernel_size: 3 kernel_size: 1"),
        [(5, 2, 4, 5, 6)],
    ),
    "Convolution of four axes": (
        convolution("num_output: 3 kernel_size: 2"),
        [(3, 2, 3, 3, 4, 3)],
    ),
    "Deconvolution": (
        convolution("num_output: 4 kernel_size: 4 stride: 2", "Deconvolution"),
        [IMAGES],
    ),
    "DepthwiseConvolution": (
        convolution("kernel_size: 3 pad: 1", "DepthwiseConvolution"),
        [IMAGES],
    ),
    "InnerProduct": (
        'type: "InnerProduct" inner_product_param { num_output: 7 }',
        [(11, 6, 5, 2)],
    ),
    "InnerProduct of few images": (
        'type: "InnerProduct" inner_product_param { num_output: 300 }',
        [(5, 1050)],
    ),
    "InnerProduct in tiles": (
        'type: "InnerProduct" inner_product_param { num_output: 300 }',
        [(700, 270)],
    ),
    "InnerProduct transposed": (
        'type: "InnerProduct" inner_product_param { num_output: 70 transpose: true }',
        [(20, 90)],
    ),
    "Scale": ('type: "Scale" scale_param { bias_term: true }', [IMAGES]),
    "Scale of rows": ('type: "Scale" scale_param { bias_term: true }', [(90, 50)]),
    "Bias": ('type: "Bias"', [IMAGES]),
    "BatchNorm": (
        'type: "BatchNorm" batch_norm_param { scale_bias: true }',
        [IMAGES],
    ),
    "BN": (
        'type: "BN" bn_param { slope_filler { value: 1 } bias_filler { } }',
        [IMAGES],
    ),
    "PReLU": ('type: "PReLU"', [IMAGES]),
    "PReLU of rows": ('type: "PReLU"', [(90, 50)]),
    "PReLU, shared": ('type: "PReLU" prelu_param { channel_shared: true }', [IMAGES]),
    "Normalize": ('type: "Normalize" norm_param { channel_shared: false }', [IMAGES]),
    "Normalize, shared": (
        'type: "Normalize" norm_param { across_spatial: false }',
        [IMAGES],
    ),
    "Embed": (
        'type: "Embed" embed_param { num_output: 70 input_dim: 9 }',
        [RNG.integers(0, 9, (50, 3))],
    ),
    "LSTM": ('type: "LSTM" recurrent_param { num_output: 6 }', SEQUENCES),
    "RNN": ('type: "RNN" recurrent_param { num_output: 6 }', SEQUENCES),
    "Parameter": ('type: "Parameter" parameter_param { shape { dim: 9 } }', []),
}


def learners() -> set[type[Layer]]:
    """Our layers with parameters; of a Python layer's nobody knows, Im2col has none."""
    names = set(LAYERS) - {"Python", "Im2col"}
    ours = {LAYERS[n] for n in names if LAYERS[n].__module__.startswith("netspec.")}
    return {kind for kind in ours if kind.params is not Layer.params}


def gradients(trial: Trial, above: list[np.ndarray], onto: list) -> list[np.ndarray]:
    """What a backward pass makes of gradients that stand there; not all are wanted."""
    for array, value in zip(trial.run.top_diff, above, strict=True):
        array[...] = value
    trial.run.param_diff = [None if g is None else g.copy() for g in onto]
    trial.layer.backward(trial.ops, trial.run)
    return [g for g in trial.run.param_diff if g is not None]


def check_sums_are_complete(case: str, ops: Any) -> None:
    text, bottoms = CASES[case]
    unwanted = [False] * len(bottoms)
    trial = Trial(text, bottoms, ops=ops, dtype=np.float32, gradient=unwanted)
    trial.forward()
    assert trial.layer.adds_once(trial.shapes)
    zeros = trial.run.param_diff
    above = [
        [trial.rng.standard_normal(shape) for shape in trial.top_shapes]
        for _ in range(2)
    ]
    first = gradients(trial, above[0], zeros)
    second = gradients(trial, above[1], zeros)
    wanted = iter(first)
    onto = [None if zero is None else next(wanted) for zero in zeros]
    both = gradients(trial, above[1], onto)
    for a, b, found in zip(first, second, both, strict=True):
        assert np.count_nonzero(a) > a.size // 2
        assert found.tobytes() == (a + b).tobytes()


@pytest.mark.parametrize("ops", both_ops(), ids=lambda ops: ops.name)
@pytest.mark.parametrize("case", CASES)
def test_sums_are_complete_before_they_are_added(case, ops):
    check_sums_are_complete(case, ops)


def test_all_layers_with_parameters_have_a_case():
    cases = {type(make_layer(text, len(bottoms))) for text, bottoms in CASES.values()}
    assert learners() <= cases


def test_two_bottoms_are_added_one_after_the_other():
    layer = make_layer(convolution("num_output: 2 kernel_size: 1"), 2, 2)
    assert not layer.adds_once(((1, 2, 3, 3),) * 2)
