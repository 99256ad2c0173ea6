"""Layers of Caffe's relatives."""

from __future__ import annotations

import numpy as np

from netspec.convert.refusal import UnsupportedError
from netspec.convert.to_onnx.emission import Emission, emits
from netspec.shapes import count

INT64 = 7


@emits("PriorBox")
def prior_box(e: Emission) -> None:
    """A constant: the boxes follow the sizes of map and image, which must be known."""
    for i, bottom in enumerate(e.node.bottoms):
        e.fix(bottom, [2, 3], f"its boxes follow the size of bottom {i}")
    boxes = np.asarray(e.layer.geometry(e.node.bottom_shapes), np.float32)
    e.out("Identity", [e.builder.weight(f"{e.node.name}.boxes", boxes)])


@emits("Axpy")
def axpy(e: Emission) -> None:
    """a x + z, a number a for each image and channel."""
    factor, given = e.bottoms[0], len(e.shape)
    axes = len(e.node.bottom_shapes[1])
    if given < axes:
        factor = e.op("Unsqueeze", [factor, e.ints(*range(given, axes))])
    scaled = e.op("Mul", [e.bottoms[1], factor])
    e.out("Add", [scaled, e.bottoms[2]])


@emits("Interp")
def interp(e: Emission) -> None:
    """Resize whose corners fall on corners, after a Slice where rows are cut off."""
    e.fix(e.node.bottoms[0], [2, 3], "its factors follow the size of the image")
    g = e.layer.geometry(e.node.bottom_shapes)
    x = e.bottoms[0]
    if g.input != e.shape[2:]:
        stops = [g.start + n for n in g.input]
        x = e.op("Slice", [x, e.ints(g.start, g.start), e.ints(*stops), e.ints(2, 3)])
    e.out(
        "Resize",
        [x, "", "", e.ints(*g.output)],
        mode="linear",
        coordinate_transformation_mode="align_corners",
        axes=[2, 3],
    )


@emits("Upsample")
def upsample(e: Emission) -> None:
    """Each pixel repeated; or, with a mask, values put back to their places."""
    if len(e.bottoms) == 2:
        _unpool(e)
        return
    height, width = (b // a for a, b in zip(e.shape[2:], e.top_shape[2:]))
    scales = e.builder.constant([height, width], "float32")
    e.out(
        "Resize",
        [e.bottoms[0], "", scales],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        axes=[2, 3],
    )


def _unpool(e: Emission) -> None:
    e.fix(e.node.tops[0], [2, 3], "its size follows that of the image")
    places, image = count(e.top_shape, 2), e.top_shape[2:]
    rows = [e.op("Reshape", [b, e.ints(0, e.shape[1], -1)]) for b in e.bottoms]
    batch = e.op("Shape", [e.bottoms[0]], start=0, end=1)
    shape = e.op("Concat", [batch, e.ints(e.shape[1], places)], axis=0)
    zeros = e.op("ConstantOfShape", [shape])
    mask = e.op("Cast", [rows[1]], to=INT64)
    filled = e.op("ScatterElements", [zeros, mask, rows[0]], axis=2)
    e.out("Reshape", [filled, e.ints(0, e.shape[1], *image)])


@emits("BN")
def bn(e: Emission) -> None:
    """BatchNormalization; SegNet's takes the batch's own statistics, or none at all."""
    layer = e.layer
    if layer.uses_batch:
        raise UnsupportedError(
            "it normalises by the statistics of the batch at hand, in TEST too.",
            "Fold the statistics of the training set into it (bn_mode: INFERENCE).",
        )
    scale, bias = (p.reshape(-1) for p in e.params[:2])
    if not layer.normalises:
        ones = (-1, *(1,) * (len(e.shape) - 2))
        scaled = e.op("Mul", [e.bottoms[0], e.weight(0, "scale", scale.reshape(ones))])
        e.out("Add", [scaled, e.weight(1, "bias", bias.reshape(ones))])
        return
    mean, variance = (p.reshape(-1) for p in e.params[2:4])
    inputs = [e.weight(0, "scale", scale), e.weight(1, "bias", bias)]
    inputs += [e.weight(2, "mean", mean), e.weight(3, "variance", variance)]
    e.out("BatchNormalization", [e.bottoms[0], *inputs], epsilon=float(layer.eps))
