"""Which part of a picture a net sees, and how a transformation chooses it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from netspec.data.draws import Draw, Row, coin, real, whole
from netspec.data.rescale import Size, short_side_size


class View(NamedTuple):
    """A part of a picture, in its pixels, and what becomes of it.

    Attributes:
        y, x, height, width: the part; the angle turns it about its middle.
        size: pixels that it is sampled to.
        side: what the picture's shorter side becomes, as the paper's S; 0: it is kept.
        angle: degrees by which what is seen turns against the clock.
        mirror: whether it is turned left to right after that.
    """

    y: float
    x: float
    height: float
    width: float
    size: Size
    side: int = 0
    angle: float = 0.0
    mirror: bool = False

    @property
    def step(self) -> tuple[float, float]:
        """Pixels of the picture that a sampled pixel is high and wide."""
        return self.height / self.size.height, self.width / self.size.width

    @property
    def corners(self) -> list[tuple[float, float]]:
        """The four (x, y) that become the corners, from the upper left clockwise."""
        cosine, sine = math.cos(self.radians), math.sin(self.radians)
        middle_x, middle_y = self.x + self.width / 2, self.y + self.height / 2
        down, across = self.step
        # The angle is one of sampled pixels, which need not be square in the picture.
        high, wide = self.size.height / 2, self.size.width / 2
        found = []
        for right, low in ((-wide, -high), (wide, -high), (wide, high), (-wide, high)):
            x, y = right * cosine - low * sine, right * sine + low * cosine
            found.append((middle_x + x * across, middle_y + y * down))
        return found

    @property
    def radians(self) -> float:
        """The angle in radians."""
        return math.radians(self.angle)


@dataclass(frozen=True)
class Windows:
    """How a part of each picture is chosen.

    Attributes:
        crop: pixels a side of what the net sees; 0: the whole picture.
        sides: least and greatest S that pictures are rescaled to; None: none.
        area: least and greatest share of the picture's area; None: crops of fixed size.
        aspect: greatest width to height, and least, inverted.
        rotation: greatest angle, in degrees.
        mirror: flip half of them, in both phases.
        training: whether anything else is drawn.
    """

    crop: int
    sides: tuple[int, int] | None
    area: tuple[float, float] | None
    aspect: float
    rotation: float
    mirror: bool
    training: bool

    @property
    def moves_pixels(self) -> bool:
        """Whether pixels of the net are other than pixels of the picture."""
        return bool(self.sides or self.area or self.rotation)

    def view(self, height: int, width: int, draw: Row) -> View:
        """The part of a picture of *height* x *width* that a sample's words choose."""
        find = self._by_area if self.area else self._by_size
        view = find(height, width, draw)
        if self.training and self.rotation:
            angle = real(draw[Draw.ANGLE], -self.rotation, self.rotation)
            view = view._replace(angle=angle)
        mirrored = self.mirror and coin(draw[Draw.MIRROR])
        return view._replace(mirror=mirrored) if mirrored else view

    def target(self, height: int, width: int, draw: Row) -> Size:
        """The size that a picture is rescaled to before it is cropped."""
        side = self._side(draw)
        return short_side_size(height, width, side) if side else Size(height, width)

    def _side(self, draw: Row) -> int:
        if self.sides is None:
            return 0
        least, most = self.sides
        if not self.training:
            return (least + most) // 2
        if least == most:
            return least
        return least + whole(draw[Draw.SIDE], most - least + 1)

    def _by_size(self, height: int, width: int, draw: Row) -> View:
        scaled = self.target(height, width, draw)
        size = Size(self.crop, self.crop) if self.crop else scaled
        spare_y, spare_x = scaled.height - size.height, scaled.width - size.width
        y, x = spare_y // 2, spare_x // 2
        if self.training and self.crop:
            y, x = whole(draw[Draw.Y], spare_y + 1), whole(draw[Draw.X], spare_x + 1)
        down, across = height / scaled.height, width / scaled.width
        return View(
            y * down,
            x * across,
            size.height * down,
            size.width * across,
            size,
            self._side(draw),
        )

    def _by_area(self, height: int, width: int, draw: Row) -> View:
        assert self.area is not None
        size = Size(self.crop, self.crop)
        if not self.training:
            side = min(height, width)
            y, x = (height - side) / 2, (width - side) / 2
            return View(y, x, side, side, size)
        area = real(draw[Draw.AREA], *self.area) * height * width
        ratio = self.aspect ** real(draw[Draw.ASPECT], -1, 1)
        high = min(math.sqrt(area / ratio), height)
        wide = min(math.sqrt(area * ratio), width)
        y = real(draw[Draw.Y], 0, height - high)
        x = real(draw[Draw.X], 0, width - wide)
        return View(y, x, high, wide, size)
