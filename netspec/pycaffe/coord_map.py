"""How positions of one blob map to those of another, and the Crop that aligns them.

A map is (axis, scale, shift): position *p* of a bottom's axis stands at
``scale * p + shift`` of the top's, for every spatial axis from *axis* on; axis None
means that the layer moves nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.errors import UsageError
from netspec.pycaffe.faults import BadCropError
from netspec.pycaffe.net_spec import Function, Top
from netspec.pycaffe.net_spec import layers as L  # noqa: N812

Map = tuple[Any, Any, Any]

PASS_THROUGH_LAYERS = [
    *("AbsVal", "BatchNorm", "Bias", "BNLL", "Dropout", "Eltwise", "ELU", "Log", "LRN"),
    *("Exp", "MVN", "Power", "ReLU", "PReLU", "Scale", "Sigmoid", "Split", "TanH"),
    "Threshold",
]
_IDENTITY: Map = (None, 1, 0)
_WINDOW = {"kernel_size": 1, "dilation": 1, "stride": 1, "pad": 0}
_PER_AXIS = ("pad_h", "pad_w", "kernel_h", "kernel_w", "stride_h", "stride_w")


class UndefinedMapException(UsageError):  # noqa: N818  # pycaffe's name
    """A layer of which it is not known how it moves positions."""


class AxisMismatchException(UsageError):  # noqa: N818  # pycaffe's name
    """Two maps that begin at different axes."""


def conv_params(fn: Function) -> tuple[int, Any, Any, Any]:
    """Axis, stride, extent of the dilated kernel, and pad of a sliding window.

    Raises:
        BadCropError: the fields are given as kernel_h, kernel_w and their like.
    """
    given = fn.params.get("convolution_param", fn.params)
    old = [name for name in _PER_AXIS if name in given]
    if old:
        raise BadCropError(
            f"a {fn.type_name} layer gives {old[0]}, which cannot be mapped.",
            "Give kernel_size, stride and pad, each a number or a list.",
        )
    if "kernel_size" not in given:
        raise BadCropError(
            f"a {fn.type_name} layer has no kernel_size, and cannot be mapped.",
            "Give kernel_size, stride and pad, each a number or a list.",
        )
    values = {**_WINDOW, **given}
    kernel, dilation, stride, pad = (np.array(values[n], ndmin=1) for n in _WINDOW)
    return given.get("axis", 1), stride, (kernel - 1) * dilation + 1, pad


def crop_params(fn: Function) -> tuple[int, Any]:
    """First axis that a Crop layer crops, and its offsets."""
    given = fn.params.get("crop_param", fn.params)
    return given.get("axis", 2), np.array(given.get("offset", 0), ndmin=1)


def coord_map(fn: Function) -> Map:
    """The map from a layer's bottoms to its tops.

    Raises:
        UndefinedMapException: it is not known.
    """
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, extent, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (extent - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad
    if fn.type_name in PASS_THROUGH_LAYERS:
        return _IDENTITY
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset
    raise UndefinedMapException(
        f"it is not known how a {fn.type_name} layer moves positions.",
        "Blobs can be mapped through layers that slide a window, crop, or work "
        "position by position.",
    )


def compose(base_map: Map, next_map: Map) -> Map:
    """The map that applies *next_map* first, and then *base_map*.

    Raises:
        AxisMismatchException: they begin at different axes.
    """
    (axis, scale, shift), (other, next_scale, next_shift) = base_map, next_map
    if None not in (axis, other) and axis != other:
        raise AxisMismatchException(
            f"a map of axis {axis} meets one of axis {other}.",
            "Map blobs between layers that begin at one axis.",
        )
    first = other if axis is None else axis
    return first, scale * next_scale, scale * next_shift + shift


def inverse(coord_map: Map) -> Map:
    """The map in the other direction."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """The map from positions of *top_from* to those of *top_to*.

    Raises:
        UnconnectedError: no blob leads to both through layers that can be mapped.
    """
    known = dict(_walk(top_from))
    for top, there in _walk(top_to):
        if top in known:
            return compose(there, inverse(known[top]))
    raise UnconnectedError(
        "no blob leads to both through layers whose maps are known.",
        "Map blobs that come from one blob.",
    )


class UnconnectedError(UsageError, RuntimeError):
    """Two blobs that have no mappable ancestor in common."""


def _walk(top: Top) -> Any:
    """A blob and all that it can be mapped to below it, each with its map."""
    waiting, seen = [(top, _IDENTITY)], {top}
    while waiting:
        here, so_far = waiting.pop()
        yield here, so_far
        try:
            step = compose(so_far, coord_map(here.fn)) if here.fn.inputs else so_far
        except UndefinedMapException:
            continue
        # A Crop takes only the size of its second bottom.
        bottoms = here.fn.inputs[: 1 if here.fn.type_name == "Crop" else None]
        for bottom in bottoms:
            if bottom not in seen:
                seen.add(bottom)
                waiting.append((bottom, step))


def crop(top_from: Top, top_to: Top) -> Top:
    """A Crop layer that cuts *top_from* to what it shares with *top_to*.

    Raises:
        BadCropError: their scales differ, or the offset is negative or no whole number.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    remedy = "Choose strides and pads that bring both to one grid."
    if not np.all(scale == 1):
        raise BadCropError(f"the blobs differ in scale, by {scale}.", remedy)
    if not np.all(shift <= 0):
        raise BadCropError(f"the offset would be negative, {-shift}.", remedy)
    if not np.all(np.round(shift) == shift):
        raise BadCropError(f"the offset {-shift} is no whole number.", remedy)
    axis = 1 if axis is None else axis
    offset = (-np.round(np.atleast_1d(shift)).astype(int)).tolist()
    return L.Crop(top_from, top_to, crop_param={"axis": axis + 1, "offset": offset})
