"""Layers that slide a window: Convolution, Deconvolution, Pooling, LRN, SPP, Im2col."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.convert.refusal import NeedsFixedError, UnsupportedError
from netspec.convert.to_torch.emission import Emission, emits
from netspec.convert.to_torch.writer import number
from netspec.convert.window import end_padding
from netspec.proto import PoolingParameter, SPPParameter
from netspec.shapes import canonical_axis


def pair(values: Sequence[int]) -> str:
    """One number where all are alike, else a tuple."""
    if len(set(values)) == 1:
        return str(values[0])
    return f"({', '.join(map(str, values))})"


def options(given: Sequence[tuple[str, str, str]]) -> str:
    """``, name=value`` for every (name, value, default) that is not the default."""
    return "".join(f", {n}={v}" for n, v, default in given if v != default)


def _convolution(e: Emission, kind: str, channels: tuple[int, int]) -> None:
    geo, message = e.layer.geometry(e.node.bottom_shapes), e.layer.message
    axis, axes = canonical_axis(message.axis, len(e.shape)), len(geo.kernel)
    if axis != 1 or not 1 <= axes <= 3:
        raise UnsupportedError(
            f"its channels are axis {axis}, with {axes} axes behind them.",
            "PyTorch has axis 1 and one to three behind it: reshape around the layer.",
        )
    said = options(
        [
            ("stride", pair(geo.stride), "1"),
            ("padding", pair(geo.pad), "0"),
            ("dilation", pair(geo.dilation), "1"),
            ("groups", str(geo.group), "1"),
            ("bias", str(bool(message.bias_term)), "True"),
        ]
    )
    state = dict(zip(("weight", "bias"), e.params))
    made = f"nn.{kind}{axes}d({channels[0]}, {channels[1]}, {pair(geo.kernel)}{said})"
    module = e.module(made, state)
    for x, top in zip(e.bottoms, e.tops):
        e.writer.assign(top, f"{module}({x})", [x])


@emits("Convolution", "DepthwiseConvolution", "ConvolutionDepthwise")
def convolution(e: Emission) -> None:
    """nn.Conv1d, 2d or 3d."""
    geo = e.layer.geometry(e.node.bottom_shapes)
    for n, k, p, d in zip(geo.input, geo.kernel, geo.pad, geo.dilation):
        if n + 2 * p < d * (k - 1) + 1:
            raise UnsupportedError(
                "its kernel sticks out of the padded input.",
                "Give it more padding: Caffe takes zeros there, nobody else does.",
            )
    _convolution(e, "Conv", (geo.channels, geo.filters))


@emits("Deconvolution")
def deconvolution(e: Emission) -> None:
    """nn.ConvTranspose1d, 2d or 3d."""
    geo = e.layer.geometry(e.node.bottom_shapes)
    _convolution(e, "ConvTranspose", (geo.filters, geo.channels))


@emits("Pooling")
def pooling(e: Emission) -> None:
    """nn.MaxPool2d or nn.AvgPool2d, whose ceil_mode is Caffe's, or a reduction."""
    param = e.message.pooling_param
    maximum = param.pool == PoolingParameter.MAX
    if param.pool == PoolingParameter.STOCHASTIC:
        _stochastic_pool(e)
        return
    if param.global_pooling and len(e.tops) == 1:
        e.out(f"{e.x}.{'amax' if maximum else 'mean'}((2, 3), keepdim=True)")
        return
    geo = e.layer.geometry(e.node.bottom_shapes)
    _check_bounded(e, geo)
    wide = any(2 * p > k for p, k in zip(geo.pad, geo.kernel))
    if wide and maximum and len(e.tops) == 1:
        _widely_padded(e, geo)
        return
    if wide:
        raise UnsupportedError(
            "its pad is more than half of its kernel.",
            "Choose a smaller pad: PyTorch allows no more.",
        )
    made = f"nn.{'Max' if maximum else 'Avg'}Pool2d({_window(e, geo)}"
    if len(e.tops) == 1:
        e.out(f"{e.module(made + ')')}({e.x})")
        return
    both = f"{e.tops[0]}, {e.tops[1]}"
    e.writer.line(f"{both} = {e.module(made + ', return_indices=True)')}({e.x})")
    e.writer.line(f"{e.tops[1]} = {e.tops[1]}.float()")


