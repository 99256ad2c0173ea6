"""Layers that only rearrange: Concat, Slice, Flatten, Reshape, Crop, Tile, Permute."""

from __future__ import annotations

from netspec.convert.refusal import NeedsFixedError
from netspec.convert.to_onnx.emission import Emission, emits
from netspec.shapes import canonical_axis


def reshape(e: Emission, value: str, top: str | None = None, kept: int = -1) -> str:
    """Add a Reshape to the first top's shape, whatever extents are free.

    Args:
        kept: leading axes of *value* that are the first bottom's; -1: all.

    Raises:
        NeedsFixedError: more than one extent of the result follows the input and is not
            simply the value's at the same place.
    """
    dims = list(e.top_shape)
    before = list(e.varies(e.node.bottoms[0]))
    alike = len(before) if kept < 0 else kept
    for axis, moves in enumerate(e.varies(e.node.tops[0])):
        same = axis < alike and before[axis] and e.shape[axis] == dims[axis]
        if moves:
            dims[axis] = 0 if same and _equal_before(e, axis) else -1
    if dims.count(-1) > 1:
        reason = "more than one extent of what it reshapes to follows the input"
        raise NeedsFixedError(e.loosest(), reason)
    return e.op("Reshape", [value, e.ints(*dims)], top)


def _equal_before(e: Emission, axis: int) -> bool:
    return e.shape[:axis] == e.top_shape[:axis]


@emits("Concat")
def concat(e: Emission) -> None:
    """Concat along the layer's axis."""
    param = e.message.concat_param
    old = param.HasField("concat_dim")
    axis = param.concat_dim if old else canonical_axis(param.axis, len(e.shape))
    if len(e.bottoms) == 1:
        e.out("Identity", e.bottoms)
    else:
        e.out("Concat", e.bottoms, axis=axis)


@emits("Slice")
def slice_(e: Emission) -> None:
    """Split, by the extents of the tops; into equal parts where they are free."""
    param = e.message.slice_param
    old = param.HasField("slice_dim")
    axis = param.slice_dim if old else canonical_axis(param.axis, len(e.shape))
    if len(e.tops) == 1:
        e.out("Identity", e.bottoms)
        return
    if e.varies(e.node.bottoms[0])[axis] and not param.slice_point:
        sizes, count = [], len(e.tops)
    else:
        for top in e.node.tops:
            e.fix(top, [axis], "it cuts an axis whose extent follows the input")
        sizes, count = [e.ints(*(s[axis] for s in e.node.top_shapes))], None
    e.several("Split", [*e.bottoms, *sizes], e.tops, axis=axis, num_outputs=count)


@emits("Flatten")
def flatten(e: Emission) -> None:
    """Flatten, or a Reshape where axes stay behind the flattened ones."""
    param, axes = e.message.flatten_param, len(e.shape)
    axis, end = (canonical_axis(a, axes) for a in (param.axis, param.end_axis))
    if axis == 1 and end == axes - 1:
        e.out("Flatten", e.bottoms, axis=1)
    else:
        reshape(e, e.bottoms[0], e.tops[0])


@emits("Reshape")
def reshape_layer(e: Emission) -> None:
    """Reshape to the shape that was inferred, free extents left open."""
    reshape(e, e.bottoms[0], e.tops[0])


@emits("Crop")
def crop(e: Emission) -> None:
    """Slice from the offsets on, to the extent of the second bottom."""
    axis = canonical_axis(e.message.crop_param.axis, len(e.shape))
    axes = list(range(axis, len(e.shape)))
    starts = [e.layer.geometry(e.node.bottom_shapes)[a] for a in axes]
    if any(e.varies(e.node.tops[0])[a] for a in axes):
        extent = e.op("Shape", [e.bottoms[1]])
        wanted = e.op("Gather", [extent, e.ints(*axes)], axis=0)
        stops = e.op("Add", [wanted, e.ints(*starts)])
    else:
        stops = e.ints(*(s + e.top_shape[a] for s, a in zip(starts, axes)))
    e.out("Slice", [e.bottoms[0], e.ints(*starts), stops, e.ints(*axes)])


@emits("Tile")
def tile(e: Emission) -> None:
    """Tile along one axis."""
    axis = canonical_axis(e.message.tile_param.axis, len(e.shape))
    times = [1] * len(e.shape)
    times[axis] = e.message.tile_param.tiles
    e.out("Tile", [e.bottoms[0], e.ints(*times)])


@emits("Permute")
def permute(e: Emission) -> None:
    """Transpose; axes that the file leaves out follow in their order."""
    order = list(e.message.permute_param.order)
    order += [axis for axis in range(len(e.shape)) if axis not in order]
    e.out("Transpose", e.bottoms, perm=order)


@emits("ShuffleChannel")
def shuffle_channel(e: Emission) -> None:
    """Channels as a (group, rest) table, transposed."""
    group = e.message.shuffle_channel_param.group
    channels = e.shape[1]
    e.fix(e.node.tops[0], [2, 3], "its channels are reshaped")
    image = e.shape[2:]
    shape = e.ints(0, group, channels // group, *image)
    table = e.op("Reshape", [e.bottoms[0], shape])
    turned = e.op("Transpose", [table], perm=[0, 2, 1, *range(3, 3 + len(image))])
    e.out("Reshape", [turned, e.ints(0, channels, *image)])


@emits("BatchReindex")
def batch_reindex(e: Emission) -> None:
    """Gather rows by the second bottom's numbers."""
    rows = e.op("Cast", [e.bottoms[1]], to=7)
    e.out("Gather", [e.bottoms[0], rows], axis=0)


@emits("Silence")
def silence(e: Emission) -> None:
    """Nothing: it makes nothing."""
