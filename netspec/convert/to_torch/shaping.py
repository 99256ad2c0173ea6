"""Layers that only rearrange."""

from __future__ import annotations

from netspec.convert.refusal import NeedsFixedError
from netspec.convert.to_torch.emission import Emission, emits
from netspec.shapes import canonical_axis


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
