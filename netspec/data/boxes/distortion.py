"""SSD's changes of colour, in OpenCV's 8-bit arithmetic.

Hues are half degrees, 0 to 180; what a change takes beyond 0 or 255 stays there.
Source: ``im_transforms.cpp`` of SSD; Howard 2013.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.data.boxes.draws import Draw
from netspec.data.draws import Row, coin, real, whole
from netspec.errors import SpecError
from netspec.proto import DistortionParameter

Picture = np.ndarray  # (H, W, 3) uint8, BGR
Floats = Any

FIELD = "transform_param.distort_param"
_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
_NO_CHANGE = 1e-3  # contrast this close to 1 is left alone


def check_distortion(param: DistortionParameter) -> None:
    """Refuse ranges that are none.

    Raises:
        SpecError: names the field.
    """
    for name in ("brightness_delta", "hue_delta", "contrast_lower", "saturation_lower"):
        if getattr(param, name) < 0:
            raise SpecError(
                f"{name} is {getattr(param, name):g}.",
                "Give at least 0.",
                field=f"{FIELD}.{name}",
            )
    for name in ("contrast", "saturation"):
        low, high = getattr(param, f"{name}_lower"), getattr(param, f"{name}_upper")
        if low > high:
            raise SpecError(
                f"{name} from {low:g} to {high:g}.",
                f"Give {name}_upper from {name}_lower on.",
                field=f"{FIELD}.{name}_upper",
            )


def distort(picture: Picture, param: DistortionParameter, draw: Row) -> Picture:
    """The picture (H, W, 3) with other colours, as a sample's words say."""
    steps = [_saturation, _hue]
    steps = [*steps, _contrast] if coin(draw[Draw.ORDER]) else [_contrast, *steps]
    for step in (_brightness, *steps, _channels):
        picture = step(picture, param, draw)
    return picture


def _happens(word: int, chance: float) -> bool:
    return real(word, 0, 1) < chance


def _brightness(picture: Picture, param: DistortionParameter, draw: Row) -> Picture:
    if not _happens(draw[Draw.IF_BRIGHTNESS], param.brightness_prob):
        return picture
    most = param.brightness_delta
    return _saturated(picture + np.float32(real(draw[Draw.BRIGHTNESS], -most, most)))


def _contrast(picture: Picture, param: DistortionParameter, draw: Row) -> Picture:
    if not _happens(draw[Draw.IF_CONTRAST], param.contrast_prob):
        return picture
    factor = real(draw[Draw.CONTRAST], param.contrast_lower, param.contrast_upper)
    if abs(factor - 1) <= _NO_CHANGE:
        return picture
    return _saturated(picture * np.float32(factor))


def _saturation(picture: Picture, param: DistortionParameter, draw: Row) -> Picture:
    if not _happens(draw[Draw.IF_SATURATION], param.saturation_prob):
        return picture
    low, high = param.saturation_lower, param.saturation_upper
    hsv = to_hsv(picture)
    factor = np.float32(real(draw[Draw.SATURATION], low, high))
    hsv[..., 1] = _saturated(hsv[..., 1] * factor)
    return from_hsv(hsv)


def _hue(picture: Picture, param: DistortionParameter, draw: Row) -> Picture:
    if not _happens(draw[Draw.IF_HUE], param.hue_prob):
        return picture
    hsv = to_hsv(picture)
    turn = np.float32(real(draw[Draw.HUE], -param.hue_delta, param.hue_delta))
    hsv[..., 0] = _saturated(hsv[..., 0] + turn)
    return from_hsv(hsv)


def _channels(picture: Picture, param: DistortionParameter, draw: Row) -> Picture:
    if not _happens(draw[Draw.IF_CHANNELS], param.random_order_prob):
        return picture
    order = _ORDERS[whole(draw[Draw.CHANNELS], len(_ORDERS))]
    return picture[:, :, list(order)]


def _saturated(values: Floats) -> Picture:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def to_hsv(picture: Picture) -> Picture:
    """Hue in half degrees, saturation and value, of blue, green and red."""
    blue, green, red = np.moveaxis(picture.astype(np.float32), 2, 0)
    value = np.maximum(np.maximum(blue, green), red)
    spread = value - np.minimum(np.minimum(blue, green), red)
    by = np.where(spread > 0, spread, 1)
    hue = np.where(
        value == red,
        (green - blue) / by,
        np.where(value == green, 2 + (blue - red) / by, 4 + (red - green) / by),
    )
    hue = np.rint(30 * hue)
    hue = np.where(hue < 0, hue + 180, hue)
    saturation = np.rint(255 * spread / np.where(value > 0, value, 1))
    return np.stack([hue, saturation, value], axis=2).astype(np.uint8)


def from_hsv(hsv: Picture) -> Picture:
    """Blue, green and red of :func:`to_hsv`; hues of 180 and more go round again."""
    hue, saturation, value = np.moveaxis(hsv.astype(np.float32), 2, 0)
    saturation = saturation / 255
    sector = (hue / 30) % 6
    planes = []
    for pure in (4, 2, 0):  # the sectors of blue, green and red
        away = np.abs((sector - pure + 3) % 6 - 3)
        planes.append(value * (1 - saturation * np.clip(away - 1, 0, 1)))
    return _saturated(np.stack(planes, axis=2))
