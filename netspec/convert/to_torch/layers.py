"""All other layers: functions of one number, arithmetic, shapes, normalisation."""

from __future__ import annotations

import numpy as np

from netspec.convert.refusal import NeedsFixedError, UnsupportedError
from netspec.convert.statistics import stored_statistics
from netspec.convert.to_torch.emission import Emission, emits
from netspec.convert.to_torch.writer import number
from netspec.layers.exp import log_of_base
from netspec.proto import EltwiseParameter, ReductionParameter
from netspec.shapes import Shape, canonical_axis

# Functions of one number -------------------------------------------------------------


def _plain(kind: str, expression: str) -> None:
    @emits(kind)
    def emit(e: Emission) -> None:
        e.out(expression.format(x=e.x))


for _kind, _expression in {
    "Sigmoid": "torch.sigmoid({x})",
    "TanH": "torch.tanh({x})",
    "AbsVal": "torch.abs({x})",
    "BNLL": "F.softplus({x}, threshold=80)",
    "ReLU6": "F.relu6({x})",
}.items():
    _plain(_kind, _expression)


@emits("ReLU")
def relu(e: Emission) -> None:
    """F.relu or F.leaky_relu."""
    slope = e.message.relu_param.negative_slope
    said = f"F.leaky_relu({e.x}, {number(slope)})" if slope else f"F.relu({e.x})"
    e.out(said)


@emits("PReLU")
def prelu(e: Emission) -> None:
    """nn.PReLU."""
    slope = e.params[0].reshape(-1)
    module = e.module(f"nn.PReLU({slope.size})", {"weight": slope})
    e.out(f"{module}({e.x})")


@emits("ELU")
def elu(e: Emission) -> None:
    """F.elu."""
    e.out(f"F.elu({e.x}, {number(e.message.elu_param.alpha)})")


@emits("Clip")
def clip(e: Emission) -> None:
    """torch.clamp."""
    param = e.message.clip_param
    e.out(f"torch.clamp({e.x}, {number(param.min)}, {number(param.max)})")


@emits("Swish")
def swish(e: Emission) -> None:
    """x · sigmoid(beta x)."""
    beta = e.message.swish_param.beta
    if beta == 1:
        e.out(f"F.silu({e.x})")
    else:
        e.out(f"{e.x} * torch.sigmoid({number(beta)} * {e.x})")


@emits("Threshold")
def threshold(e: Emission) -> None:
    """1 where x is greater."""
    e.out(f"({e.x} > {number(e.message.threshold_param.threshold)}).float()")


def _linear(x: str, scale: float, shift: float) -> str:
    scaled = x if scale == 1 else f"{number(scale)} * {x}"
    return scaled if shift == 0 else f"{scaled} + {number(shift)}"


@emits("Power")
def power(e: Emission) -> None:
    """(shift + scale x) ^ power."""
    param = e.message.power_param
    if e.layer.constant is not None:
        e.out(f"torch.full_like({e.x}, {number(e.layer.constant)})")
        return
    inner = _linear(e.x, param.scale, param.shift)
    if param.power == 1:
        e.out(inner if inner != e.x else f"{e.x}.clone()")
    else:
        e.out(f"torch.pow({inner}, {number(param.power)})")


@emits("Exp")
def exp(e: Emission) -> None:
    """base ^ (shift + scale x)."""
    inner = _linear(e.x, e.layer.scale, 0)
    factor = e.layer.factor
    e.out(
        f"torch.exp({inner})"
        if factor == 1
        else f"{number(factor)} * torch.exp({inner})"
    )


@emits("Log")
def log(e: Emission) -> None:
    """log(shift + scale x) to a base."""
    param = e.message.log_param
    base = log_of_base(param.base, "log_param.base")
    said = f"torch.log({_linear(e.x, param.scale, param.shift)})"
    e.out(said if base == 1 else f"{number(1 / base)} * {said}")


@emits("Dropout")
def dropout(e: Emission) -> None:
    """nn.Dropout, which does nothing in evaluation."""
    module = e.module(f"nn.Dropout({number(e.layer.ratio)})")
    e.out(f"{module}({e.x})")


# Arithmetic between blobs ------------------------------------------------------------


@emits("Eltwise")
def eltwise(e: Emission) -> None:
    """Sum with coefficients, product or maximum."""
    param = e.message.eltwise_param
    if param.operation == EltwiseParameter.MAX:
        said = e.bottoms[0]
        for other in e.bottoms[1:]:
            said = f"torch.maximum({said}, {other})"
    elif param.operation == EltwiseParameter.PROD:
        said = " * ".join(e.bottoms)
    else:
        coefficients = list(param.coeff) or [1.0] * len(e.bottoms)
        said = " + ".join(
            x if c == 1 else f"{number(c)} * {x}"
            for x, c in zip(e.bottoms, coefficients)
        )
    e.out(said)


