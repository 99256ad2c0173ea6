"""Random changes of colour: jitter, and the shift along principal axes.

Each but the mean that contrast needs is an affine map of a colour (B, G, R), so a
picture's changes are put together first and carried out in one pass. Formulas stand in
``transform_param`` of the schema. Sources: Krizhevsky et al. (2012), section 4.1, for
the shift; the VGG paper, section 3.1, takes it over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netspec.data.draws import Draw, Row, normals, real
from netspec.data.protocols import Floats

Doubles = NDArray[np.float64]

GREY = np.array([0.114, 0.587, 0.299])  # of blue, green, red

# ImageNet's principal axes (red, green, blue) and deviations along them, of values in 0
# to 1, as reimplementations of Krizhevsky's shift have published them.
_DEVIATIONS = np.array([0.2175, 0.0188, 0.0045])
_AXES = np.array(
    [
        [-0.5675, -0.5808, -0.5836],
        [0.7192, -0.0045, -0.6948],
        [0.4009, -0.8140, 0.4203],
    ]
)
IMAGENET_AXES: Doubles = 255 * _DEVIATIONS[:, None] * _AXES[:, ::-1]


@dataclass(frozen=True)
class Colours:
    """How far colours are changed; see ``transform_param``.

    Attributes:
        axes: (3, 3), a row an axis (B, G, R) as long as the deviation along it.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    shift_std: float = 0.0
    axes: NDArray[np.float64] | None = None

    @property
    def mixes(self) -> bool:
        """Whether more than a constant is added to each channel."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))

    @property
    def changes(self) -> bool:
        """Whether anything is done at all."""
        return self.mixes or self.shift_std > 0

    def shift(self, draw: Row) -> Doubles:
        """What is added to each channel: (3,), or (1,) for any number of them."""
        if not self.shift_std:
            return np.zeros(1)
        amounts = normals(draw[Draw.SHIFT : Draw.SHIFT + 4])[:3]
        axes = IMAGENET_AXES if self.axes is None else self.axes
        return self.shift_std * (np.array(amounts) @ axes)

    def mixture(self, picture: Floats, draw: Row) -> tuple[Doubles, Doubles]:
        """The matrix (3, 3) and offset (3,) that colours of *picture* undergo."""
        matrix, offset = np.eye(3), np.zeros(3)
        if self.brightness:
            matrix *= _around_one(draw[Draw.BRIGHTNESS], self.brightness)
        if self.contrast:
            factor = _around_one(draw[Draw.CONTRAST], self.contrast)
            means = np.array([plane.mean(dtype=np.float64) for plane in picture])
            offset += (1 - factor) * (GREY @ matrix @ means)
            matrix *= factor
        if self.saturation:
            factor = _around_one(draw[Draw.SATURATION], self.saturation)
            grey = (1 - factor) * np.tile(GREY, (3, 1)) + factor * np.eye(3)
            matrix, offset = grey @ matrix, grey @ offset
        if self.hue:
            turn = _about_grey(real(draw[Draw.HUE], -self.hue, self.hue))
            matrix, offset = turn @ matrix, turn @ offset
        return matrix, offset + self.shift(draw)


def _around_one(word: int, most: float) -> float:
    return real(word, 1 - most, 1 + most)


def _about_grey(degrees: float) -> Doubles:
    """The rotation about the axis B = G = R."""
    angle = math.radians(degrees)
    cross = np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    whole = np.full((3, 3), (1 - math.cos(angle)) / 3)
    turned: Doubles = math.cos(angle) * np.eye(3) + whole + math.sin(angle) * cross
    return turned