def _stochastic_pool(e: Emission) -> None:
    """Σ x² / Σ x of each window; 0 where the sum is not above 0."""
    geo = e.layer.geometry(e.node.bottom_shapes)
    _check_bounded(e, geo)
    module, top = e.module(f"nn.AvgPool2d({_window(e, geo)})"), e.tops[0]
    share = f"{module}({e.x}.square()) / {module}({e.x})"
    e.writer.line(f"{top} = torch.where({module}({e.x}) > 0, {share}, 0.0)")


def _check_bounded(e: Emission, geo) -> None:  # type: ignore[no-untyped-def]
    up = e.message.pooling_param.round_mode == PoolingParameter.CEIL
    for axis, moves in enumerate(e.varies(e.node.bottoms[0])[2:]):
        if end_padding(geo, axis, up, moves) is not None:
            continue
        if moves:
            reason = "its stride exceeds its kernel, so that a window may lie outside"
            raise NeedsFixedError("size", reason)
        raise UnsupportedError(
            "its last window lies outside of the input.",
            "Choose a stride no larger than the kernel.",
        )


def _window(e: Emission, geo) -> str:  # type: ignore[no-untyped-def]
    up = e.message.pooling_param.round_mode == PoolingParameter.CEIL
    ceil = up and any(s > 1 for s in geo.stride)
    said = options([("padding", pair(geo.pad), "0"), ("ceil_mode", str(ceil), "False")])
    return f"{pair(geo.kernel)}, stride={pair(geo.stride)}{said}"


def _widely_padded(e: Emission, geo) -> None:  # type: ignore[no-untyped-def]
    up = e.message.pooling_param.round_mode == PoolingParameter.CEIL
    moving = e.varies(e.node.bottoms[0])[2:]
    ends = [end_padding(geo, axis, up, moving[axis]) for axis in (0, 1)]
    sides = (geo.pad[1], ends[1], geo.pad[0], ends[0])
    padded = f'F.pad({e.x}, {sides}, value=float("-inf"))'
    module = e.module(f"nn.MaxPool2d({pair(geo.kernel)}, stride={pair(geo.stride)})")
    e.out(f"{module}({padded})")


@emits("LRN")
def lrn(e: Emission) -> None:
    """nn.LocalResponseNorm; within a channel, from the mean of squares."""
    w = e.layer.window
    alpha, beta = number(w.alpha), number(w.beta)
    if not e.layer.within:
        said = f"{w.size}, alpha={alpha}, beta={beta}, k={number(w.k)}"
        e.out(f"{e.module(f'nn.LocalResponseNorm({said})')}({e.x})")
        return
    mean = f"F.avg_pool2d({e.x} * {e.x}, {w.size}, stride=1, padding={w.size // 2})"
    e.out(f"{e.x} / (1 + {alpha} * {mean}) ** {beta}")


@emits("SPP")
def spp(e: Emission) -> None:
    """One pooling a level, each flattened, all joined."""
    e.fix(e.node.bottoms[0], [2, 3], "its windows follow the size of the image")
    maximum = e.message.spp_param.pool == SPPParameter.MAX
    function = "F.max_pool2d" if maximum else "F.avg_pool2d"
    levels = []
    for level in e.layer.geometry(e.node.bottom_shapes):
        geo = level.geometry
        if any(2 * p > k for p, k in zip(geo.pad, geo.kernel)):
            raise UnsupportedError(
                "it pads more than half a window.", "Choose fewer levels."
            )
        window = f"{pair(geo.kernel)}, {pair(geo.stride)}, {pair(geo.pad)}"
        levels.append(f"{function}({e.x}, {window}, ceil_mode=True)")
    if len(levels) == 1:
        e.out(levels[0])
        return
    parts = [f"{e.tops[0]}_{i}" for i in range(len(levels))]
    for part, level in zip(parts, levels):
        e.writer.line(f"{part} = {level}.flatten(1)")
    e.out(f"torch.cat([{', '.join(parts)}], 1)", parts)


@emits("Im2col")
def im2col(e: Emission) -> None:
    """F.unfold, put back into H x W."""
    geo = e.layer.geometry(e.node.bottom_shapes)
    e.fix(e.node.tops[0], [2, 3], "its columns are put back into an image")
    window = (geo.kernel, geo.dilation, geo.pad, geo.stride)
    said = ", ".join(str(tuple(values)) for values in window)
    image = ", ".join(map(str, e.top_shape[2:]))
    e.out(f"F.unfold({e.x}, {said}).unflatten(2, ({image}))")
