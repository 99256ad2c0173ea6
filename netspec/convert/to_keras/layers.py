"""The layers of classic ConvNets in Keras."""

from __future__ import annotations

import numpy as np

from netspec.backends.base import PoolingGeometry
from netspec.convert.statistics import stored_statistics
from netspec.convert.to_keras.emission import Emission, emits
from netspec.convert.to_torch.windows import pair
from netspec.convert.to_torch.writer import number
from netspec.convert.window import end_padding
from netspec.proto import EltwiseParameter, PoolingParameter
from netspec.shapes import Shape, canonical_axis


@emits("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise")
def convolution(e: Emission) -> None:
    """Conv2D, behind zeros where its own padding does not say the same."""
    geo = e.layer.geometry(e.node.bottom_shapes)
    strided_and_dilated = max(geo.stride) > 1 and max(geo.dilation) > 1
    if not e.is_image or len(e.bottoms) > 1 or strided_and_dilated:
        raise e.refuse("it is no plain convolution of one image")
    x, padding = _padding(e, geo)
    settings = [f"{geo.filters}, {pair(geo.kernel)}"]
    settings += [f"strides={pair(geo.stride)}"] if set(geo.stride) != {1} else []
    settings += [f"dilation_rate={pair(geo.dilation)}"] if max(geo.dilation) > 1 else []
    settings += [f"groups={geo.group}"] if geo.group > 1 else []
    settings += [padding] if padding else []
    settings += [] if e.layer.message.bias_term else ["use_bias=False"]
    kernel = e.params[0].transpose(2, 3, 1, 0)
    e.add("Conv2D", ", ".join(settings), [kernel, *e.params[1:]], x)


def _padding(e: Emission, geo) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    """The input, padded where need be, and the setting that pads otherwise."""
    if not any(geo.pad):
        return e.x, ""
    extents = (d * (k - 1) for k, d in zip(geo.kernel, geo.dilation))
    halves = tuple(extent / 2 for extent in extents)
    if set(geo.stride) == {1} and halves == tuple(geo.pad):
        return e.x, 'padding="same"'
    return f"layers.ZeroPadding2D({pair(geo.pad)})({e.x})", ""


@emits("InnerProduct")
def inner_product(e: Emission) -> None:
    """Dense; over an image the weights are put in the order that it has here."""
    param = e.message.inner_product_param
    if canonical_axis(param.axis, len(e.shape)) != 1 or len(e.shape) not in (2, 4):
        raise e.refuse("it does not sum over whole images")
    weight = e.params[0].T if param.transpose else e.params[0]
    x = e.x
    if e.is_image:
        weight = weight.reshape(-1, *e.shape[1:]).transpose(0, 2, 3, 1)
        weight = weight.reshape(len(weight), -1)
        x = f"layers.Flatten()({e.x})"
    bias = "" if param.bias_term else ", use_bias=False"
    e.add("Dense", f"{len(weight)}{bias}", [weight.T, *e.params[1:]], x)


def _ends(e: Emission, geo: PoolingGeometry) -> list[int]:
    up = e.message.pooling_param.round_mode == PoolingParameter.CEIL
    ends = [end_padding(geo, axis, up, False) for axis in (0, 1)]
    if None in ends:
        raise e.refuse("its last window lies outside of the input")
    return [end or 0 for end in ends]


@emits("Pooling")
def pooling(e: Emission) -> None:
    """MaxPooling2D or AveragePooling2D over an explicitly padded image."""
    param = e.message.pooling_param
    maximum = param.pool == PoolingParameter.MAX
    if len(e.tops) > 1 or param.pool == PoolingParameter.STOCHASTIC:
        raise e.refuse("it is more than a maximum or an average")
    if param.global_pooling:
        kind = "GlobalMaxPooling2D" if maximum else "GlobalAveragePooling2D"
        e.add(kind, "keepdims=True", [])
        return
    geo = e.layer.geometry(e.node.bottom_shapes)
    around = list(zip(geo.pad, _ends(e, geo)))
    window = f"{pair(geo.kernel)}, strides={pair(geo.stride)}"
    if maximum:
        e.add("MaxPooling2D", window, [], _pad(e.x, around, '-float("inf")'))
        return
    e.add("AveragePooling2D", window, [], _pad(e.x, around, "0.0"))
    if any(end > pad for pad, end in around):
        beyond = [(0, max(0, end - pad)) for pad, end in around]
        size = (1, *(n + 2 * p for n, p in zip(geo.input, geo.pad)), 1)
        counted = _pad(f"ops.ones({size})", beyond, "0.0")
        e.out(f"{e.tops[0]} / ops.average_pool({counted}, {window})")


def _pad(x: str, around: list[tuple[int, int]], value: str) -> str:
    if not any(map(any, around)):
        return x
    widths = [(0, 0), *around, (0, 0)]
    return f"ops.pad({x}, {widths}, constant_values={value})"


