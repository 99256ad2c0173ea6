"""Layers that slide a window: Convolution, Deconvolution, Pooling, LRN, SPP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.convert.refusal import NeedsFixedError, UnsupportedError
from netspec.convert.to_onnx.emission import Emission, emits
from netspec.convert.window import end_padding
from netspec.proto import PoolingParameter, SPPParameter
from netspec.shapes import canonical_axis


def _window(e: Emission) -> dict[str, list[int]]:
    geo = e.layer.geometry(e.node.bottom_shapes)
    return {
        "kernel_shape": list(geo.kernel),
        "strides": list(geo.stride),
        "pads": [*geo.pad, *geo.pad],
        "dilations": list(geo.dilation),
    }


def _convolve(e: Emission, op: str) -> None:
    axis = canonical_axis(e.layer.message.axis, len(e.shape))
    if axis != 1:
        raise UnsupportedError(
            f"its channels are axis {axis}.",
            "Only axis 1 can hold the channels there: reshape around the layer.",
        )
    weights = [e.weight(0, "weight")]
    if e.layer.message.bias_term:
        weights.append(e.weight(1, "bias"))
    window = _window(e)
    for bottom, top in zip(e.bottoms, e.tops):
        x = _padded(e, bottom, window) if op == "Conv" else bottom
        e.op(op, [x, *weights], top, group=e.layer.group, **window)


def _padded(e: Emission, x: str, window: dict[str, list[int]]) -> str:
    """An input with zeros around it, where the padding is as wide as the kernel.

    Then some windows see padding alone, and OpenCV 5 gives them 0 instead of the bias:
    the zeros are added by an operator of their own.
    """
    pad = window["pads"][: len(window["kernel_shape"])]
    if all(p < k for p, k in zip(pad, window["kernel_shape"])):
        return x
    window["pads"] = [0] * len(window["pads"])
    return e.op("Pad", [x, e.ints(0, 0, *pad, 0, 0, *pad)])


@emits("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise")
def convolution(e: Emission) -> None:
    """Conv."""
    geo = e.layer.geometry(e.node.bottom_shapes)
    for axis, (n, k, p, d) in enumerate(
        zip(geo.input, geo.kernel, geo.pad, geo.dilation), start=2
    ):
        if n + 2 * p < d * (k - 1) + 1:
            raise UnsupportedError(
                f"its kernel sticks out of the padded input along axis {axis}.",
                "Give it more padding: Caffe takes zeros there, nobody else does.",
            )
    _convolve(e, "Conv")


@emits("Deconvolution")
def deconvolution(e: Emission) -> None:
    """ConvTranspose."""
    _convolve(e, "ConvTranspose")


@emits("Pooling")
def pooling(e: Emission) -> None:
    """MaxPool, AveragePool or their global kin, by exact padding at the far end."""
    param = e.message.pooling_param
    if param.pool == PoolingParameter.STOCHASTIC:
        _stochastic_pool(e)
    elif param.global_pooling and len(e.tops) == 1:
        maximum = param.pool == PoolingParameter.MAX
        e.out("GlobalMaxPool" if maximum else "GlobalAveragePool", e.bottoms)
    elif param.pool == PoolingParameter.MAX:
        _max_pool(e)
    else:
        _average_pool(e, e.bottoms[0], e.tops[0])


def _stochastic_pool(e: Emission) -> None:
    """Σ x² / Σ x of each window; 0 where the sum is not above 0."""
    squares = e.op("Mul", [e.bottoms[0], e.bottoms[0]])
    over, under = (_average_pool(e, x, None) for x in (squares, e.bottoms[0]))
    positive = e.op("Greater", [under, e.number(0)])
    safe = e.op("Where", [positive, under, e.number(1)])
    e.out("Where", [positive, e.op("Div", [over, safe]), e.number(0)])


def _moving(e: Emission) -> list[bool]:
    """Which of H and W are known only when the model runs."""
    return list(e.varies(e.node.bottoms[0])[2:])


def _ends(e: Emission) -> list[int]:
    """Padding at the far end of H and W that makes rounding down give Caffe's size."""
    geo = e.layer.geometry(e.node.bottom_shapes)
    up = e.message.pooling_param.round_mode == PoolingParameter.CEIL
    ends = []
    for axis, moves in enumerate(_moving(e)):
        end = end_padding(geo, axis, up, moves)
        if end is None and moves:
            reason = "its stride exceeds its kernel, so that a window may lie outside"
            raise NeedsFixedError("size", reason)
        if end is None:
            raise UnsupportedError(
                "its last window lies outside of the input.",
                "Choose a stride no larger than the kernel.",
            )
        ends.append(end)
    return ends


