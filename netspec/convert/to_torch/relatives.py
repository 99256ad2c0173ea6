"""Layers of Caffe's relatives."""

from __future__ import annotations

import numpy as np

from netspec.convert.refusal import UnsupportedError
from netspec.convert.to_torch.emission import Emission, emits
from netspec.convert.to_torch.writer import number


@emits("BN")
def bn(e: Emission) -> None:
    """nn.BatchNorm; SegNet's takes the batch's own statistics, or none at all."""
    layer, axes = e.layer, max(1, len(e.shape) - 2)
    if layer.uses_batch or axes > 3:
        raise UnsupportedError(
            "it normalises by the statistics of the batch at hand, in TEST too.",
            "Fold the statistics of the training set into it (bn_mode: INFERENCE).",
        )
    scale, bias, *stored = (p.reshape(-1) for p in e.params)
    if not layer.normalises:
        ones = (-1, *(1,) * (len(e.shape) - 2))
        factor = e.writer.tensor(e.node.name, scale.reshape(ones))
        shift = e.writer.tensor(f"{e.node.name}_bias", bias.reshape(ones))
        e.out(f"{e.x} * {factor} + {shift}")
        return
    state = dict(zip(("running_mean", "running_var"), stored))
    state |= {"weight": scale, "bias": bias}
    state["num_batches_tracked"] = np.array(0, np.int64)
    made = f"nn.BatchNorm{axes}d({scale.size}, eps={number(layer.eps)})"
    e.out(f"{e.module(made, state)}({e.x})")


@emits("Axpy")
def axpy(e: Emission) -> None:
    """a x + z, a number a for each image and channel."""
    axes = len(e.node.bottom_shapes[1]) - len(e.shape)
    factor = f"{e.x}[(...{', None' * axes})]" if axes else e.x
    e.out(f"{factor} * {e.bottoms[1]} + {e.bottoms[2]}")


@emits("Interp")
def interp(e: Emission) -> None:
    """F.interpolate whose corners fall on corners."""
    e.fix(e.node.bottoms[0], [2, 3], "its factors follow the size of the image")
    g = e.layer.geometry(e.node.bottom_shapes)
    x = e.x
    if g.input != e.shape[2:]:
        cuts = (f"{g.start} : {g.start + n}" for n in g.input)
        x = f"{x}[:, :, {', '.join(cuts)}]"
    size = tuple(g.output)
    e.out(f'F.interpolate({x}, {size}, mode="bilinear", align_corners=True)')


@emits("Upsample")
def upsample(e: Emission) -> None:
    """Each pixel repeated; or, with a mask, values put back to their places."""
    image = e.top_shape[2:]
    if len(e.bottoms) == 1:
        height, width = (b // a for a, b in zip(e.shape[2:], image))
        e.out(f"F.interpolate({e.x}, scale_factor=({height}, {width}))")
        return
    e.fix(e.node.tops[0], [2, 3], "its size follows that of the image")
    top, places = e.tops[0], image[0] * image[1]
    e.writer.line(f"places = {e.bottoms[1]}.flatten(2).long()")
    e.writer.line(f"{top} = {e.x}.new_zeros(*{e.x}.shape[:2], {places})")
    e.writer.line(f"{top} = {top}.scatter(2, places, {e.x}.flatten(2))")
    e.writer.line(f"{top} = {top}.unflatten(2, {tuple(image)})")