@emits("LRN")
def lrn(e: Emission) -> None:
    """From the mean of squares over neighbouring channels, or places."""
    w = e.layer.window
    alpha, beta, half = number(w.alpha), number(w.beta), w.size // 2
    squares = f"ops.square({e.x})"
    if e.layer.within:
        padded = _pad(squares, [(half, half)] * 2, "0.0")
        mean = f"ops.average_pool({padded}, {w.size}, strides=1)"
        e.out(f"{e.x} / (1.0 + {alpha} * {mean}) ** {beta}")
        return
    channels = e.shape[1]
    padded = f"ops.pad({squares}, [(0, 0), (0, 0), (0, 0), ({half}, {half})])"
    e.lines.body.append(f"squares = {padded}")
    window = f"squares[..., i : i + {channels}] for i in range({w.size})"
    e.lines.body.append(f"near = sum({window}) * {number(w.alpha / w.size)}")
    e.out(f"{e.x} / ({number(w.k)} + near) ** {beta}")


@emits("BatchNorm")
def batch_norm(e: Emission) -> None:
    """BatchNormalization; a Scale that follows is its own."""
    if not e.layer.uses_stored:
        raise e.refuse("it normalises by the statistics of the batch at hand")
    mean, variance = stored_statistics(e.params)
    affine = e.scale or e.params[3:]
    settings, weights = f"epsilon={number(e.layer.eps)}", [mean, variance]
    if affine:
        bias = affine[1] if affine[1:] else np.zeros_like(mean)
        weights = [affine[0], bias, *weights]
    else:
        settings += ", scale=False, center=False"
    e.add("BatchNormalization", settings, weights)


def _plain(kind: str, expression: str) -> None:
    @emits(kind)
    def emit(e: Emission) -> None:
        e.out(expression.format(x=e.x))


for _kind, _expression in {
    "Sigmoid": "ops.sigmoid({x})",
    "TanH": "ops.tanh({x})",
    "AbsVal": "ops.absolute({x})",
    "BNLL": "ops.softplus({x})",
    "ReLU6": "ops.relu6({x})",
}.items():
    _plain(_kind, _expression)


@emits("ReLU")
def relu(e: Emission) -> None:
    """relu, or leaky_relu with its slope."""
    slope = e.message.relu_param.negative_slope
    e.out(f"ops.leaky_relu({e.x}, {number(slope)})" if slope else f"ops.relu({e.x})")


@emits("PReLU")
def prelu(e: Emission) -> None:
    """PReLU, its slopes shared over places."""
    slopes = np.broadcast_to(e.params[0].reshape(-1), e.shape[1:2])
    if e.is_image:
        e.add("PReLU", "shared_axes=[1, 2]", [slopes.reshape(1, 1, -1)])
    else:
        e.add("PReLU", "", [slopes])


@emits("ELU")
def elu(e: Emission) -> None:
    """elu."""
    e.out(f"ops.elu({e.x}, {number(e.message.elu_param.alpha)})")


@emits("Power")
def power(e: Emission) -> None:
    """(shift + scale x) ^ power."""
    param = e.message.power_param
    inner = f"{number(param.scale)} * {e.x} + {number(param.shift)}"
    raised = param.power != 1
    e.out(f"ops.power({inner}, {number(param.power)})" if raised else inner)


@emits("Dropout")
def dropout(e: Emission) -> None:
    """Dropout, which does nothing in evaluation."""
    e.add("Dropout", number(e.layer.ratio), [])


@emits("Softmax")
def softmax(e: Emission) -> None:
    """softmax along the layer's axis."""
    e.out(f"ops.softmax({e.x}, axis={e.axis(e.message.softmax_param.axis)})")


@emits("Concat")
def concat(e: Emission) -> None:
    """concatenate along the layer's axis."""
    axis = e.axis(e.message.concat_param.axis)
    e.out(f"ops.concatenate([{', '.join(e.bottoms)}], axis={axis})")


@emits("Eltwise")
def eltwise(e: Emission) -> None:
    """Sum with coefficients, product or maximum."""
    param, said = e.message.eltwise_param, e.bottoms[0]
    if param.operation == EltwiseParameter.MAX:
        for other in e.bottoms[1:]:
            said = f"ops.maximum({said}, {other})"
    elif param.operation == EltwiseParameter.PROD:
        said = " * ".join(e.bottoms)
    else:
        factors = list(param.coeff) or [1.0] * len(e.bottoms)
        terms = zip(e.bottoms, factors)
        said = " + ".join(x if c == 1 else f"{number(c)} * {x}" for x, c in terms)
    e.out(said)


@emits("Flatten")
def flatten(e: Emission) -> None:
    """Flatten, in Caffe's order of the values."""
    param, last = e.message.flatten_param, len(e.shape) - 1
    ends = (canonical_axis(a, len(e.shape)) for a in (param.axis, param.end_axis))
    if tuple(ends) != (1, last) or not e.is_image:
        raise e.refuse("it does not flatten whole images")
    e.add("Flatten", "", [], f"layers.Permute((3, 1, 2))({e.x})")


@emits("Silence")
def silence(e: Emission) -> None:
    """Nothing."""


def keras_shape(shape: Shape) -> Shape:
    """A blob's shape without the batch, as Keras has it."""
    return (*shape[2:], shape[1]) if len(shape) == 4 else tuple(shape[1:])
