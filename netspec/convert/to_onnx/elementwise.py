"""Functions of one number, and arithmetic between blobs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netspec.convert.to_onnx.emission import Emission, emits
from netspec.layers.exp import log_of_base
from netspec.proto import EltwiseParameter
from netspec.shapes import Shape, canonical_axis

FLOAT = 1  # onnx.TensorProto.FLOAT


@emits("ReLU")
def relu(e: Emission) -> None:
    """Relu, or LeakyRelu with its slope."""
    slope = e.message.relu_param.negative_slope
    if slope:
        e.out("LeakyRelu", e.bottoms, alpha=slope)
    else:
        e.out("Relu", e.bottoms)


@emits("ReLU6")
def relu6(e: Emission) -> None:
    """Clip to 0 and 6."""
    e.out("Clip", [e.bottoms[0], e.number(0), e.number(6)])


@emits("Clip")
def clip(e: Emission) -> None:
    """Clip."""
    param = e.message.clip_param
    e.out("Clip", [e.bottoms[0], e.number(param.min), e.number(param.max)])


def _plain(kind: str, op: str) -> None:
    @emits(kind)
    def emit(e: Emission) -> None:
        e.out(op, e.bottoms)


for _kind, _op in {
    "Sigmoid": "Sigmoid",
    "TanH": "Tanh",
    "AbsVal": "Abs",
    "BNLL": "Softplus",
}.items():
    _plain(_kind, _op)


@emits("ELU")
def elu(e: Emission) -> None:
    """Elu."""
    e.out("Elu", e.bottoms, alpha=e.message.elu_param.alpha)


@emits("PReLU")
def prelu(e: Emission) -> None:
    """PRelu, its slopes spread over the axes behind the channels."""
    slope = e.params[0]
    shape = (-1, *(1,) * (len(e.shape) - 2)) if slope.size > 1 else (1,)
    e.out("PRelu", [e.bottoms[0], e.weight(0, "slope", slope.reshape(shape))])


@emits("Swish")
def swish(e: Emission) -> None:
    """x · sigmoid(beta x)."""
    x, beta = e.bottoms[0], e.message.swish_param.beta
    inner = x if beta == 1 else e.op("Mul", [x, e.number(beta)])
    e.out("Mul", [x, e.op("Sigmoid", [inner])])


@emits("Threshold")
def threshold(e: Emission) -> None:
    """1 where x is greater."""
    limit = e.number(e.message.threshold_param.threshold)
    e.out("Cast", [e.op("Greater", [e.bottoms[0], limit])], to=FLOAT)


def chain(e: Emission, value: str, steps: Sequence[tuple[str, float | None]]) -> None:
    """Apply (operator, constant) steps; the last one makes the top."""
    steps = steps or [("Identity", None)]
    for i, (op, constant) in enumerate(steps):
        inputs = [value] if constant is None else [value, e.number(constant)]
        value = e.op(op, inputs, e.tops[0] if i == len(steps) - 1 else None)


@emits("Power")
def power(e: Emission) -> None:
    """(shift + scale x) ^ power, steps that change nothing left out."""
    param = e.message.power_param
    if e.layer.constant is not None:
        chain(e, e.bottoms[0], [("Mul", 0.0), ("Add", e.layer.constant)])
        return
    steps = [("Mul", param.scale), ("Add", param.shift), ("Pow", param.power)]
    neutral = {"Mul": 1, "Add": 0, "Pow": 1}
    chain(e, e.bottoms[0], [s for s in steps if s[1] != neutral[s[0]]])


@emits("Exp")
def exp(e: Emission) -> None:
    """base ^ (shift + scale x)."""
    steps = [("Mul", e.layer.scale), ("Exp", None), ("Mul", e.layer.factor)]
    chain(e, e.bottoms[0], [s for s in steps if s[1] != 1])


@emits("Log")
def log(e: Emission) -> None:
    """log(shift + scale x) to a base."""
    param = e.message.log_param
    base = log_of_base(param.base, "log_param.base")
    steps = [
        ("Mul", param.scale),
        ("Add", param.shift),
        ("Log", None),
        ("Mul", 1 / base),
    ]
    neutral = {"Mul": 1, "Add": 0, "Log": 1}
    chain(e, e.bottoms[0], [s for s in steps if s[1] != neutral[s[0]]])


@emits("Eltwise")
def eltwise(e: Emission) -> None:
    """Sum with coefficients, product or maximum."""
    param = e.message.eltwise_param
    if param.operation == EltwiseParameter.MAX:
        e.out("Max", e.bottoms)
    elif param.operation == EltwiseParameter.PROD:
        _fold(e, "Mul", e.bottoms)
    else:
        coefficients = list(param.coeff) or [1.0] * len(e.bottoms)
        terms = [
            value if c == 1 else e.op("Mul", [value, e.number(c)])
            for value, c in zip(e.bottoms, coefficients)
        ]
        _fold(e, "Add", terms)


def _fold(e: Emission, op: str, values: Sequence[str]) -> None:
    """Combine two by two, in order."""
    value = values[0]
    for i, other in enumerate(values[1:], start=2):
        value = e.op(op, [value, other], e.tops[0] if i == len(values) else None)


def spread(e: Emission, message: object, covered: Shape) -> tuple[int, ...]:
    """Axes of extent 1 behind a scale or bias of shape *covered*."""
    if not covered:
        return ()
    axis = canonical_axis(message.axis, len(e.shape))  # type: ignore[attr-defined]
    return (1,) * (len(e.shape) - axis - len(covered))


def _operand(e: Emission, index: int, word: str, message: object) -> str:
    """A parameter, or the second bottom, shaped so that it spreads over the first."""
    if len(e.bottoms) > 1 and index == 0:
        covered = e.node.bottom_shapes[1]
        ones = spread(e, message, covered)
        if not ones:
            return e.bottoms[1]
        first = len(covered)
        axes = e.ints(*range(first, first + len(ones)))
        return e.op("Unsqueeze", [e.bottoms[1], axes])
    at = index - (len(e.bottoms) > 1)
    covered = tuple(e.params[at].shape)
    array = e.params[at].reshape((*covered, *spread(e, message, covered)))
    return e.weight(at, word, array)


@emits("Scale")
def scale(e: Emission) -> None:
    """Mul, and Add where there is a bias."""
    param = e.message.scale_param
    factor = _operand(e, 0, "scale", param)
    if not param.bias_term:
        e.out("Mul", [e.bottoms[0], factor])
        return
    scaled = e.op("Mul", [e.bottoms[0], factor])
    e.out("Add", [scaled, _operand(e, 1, "bias", param)])


@emits("Bias")
def bias(e: Emission) -> None:
    """Add."""
    e.out("Add", [e.bottoms[0], _operand(e, 0, "bias", e.message.bias_param)])


@emits("Parameter")
def parameter(e: Emission) -> None:
    """The parameter itself."""
    e.out("Identity", [e.weight(0, "value")])


@emits("DummyData")
def dummy_data(e: Emission) -> None:
    """Constants; what is drawn anew at every run has become an Input."""
    for i, (top, shape) in enumerate(zip(e.tops, e.node.top_shapes)):
        fillers = e.message.dummy_data_param.data_filler
        filler = fillers[min(i, len(fillers) - 1)] if fillers else None
        value = np.full(shape, filler.value if filler else 0, np.float32)
        name = f"{e.node.name}.{e.node.tops[i]}"
        e.op("Identity", [e.builder.weight(name, value)], top)