def _ones_behind(e: Emission, axis: int, covered: Shape) -> tuple[int, ...]:
    if not covered:
        return ()
    return (1,) * (len(e.shape) - canonical_axis(axis, len(e.shape)) - len(covered))


def _spread(e: Emission, axis: int, word: str, index: int) -> str:
    """A parameter, or the second bottom, shaped so that it spreads over the first."""
    if len(e.bottoms) > 1 and index == 0:
        ones = _ones_behind(e, axis, e.node.bottom_shapes[1])
        return f"{e.bottoms[1]}[(...{', None' * len(ones)})]" if ones else e.bottoms[1]
    array = e.params[index - (len(e.bottoms) > 1)]
    shape = tuple(array.shape)
    array = array.reshape((*shape, *_ones_behind(e, axis, shape)))
    name = e.node.name if word == "scale" else f"{e.node.name}_{word}"
    return e.writer.tensor(name, array)


@emits("Scale")
def scale(e: Emission) -> None:
    """A product, and a sum where there is a bias."""
    param = e.message.scale_param
    said = f"{e.x} * {_spread(e, param.axis, 'scale', 0)}"
    if param.bias_term:
        said += f" + {_spread(e, param.axis, 'bias', 1)}"
    e.out(said)


@emits("Bias")
def bias(e: Emission) -> None:
    """A sum."""
    e.out(f"{e.x} + {_spread(e, e.message.bias_param.axis, 'bias', 0)}")


@emits("Parameter")
def parameter(e: Emission) -> None:
    """The parameter itself."""
    e.writer.line(f"{e.tops[0]} = {e.writer.tensor(e.node.name, e.params[0])}")


@emits("DummyData")
def dummy_data(e: Emission) -> None:
    """Constants."""
    fillers = e.message.dummy_data_param.data_filler
    for i, (top, shape) in enumerate(zip(e.tops, e.node.top_shapes)):
        filler = fillers[min(i, len(fillers) - 1)] if fillers else None
        value = number(filler.value if filler else 0)
        e.writer.line(f"{top} = torch.full({tuple(shape)}, {value})")


@emits("Silence")
def silence(e: Emission) -> None:
    """Nothing."""


# Shapes ------------------------------------------------------------------------------


@emits("Concat")
def concat(e: Emission) -> None:
    """torch.cat."""
    param = e.message.concat_param
    old = param.HasField("concat_dim")
    axis = param.concat_dim if old else canonical_axis(param.axis, len(e.shape))
    e.out(f"torch.cat([{', '.join(e.bottoms)}], {axis})")


@emits("Slice")
def slice_(e: Emission) -> None:
    """torch.split, or chunk where the parts are equal."""
    param = e.message.slice_param
    old = param.HasField("slice_dim")
    axis = param.slice_dim if old else canonical_axis(param.axis, len(e.shape))
    tops = ", ".join(e.tops) + ("," if len(e.tops) == 1 else "")
    if not param.slice_point:
        e.writer.line(f"{tops} = torch.chunk({e.x}, {len(e.tops)}, {axis})")
        return
    for top in e.node.tops:
        e.fix(top, [axis], "it cuts an axis whose extent follows the input")
    sizes = [shape[axis] for shape in e.node.top_shapes]
    e.writer.line(f"{tops} = torch.split({e.x}, {sizes}, {axis})")


@emits("Flatten")
def flatten(e: Emission) -> None:
    """torch.flatten."""
    param, axes = e.message.flatten_param, len(e.shape)
    axis, end = (canonical_axis(a, axes) for a in (param.axis, param.end_axis))
    last = "" if end == axes - 1 else f", {end}"
    e.out(f"torch.flatten({e.x}, {axis}{last})")


@emits("Reshape")
def reshape(e: Emission) -> None:
    """Tensor.reshape; extents that follow the input are read from it."""
    before, dims, open_axes = e.varies(e.node.bottoms[0]), [], 0
    for axis, (n, moves) in enumerate(zip(e.top_shape, e.varies(e.node.tops[0]))):
        same = (
            axis < len(before)
            and before[axis]
            and e.shape[: axis + 1] == e.top_shape[: axis + 1]
        )
        if moves and same:
            dims.append(f"{e.x}.shape[{axis}]")
        else:
            dims.append("-1" if moves else str(n))
            open_axes += moves
    if open_axes > 1:
        reason = "more than one extent of what it reshapes to follows the input"
        raise NeedsFixedError(e.loosest(), reason)
    e.writer.line(f"{e.tops[0]} = {e.x}.reshape({', '.join(dims) or '()'})")


