"""BatchNorm, MVN, Normalize, and PriorBox."""

from __future__ import annotations

import numpy as np

from netspec.convert.refusal import UnsupportedError
from netspec.convert.statistics import stored_statistics
from netspec.convert.to_torch.emission import Emission, emits
from netspec.convert.to_torch.writer import number


@emits("BatchNorm")
def batch_norm(e: Emission) -> None:
    """nn.BatchNorm1d, 2d or 3d; a Scale that follows is its affine part."""
    eps = number(e.layer.eps)
    if not e.layer.uses_stored and e.params[3:]:
        raise UnsupportedError(
            "it has a scale inside and takes the statistics of the batch at hand.",
            "Set use_global_stats: true.",
        )
    if not e.layer.uses_stored:
        said = f"F.batch_norm({e.x}, None, None, training=True, eps={eps})"
        e.out(said)
        return
    axes = max(1, len(e.shape) - 2)
    if axes > 3:
        raise UnsupportedError(
            "it has more than five axes.", "Reshape before and behind it."
        )
    mean, variance = stored_statistics(e.params)
    state = {"running_mean": mean, "running_var": variance}
    affine = ", affine=False"
    if e.params[3:]:
        bias = e.params[4] if e.params[4:] else np.zeros_like(mean)
        state |= {"weight": e.params[3], "bias": bias}
        affine = ""
    if e.scale:
        zeros = np.zeros_like(mean)
        state |= {"weight": e.scale[0], "bias": e.scale[1] if e.scale[1:] else zeros}
        affine = ""
    state["num_batches_tracked"] = np.array(0, np.int64)
    made = f"nn.BatchNorm{axes}d({mean.size}, eps={eps}{affine})"
    e.out(f"{e.module(made, state)}({e.x})")


@emits("MVN")
def mvn(e: Emission) -> None:
    """(x - mean) / (deviation + eps) of each image or channel."""
    param, top = e.message.mvn_param, e.tops[0]
    axes = tuple(range(1 if param.across_channels else 2, len(e.shape)))
    e.writer.line(f"{top} = {e.x} - {e.x}.mean({axes}, keepdim=True)")
    if param.normalize_variance:
        deviation = f"{top}.square().mean({axes}, keepdim=True).sqrt()"
        e.writer.line(f"{top} = {top} / ({deviation} + {number(param.eps)})")


@emits("Normalize")
def normalize(e: Emission) -> None:
    """w x / sqrt(Σ x² + eps)."""
    param = e.message.norm_param
    axes = "(1, 2, 3)" if param.across_spatial else "1"
    shape = (1,) if param.channel_shared else (-1, 1, 1)
    weight = e.writer.tensor(e.node.name, e.params[0].reshape(shape))
    norm = f"({e.x}.square().sum({axes}, keepdim=True) + {number(param.eps)}).sqrt()"
    e.out(f"{weight} * {e.x} / {norm}")


@emits("PriorBox")
def prior_box(e: Emission) -> None:
    """A constant that follows the sizes of map and image, which must be known."""
    for i, bottom in enumerate(e.node.bottoms):
        e.fix(bottom, [2, 3], f"its boxes follow the size of bottom {i}")
    boxes = np.asarray(e.layer.geometry(e.node.bottom_shapes), np.float32)
    e.writer.line(f"{e.tops[0]} = {e.writer.tensor(e.node.name, boxes, 'buffer')}")
