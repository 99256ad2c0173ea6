"""Resizing whole pictures by a named rule and a named filter.

A model is used to the pixels it was trained on, and libraries differ by several grey
levels (:mod:`netspec.data.resize` says how), so a rule without its filter says little.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netspec.data.resize import resize
from netspec.errors import NetspecError, UsageError
from netspec.registry import Registry, suggest

Picture = NDArray[np.uint8]  # (H, W, C)
Resized = NDArray[np.uint8] | NDArray[np.float32]
OPENCV, TRIANGLE = "opencv-bilinear", "triangle"

Filter = Callable[[Picture, int, int], Resized]
FILTERS: Registry[Filter] = Registry("resize filter", UsageError)
FILTERS(OPENCV)(resize)

RULES = {"none": 0, "short-side": 1, "squash": 2}  # and how many numbers each takes


class Size(NamedTuple):
    """Height and width, in pixels."""

    height: int
    width: int


def _pil(name: str) -> Filter:
    """Pillow's filter of that name: smooths where it shrinks, but for ``nearest``."""

    def filtered(picture: Picture, height: int, width: int) -> Resized:
        from PIL import Image

        if picture.shape[:2] == (height, width):
            return picture
        flat = picture[:, :, 0] if picture.shape[2] == 1 else picture
        image = Image.fromarray(np.ascontiguousarray(flat))
        method = Image.Resampling[name.upper()]
        return np.asarray(image.resize((width, height), method)).reshape(
            height, width, -1
        )

    return filtered


@FILTERS(TRIANGLE)
def _triangle(picture: Picture, height: int, width: int) -> Resized:
    """What ``transform_param { short_side }`` samples by: smooths, rounds nothing."""
    from netspec.data.protocols import Raster
    from netspec.data.resample import sample
    from netspec.data.view import View

    if picture.shape[:2] == (height, width):
        return picture
    out = np.empty((picture.shape[2], height, width), np.float32)
    high, wide = picture.shape[:2]
    whole = View(0, 0, high, wide, Size(height, width))
    sample(Raster.of(picture.transpose(2, 0, 1)), whole, np.zeros(1), 1.0, out)
    return out.transpose(1, 2, 0)


for _name in ("nearest", "bilinear", "bicubic", "lanczos"):
    FILTERS(f"pil-{_name}")(_pil(_name))


def short_side_size(height: int, width: int, short: int) -> Size:
    """The size at which the shorter side is *short*, the other side rounded."""
    least = min(height, width)
    return Size(
        *((2 * side * short + least) // (2 * least) for side in (height, width))
    )


@dataclass(frozen=True)
class Resize:
    """What a picture is resized to before it is cropped.

    Attributes:
        rule: ``none``; ``short-side``: isotropic, the shorter side becomes *size*;
            ``squash``: to height and width *size* whatever the shape was.
        size: pixels: (), (short side,) or (height, width).
        filter: one of :data:`FILTERS`.

    Raises:
        UsageError: an unknown rule or filter, or a size that does not suit the rule.
    """

    rule: str
    size: tuple[int, ...] = ()
    filter: str = OPENCV

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UsageError(
                f"unknown resize rule {self.rule!r}.", suggest(self.rule, RULES)
            )
        FILTERS[self.filter]
        if len(self.size) != RULES[self.rule] or min(self.size, default=1) < 1:
            raise UsageError(
                f"resize rule {self.rule!r} is given the size {list(self.size)}.",
                "Write none, short-side:PIXELS or squash:HEIGHTxWIDTH, with numbers "
                "above 0.",
            )

    def target(self, height: int, width: int) -> Size:
        """The size of a picture of (height, width) after resizing."""
        if self.rule == "short-side":
            return short_side_size(height, width, self.size[0])
        return Size(*self.size) if self.rule == "squash" else Size(height, width)

    def __call__(self, picture: Picture) -> Resized:
        """A picture (H, W, C), resized."""
        target = self.target(*picture.shape[:2])
        return FILTERS[self.filter](picture, *target)

    def __str__(self) -> str:
        if self.rule == "none":
            return "none"
        return f"{self.rule}:{'x'.join(map(str, self.size))}:{self.filter}"


def parse_resize(text: str) -> Resize:
    """``none``, ``short-side:256``, ``squash:224`` or ``squash:224x192:pil-bicubic``.

    Raises:
        UsageError: none of these.
    """
    rule, _, rest = text.partition(":")
    size, _, filter_ = rest.partition(":")
    try:
        numbers = tuple(int(n) for n in size.split("x") if n)
        if rule == "squash" and len(numbers) == 1:
            numbers *= 2
        return Resize(rule, numbers, filter_ or OPENCV)
    except (ValueError, NetspecError) as error:
        reason = f" ({error.problem})" if isinstance(error, NetspecError) else ""
        raise UsageError(
            f"cannot resize by {text!r}{reason or '.'}",
            f"Write none, short-side:PIXELS[:FILTER] or squash:HEIGHTxWIDTH[:FILTER]; "
            f"filters are {', '.join(FILTERS)}.",
        ) from None