@emits("Permute")
def permute(e: Emission) -> None:
    """Tensor.permute."""
    order = list(e.message.permute_param.order)
    order += [axis for axis in range(len(e.shape)) if axis not in order]
    e.out(f"{e.x}.permute({', '.join(map(str, order))})")


@emits("ShuffleChannel")
def shuffle_channel(e: Emission) -> None:
    """F.channel_shuffle."""
    e.out(f"F.channel_shuffle({e.x}, {e.message.shuffle_channel_param.group})")


@emits("Crop")
def crop(e: Emission) -> None:
    """A slice for each axis, as long as the reference."""
    axis = canonical_axis(e.message.crop_param.axis, len(e.shape))
    offsets = e.layer.geometry(e.node.bottom_shapes)
    said = e.x
    for a in range(axis, len(e.shape)):
        said += f".narrow({a}, {offsets[a]}, {e.bottoms[1]}.shape[{a}])"
    e.writer.line(f"{e.tops[0]} = {said}")


@emits("Tile")
def tile(e: Emission) -> None:
    """Tensor.repeat."""
    times = [1] * len(e.shape)
    axis = canonical_axis(e.message.tile_param.axis, len(e.shape))
    times[axis] = e.message.tile_param.tiles
    e.out(f"{e.x}.repeat({', '.join(map(str, times))})")


@emits("BatchReindex")
def batch_reindex(e: Emission) -> None:
    """Rows by number."""
    e.out(f"{e.x}[{e.bottoms[1]}.long()]")


# Sums --------------------------------------------------------------------------------


@emits("InnerProduct")
def inner_product(e: Emission) -> None:
    """nn.Linear over the flattened axes."""
    param = e.message.inner_product_param
    axis = canonical_axis(param.axis, len(e.shape))
    weight = e.params[0].T if param.transpose else e.params[0]
    state = dict(zip(("weight", "bias"), (weight, *e.params[1:])))
    said = f"nn.Linear({weight.shape[1]}, {weight.shape[0]}"
    said += ")" if param.bias_term else ", bias=False)"
    module = e.module(said, state)
    flat = e.x if axis == len(e.shape) - 1 else f"torch.flatten({e.x}, {axis})"
    e.out(f"{module}({flat})")


@emits("Embed")
def embed(e: Emission) -> None:
    """nn.Embedding, and a bias."""
    weight = e.params[0]
    rows, length = weight.shape
    module = e.module(f"nn.Embedding({rows}, {length})", {"weight": weight})
    said = f"{module}({e.x}.long())"
    if e.message.embed_param.bias_term:
        said += f" + {e.writer.tensor(f'{e.node.name}_bias', e.params[1])}"
    e.out(said)


@emits("Softmax")
def softmax(e: Emission) -> None:
    """F.softmax."""
    axis = canonical_axis(e.message.softmax_param.axis, len(e.shape))
    e.out(f"F.softmax({e.x}, {axis})")


@emits("Reduction")
def reduction(e: Emission) -> None:
    """A sum or mean over all axes from one on."""
    param = e.message.reduction_param
    first = canonical_axis(param.axis, len(e.shape))
    axes = tuple(range(first, len(e.shape)))
    said = {
        ReductionParameter.SUM: f"{e.x}.sum({axes})",
        ReductionParameter.ASUM: f"{e.x}.abs().sum({axes})",
        ReductionParameter.SUMSQ: f"{e.x}.square().sum({axes})",
        ReductionParameter.MEAN: f"{e.x}.mean({axes})",
    }[param.operation]
    e.out(said if param.coeff == 1 else f"{number(param.coeff)} * {said}")


@emits("ArgMax")
def arg_max(e: Emission) -> None:
    """A stable sort of the axis turned round: of equal values the later is first."""
    param, top = e.message.argmax_param, e.tops[0]
    has_axis = param.HasField("axis")
    axis = canonical_axis(param.axis, len(e.shape)) if has_axis else 1
    x = e.x if has_axis else f"{e.x}.flatten(1)"
    e.writer.line(f"turned = {x}.flip({axis})")
    ordered = f"torch.sort(turned, dim={axis}, descending=True, stable=True)"
    e.writer.line(f"values, {top} = {ordered}")
    e.writer.line(f"{top} = (turned.shape[{axis}] - 1 - {top}).float()")
    if has_axis:
        chosen = "values" if param.out_max_val else top
        e.writer.line(f"{top} = {chosen}.narrow({axis}, 0, {param.top_k})")
        return
    rows = f"[{top}, values]" if param.out_max_val else f"[{top}]"
    behind = ", None" * (len(e.top_shape) - 3)
    last = f"[(...{behind})]" if behind else ""
    e.writer.line(f"{top} = torch.stack({rows}, 1)[..., : {param.top_k}]{last}")


# Normalisation -----------------------------------------------------------------------


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


# Layers of Caffe's relatives ---------------------------------------------------------


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
