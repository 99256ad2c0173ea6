"""What is done to a picture before a model sees it, as one value that travels with it.

For a picture in 0 to 255, resized and cropped at (y, x)::

    in[c, i, j]  = pixel[channels[c], y + i, x + j] * range / 255
    out[c, i, j] = (in[c, i, j] - mean[c]) * scale[c]

with *j* counted from the right where it is mirrored.  With ``range: 255`` this is what
Caffe's ``transform_param`` does in TEST (:mod:`netspec.data.transform`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np

from netspec.data.protocols import Floats, Pixels
from netspec.data.rescale import Resize
from netspec.errors import DataError
from netspec.registry import suggest
from netspec.shapes import Shape, describe

CHANNELS = {"bgr": 3, "rgb": 3, "gray": 1}
_WHITE = 255
_HASH_DIGITS = 12


class Window(NamedTuple):
    """A part of a picture, in pixels, and whether it is turned left to right."""

    y: int
    x: int
    height: int
    width: int
    mirror: bool = False


@dataclass(frozen=True)
class Preprocess:
    """Colour order, range, mean, scale, resize rule, crop and class names.

    Attributes:
        channels: ``bgr``, ``rgb`` or ``gray``: what channel 0, 1, ... of the input is.
        range: what a white pixel is before the mean is subtracted: 255 or 1.
        mean: nothing, one value, or one a channel, in units of *range*.
        mean_image: (C, H, W) instead of *mean*, for pictures of exactly that size.
        scale: one factor, or one a channel.
        resize: applied to a whole picture; None: not known, as where a database was
            made of resized pictures.
        crop: (height, width) of the net's input; None: whatever the net takes.
        train_scale: S of the VGG paper: least and greatest shorter side in training.
        classes: names in the order of the net's outputs; None: not known.

    Raises:
        DataError: values that make no sense together.
    """

    channels: str
    range: float = _WHITE
    mean: tuple[float, ...] = ()
    mean_image: Floats | None = field(default=None, compare=False, repr=False)
    scale: tuple[float, ...] = (1.0,)
    resize: Resize | None = None
    crop: tuple[int, int] | None = None
    train_scale: tuple[int, int] | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.channels not in CHANNELS:
            raise DataError(
                f"unknown channels {self.channels!r}.", suggest(self.channels, CHANNELS)
            )
        _positive("range", (self.range,))
        self._check_counts()
        for name in ("crop", "train_scale"):
            pair = getattr(self, name)
            if pair is not None:
                _positive(name, pair, 2)
        if self.train_scale and self.train_scale[0] > self.train_scale[1]:
            raise DataError(
                f"train_scale {list(self.train_scale)} ends before it begins.",
                "Give the least shorter side first.",
            )

    def _check_counts(self) -> None:
        allowed = (1, self.depth)
        if len(self.scale) not in allowed or not all(map(_real, self.scale)):
            raise _bad("scale", self.scale, self.depth)
        if len(self.mean) not in (0, *allowed) or not all(map(_real, self.mean)):
            raise _bad("mean", self.mean, self.depth)
        image = self.mean_image
        if image is None:
            return
        if self.mean or image.ndim != 3 or len(image) not in allowed:
            raise DataError(
                f"a mean image of {describe(image.shape)} for {self.depth} channels"
                f"{' beside mean values' if self.mean else ''}.",
                "Give mean values, or one image of C x H x W.",
            )

    @property
    def depth(self) -> int:
        """Channels of the input."""
        return CHANNELS[self.channels]

    @property
    def mean_pixel(self) -> Floats:
        """The mean as (1 or C,) values; of an image, the average over its places."""
        if self.mean_image is not None:
            return self.mean_image.mean((1, 2), dtype=np.float64).astype(np.float32)
        return np.array(self.mean or (0.0,), np.float32)

    def with_(self, **changes: Any) -> Self:
        """The same with other values."""
        return replace(self, **changes)

    def same_arithmetic(self, other: Preprocess) -> bool:
        """Whether both make the same numbers of the same resized picture."""
        mine, theirs = self.mean_image, other.mean_image
        if (mine is None) != (theirs is None):
            return False
        return self._factors() == other._factors() and (
            mine is None or theirs is None or np.array_equal(mine, theirs)
        )

    def _factors(self) -> tuple[Any, ...]:
        """Channels, range, mean and scale as a model feels them: float32, spread."""
        mean = np.broadcast_to(np.array(self.mean or (0.0,), np.float32), self.depth)
        scale = np.broadcast_to(np.array(self.scale, np.float32), self.depth)
        return self.channels, np.float32(self.range), tuple(mean), tuple(scale)

    def reduces_mean(self, size: Shape) -> bool:
        """Whether a picture of (height, width) is not of the mean image's size, so that
        the mean pixel is subtracted instead."""
        return self.mean_image is not None and self.mean_image.shape[1:] != tuple(size)

    def tensor(self, picture: Pixels, window: Window | None = None) -> Floats:
        """A resized picture (C, H, W), BGR where C is 3, as the net takes it.

        Returns:
            A new array (C, height, width) of float32.

        Raises:
            DataError: the picture has another number of channels.
        """
        if len(picture) != self.depth:
            raise DataError(
                f"has {len(picture)} channels, and the model takes {self.channels}.",
                "Convert the picture, or choose another preprocessing.",
            )
        y, x, height, width, mirror = window or Window(0, 0, *picture.shape[1:])
        rows, columns = slice(y, y + height), slice(x, x + width)
        ordered = picture[::-1] if self.channels == "rgb" else picture
        out = np.array(ordered[:, rows, columns], np.float32, order="C")
        if self.range != _WHITE:
            out /= np.float32(_WHITE / self.range)
        self._centre(out, picture.shape[1:], (rows, columns))
        if self.scale != (1.0,):
            out *= np.array(self.scale, np.float32).reshape(-1, 1, 1)
        return np.ascontiguousarray(out[:, :, ::-1]) if mirror else out

    def _centre(self, out: Floats, whole: Shape, part: tuple[slice, slice]) -> None:
        if self.mean_image is not None and not self.reduces_mean(whole):
            out -= self.mean_image[:, part[0], part[1]]
        elif self.mean or self.mean_image is not None:
            out -= self.mean_pixel.reshape(-1, 1, 1)

    def __str__(self) -> str:
        image = self.mean_image
        mean = _numbers(self.mean or (0,))
        parts = [
            f"{self.channels} 0-{self.range:g}",
            f"mean {mean if image is None else f'image {describe(image.shape)}'}",
            f"scale {_numbers(self.scale)}",
            f"resize {self.resize or 'not known'}",
            f"crop {describe(self.crop) if self.crop else 'the input of the net'}",
        ]
        return ", ".join(parts)


def class_hash(classes: Sequence[str]) -> str:
    """Twelve digits that tell two orders of classes apart: of the SHA-256 of the names,
    one a line."""
    text = "".join(name + "\n" for name in classes).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:_HASH_DIGITS]


def _real(value: float) -> bool:
    return math.isfinite(value)


def _positive(name: str, values: Sequence[float], count: int = 1) -> None:
    if len(values) != count or not all(_real(v) and v > 0 for v in values):
        raise DataError(
            f"{name} is {list(values) if count > 1 else values[0]}.",
            f"Give {'a number' if count == 1 else f'{count} numbers'} above 0.",
        )


def _bad(name: str, values: Sequence[float], depth: int) -> DataError:
    return DataError(
        f"{name} is {list(values)} for {depth} channels.",
        "Give one finite number, or one a channel.",
    )


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{v:g}" for v in values)
