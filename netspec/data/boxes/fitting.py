"""Bringing a picture and its boxes to one size: SSD's ``resize_param``."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from netspec.data.boxes.draws import Draw
from netspec.data.boxes.objects import Boxes, Objects
from netspec.data.boxes.scaling import scale
from netspec.data.draws import Row, whole
from netspec.errors import SpecError
from netspec.proto import ResizeParameter

Picture = np.ndarray  # (H, W, C) uint8
FIELD = "transform_param.resize_param"
_EDGES = {
    ResizeParameter.MIRRORED: "reflect",
    ResizeParameter.REPEAT_NEAREST: "edge",
}


class Size(NamedTuple):
    """Pixels."""

    height: int
    width: int


def check_resize(param: ResizeParameter, cropped: bool) -> None:
    """Refuse what has no size, or gives every picture its own.

    Raises:
        SpecError: names the field.
    """
    if param.height < 1 or param.width < 1:
        raise SpecError(
            f"resizes to {param.height} x {param.width}.",
            "Set height and width, each at least 1.",
            field=FIELD,
        )
    if param.resize_mode == ResizeParameter.FIT_SMALL_SIZE and not cropped:
        raise SpecError(
            "resize_mode FIT_SMALL_SIZE gives pictures of many forms many sizes.",
            "Set crop_size, or choose WARP or FIT_LARGE_SIZE_AND_PAD.",
            field=f"{FIELD}.resize_mode",
        )
    if (param.height_scale > 0) != (param.width_scale > 0):
        raise SpecError(
            f"has height_scale {param.height_scale}, width_scale {param.width_scale}.",
            "Set both, or neither.",
            field=f"{FIELD}.height_scale",
        )


def fit(
    picture: Picture, objects: Objects, param: ResizeParameter, draw: Row
) -> tuple[Picture, Objects]:
    """The picture at its size, and where its objects are now."""
    modes = list(param.interp_mode) or [ResizeParameter.LINEAR]
    mode = modes[whole(draw[Draw.INTERPOLATION], len(modes))]
    before = Size(*picture.shape[:2])
    size, within = sizes(param, before)
    picture = scale(picture, *within, mode)
    if param.resize_mode != ResizeParameter.FIT_LARGE_SIZE_AND_PAD:
        return picture, objects.moved(_pair(1, 1), _pair(0, 0))
    factor = _share(before.width / before.height, size.width / size.height)
    top, left = (size.height - within.height) // 2, (size.width - within.width) // 2
    picture = _padded(picture, size, top, left, param)
    return picture, objects.moved(factor, (1 - factor) / 2)


def sizes(param: ResizeParameter, before: Size) -> tuple[Size, Size]:
    """The size of the result, and of the picture in it."""
    aspect, wanted = before.width / before.height, Size(param.height, param.width)
    wider = aspect > wanted.width / wanted.height
    by_width = Size(max(1, math.floor(wanted.width / aspect)), wanted.width)
    by_height = Size(wanted.height, max(1, math.floor(wanted.height * aspect)))
    if param.resize_mode == ResizeParameter.FIT_LARGE_SIZE_AND_PAD:
        return wanted, by_width if wider else by_height
    if param.resize_mode == ResizeParameter.FIT_SMALL_SIZE:
        narrower = aspect < wanted.width / wanted.height
        covering = by_width if narrower else by_height
        return covering, covering
    return wanted, wanted


def _share(aspect: float, wanted: float) -> Boxes:
    """How much of a padded picture's width and height the picture takes."""
    return _pair(min(1, aspect / wanted), min(1, wanted / aspect))


def _pair(x: float, y: float) -> Boxes:
    return np.array([x, y], np.float32)


def _padded(
    picture: Picture, size: Size, top: int, left: int, param: ResizeParameter
) -> Picture:
    height, width, channels = picture.shape
    edges = (
        (top, size.height - height - top),
        (left, size.width - width - left),
        (0, 0),
    )
    if param.pad_mode != ResizeParameter.CONSTANT:
        return np.pad(picture, edges, mode=_EDGES[param.pad_mode])  # type: ignore[call-overload,no-any-return]
    values = list(param.pad_value) or [0.0]
    out = np.empty((*size, channels), np.uint8)
    out[...] = np.rint(values).clip(0, 255).astype(np.uint8)
    out[top : top + height, left : left + width] = picture
    return out
