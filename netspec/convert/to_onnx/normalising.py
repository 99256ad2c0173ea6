"""BatchNorm, MVN, Normalize and their kin."""

from __future__ import annotations

import numpy as np

from netspec.convert.refusal import UnsupportedError
from netspec.convert.statistics import stored_statistics
from netspec.convert.to_onnx.emission import Emission, emits


@emits("BatchNorm")
def batch_norm(e: Emission) -> None:
    """BatchNormalization by the stored statistics, or by the batch's own."""
    eps = float(e.layer.eps)
    if not e.layer.uses_stored:
        _by_the_batch(e, eps)
        return
    mean, variance = stored_statistics(e.params)
    scale = e.params[3] if e.params[3:] else np.ones_like(mean)
    bias = e.params[4] if e.params[4:] else np.zeros_like(mean)
    name = e.node.name
    inputs = [
        e.bottoms[0],
        e.builder.weight(f"{name}.scale", scale),
        e.builder.weight(f"{name}.bias", bias),
        e.builder.weight(f"{name}.mean", mean),
        e.builder.weight(f"{name}.variance", variance),
    ]
    e.out("BatchNormalization", inputs, epsilon=eps)


def _by_the_batch(e: Emission, eps: float) -> None:
    if e.params[3:]:
        raise UnsupportedError(
            "it has a scale inside and takes the statistics of the batch at hand.",
            "Set use_global_stats: true.",
        )
    _normalise(e, [axis for axis in range(len(e.shape)) if axis != 1], eps)


def _centred(e: Emission, axes: list[int]) -> str:
    mean = e.op("ReduceMean", [e.bottoms[0], e.ints(*axes)], keepdims=1)
    return e.op("Sub", [e.bottoms[0], mean])


def _variance(e: Emission, centred: str, axes: list[int]) -> str:
    squares = e.op("Mul", [centred, centred])
    return e.op("ReduceMean", [squares, e.ints(*axes)], keepdims=1)


def _normalise(e: Emission, axes: list[int], eps: float) -> None:
    """(x - mean) / sqrt(variance + eps)."""
    centred = _centred(e, axes)
    variance = _variance(e, centred, axes)
    e.out("Div", [centred, e.op("Sqrt", [e.op("Add", [variance, e.number(eps)])])])


@emits("MVN")
def mvn(e: Emission) -> None:
    """(x - mean) / (deviation + eps) of each image or channel."""
    param = e.message.mvn_param
    axes = list(range(1 if param.across_channels else 2, len(e.shape)))
    if not param.normalize_variance:
        mean = e.op("ReduceMean", [e.bottoms[0], e.ints(*axes)], keepdims=1)
        e.out("Sub", [e.bottoms[0], mean])
        return
    centred = _centred(e, axes)
    deviation = e.op("Sqrt", [_variance(e, centred, axes)])
    e.out("Div", [centred, e.op("Add", [deviation, e.number(param.eps)])])


@emits("Normalize")
def normalize(e: Emission) -> None:
    """w x / sqrt(Σ x² + eps), over the channels of each place or of all places."""
    param = e.message.norm_param
    axes = [1, 2, 3] if param.across_spatial else [1]
    total = e.op("ReduceSumSquare", [e.bottoms[0], e.ints(*axes)], keepdims=1)
    norm = e.op("Sqrt", [e.op("Add", [total, e.number(param.eps)])])
    scale = e.params[0]
    shape = (1,) if param.channel_shared else (-1, 1, 1)
    weight = e.weight(0, "scale", scale.reshape(shape))
    e.out("Mul", [e.op("Div", [e.bottoms[0], norm]), weight])