def _max_pool(e: Emission) -> None:
    geo = e.layer.geometry(e.node.bottom_shapes)
    window = {
        "kernel_shape": list(geo.kernel),
        "strides": list(geo.stride),
        "pads": [*geo.pad, *_ends(e)],
    }
    if len(e.tops) == 1:
        e.out("MaxPool", e.bottoms, **window)
        return
    indices = e.builder.reserve(f"{e.node.name}/indices")
    e.several("MaxPool", e.bottoms, [e.tops[0], indices], **window)
    place = e.op("Mod", [indices, _plane(e)])
    e.op("Cast", [place], e.tops[1], to=1)


def _plane(e: Emission) -> str:
    """H · W, as ONNX counts places over the whole blob and Caffe within a plane."""
    if not any(_moving(e)):
        return e.ints(e.shape[2] * e.shape[3])
    extent = e.op("Shape", e.bottoms, start=2)
    return e.op("ReduceProd", [extent], keepdims=1)


def _average_pool(e: Emission, x: str, top: str | None) -> str:
    """Divides by the window clipped to the padded image, as Caffe does.

    Where a window reaches beyond the padding, the padding becomes part of the image,
    and only what lies beyond is not counted.
    """
    geo = e.layer.geometry(e.node.bottom_shapes)
    ends = _ends(e)
    window: Any = {"kernel_shape": list(geo.kernel), "strides": list(geo.stride)}
    pads = list(geo.pad)
    if not any(pads):
        return e.op("AveragePool", [x], top, pads=[0, 0, *ends], **window)
    if all(end <= pad for end, pad in zip(ends, pads)):
        both = [*pads, *ends]
        return e.op("AveragePool", [x], top, pads=both, count_include_pad=1, **window)
    padded = e.op("Pad", [x, e.ints(0, 0, *pads, 0, 0, *pads)])
    beyond = [max(0, end - pad) for end, pad in zip(ends, pads)]
    return e.op("AveragePool", [padded], top, pads=[0, 0, *beyond], **window)


@emits("LRN")
def lrn(e: Emission) -> None:
    """LRN across channels; within a channel, the mean of squares around each place."""
    window = e.layer.window
    if not e.layer.within:
        e.out(
            "LRN", e.bottoms, size=window.size, alpha=window.alpha, beta=window.beta,
            bias=window.k,
        )  # fmt: skip
        return
    half = window.size // 2
    squares = e.op("Mul", [e.bottoms[0], e.bottoms[0]])
    mean = e.op(
        "AveragePool", [squares], kernel_shape=[window.size] * 2, pads=[half] * 4,
        strides=[1, 1], count_include_pad=1,
    )  # fmt: skip
    share = e.op("Mul", [mean, e.number(window.alpha)])
    spread = e.op("Pow", [e.op("Add", [share, e.number(1)]), e.number(window.beta)])
    e.out("Div", [e.bottoms[0], spread])


@emits("SPP")
def spp(e: Emission) -> None:
    """One pooling a level, each flattened, all joined."""
    e.fix(e.node.bottoms[0], [2, 3], "its windows follow the size of the image")
    maximum = e.message.spp_param.pool == SPPParameter.MAX
    levels = [_level(e, geo, maximum) for geo in _levels(e)]
    if len(levels) == 1:
        e.out("Identity", levels)
    else:
        flat = [e.op("Flatten", [level], axis=1) for level in levels]
        e.out("Concat", flat, axis=1)


def _levels(e: Emission) -> Sequence[Any]:
    return [level.geometry for level in e.layer.geometry(e.node.bottom_shapes)]


def _level(e: Emission, geo: Any, maximum: bool) -> str:  # type: ignore[no-untyped-def]
    ends = [end_padding(geo, axis, True, False) for axis in (0, 1)]
    if None in ends:
        raise UnsupportedError(
            "a window of its pyramid lies outside of the image.",
            "Choose a smaller pyramid_height.",
        )
    window: Any = {"kernel_shape": list(geo.kernel), "strides": list(geo.stride)}
    pads = list(geo.pad)
    if maximum:
        return e.op("MaxPool", e.bottoms, pads=[*pads, *ends], **window)
    padded = e.bottoms[0]
    if any(pads):
        padded = e.op("Pad", [padded, e.ints(0, 0, *pads, 0, 0, *pads)])
    beyond = [max(0, (end or 0) - pad) for end, pad in zip(ends, pads)]
    return e.op("AveragePool", [padded], pads=[0, 0, *beyond], **window)
