"""netspec's own transformation of a picture: rescaled, cropped, turned, recoloured.

``transform_param`` of the schema has the formulas. A picture is sampled once, at the
places that the net sees, from a JPEG decoded no larger than that needs. Only TRAIN
decodes smaller: there a little noise does no harm, while a test should see the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netspec.data.augment_param import read_colours, read_windows
from netspec.data.colour import Colours
from netspec.data.draws import ALL, Row, rows
from netspec.data.protocols import Floats, Raster, Shrink
from netspec.data.resample import recolour, sample
from netspec.data.transform import Means, cropped_shape
from netspec.data.view import View, Windows
from netspec.errors import DataError, SpecError
from netspec.proto import TransformationParameter
from netspec.random import Key
from netspec.shapes import Shape

_OWN = 1000  # the number from which fields are netspec's own
_FIRST: Row = [0] * ALL


def is_own(param: TransformationParameter) -> bool:
    """Whether a message asks for more than Caffe's transformation."""
    return any(field.number >= _OWN for field, _ in param.ListFields())


@dataclass(frozen=True)
class Augment:
    """What ``transform_param`` asks for in one phase, beyond Caffe's.

    See :class:`~netspec.data.protocols.Transformation`.
    """

    windows: Windows
    colours: Colours
    means: Means
    scale: float
    key: Key

    @staticmethod
    def of(
        param: TransformationParameter, training: bool, key: Key, means: Means
    ) -> Augment:
        """Read the message.

        Raises:
            SpecError: fields that make no sense, alone or together.
        """
        windows = read_windows(param, training)
        if means.image is not None and windows.moves_pixels:
            raise SpecError(
                "subtracts a mean image from pictures that are rescaled or turned.",
                "Give mean_value instead: netspec data mean prints it.",
                field="transform_param.mean_file",
            )
        return Augment(windows, read_colours(param, training), means, param.scale, key)

    @property
    def crop(self) -> int:
        """Pixels a side of what the net sees; 0: as large as the picture becomes."""
        return self.windows.crop

    def shape(self, picture: Shape) -> Shape:
        """The shape of a picture of shape *picture* after the transformation.

        Raises:
            DataError: too small for the crop, grey where colours change, or unlike the
                mean.
        """
        channels, *size = picture
        if self.colours.changes and channels != 3:
            raise DataError(
                f"has {channels} channels, and colours of 3 are to be changed.",
                "Set force_color, which makes coloured pictures of grey files.",
                field="transform_param.force_color",
            )
        self.means.check(picture)
        if self.windows.area:
            return (channels, self.crop, self.crop)
        target = self.windows.target(size[0], size[1], _FIRST)
        return cropped_shape((channels, *target), self.crop)

    def draws(self, first: int, count: int) -> list[Row]:
        """The words of each of the samples from number *first* on."""
        return rows(self.key, first, count, ALL)

    def shrink(self, draw: Row) -> Shrink | None:
        """How many times smaller a sample's picture may be decoded."""
        if not self.windows.training:
            return None
        return lambda height, width: min(self.view(height, width, draw).step)

    def view(self, height: int, width: int, draw: Row) -> View:
        """The part of a picture that a sample's words choose."""
        return self.windows.view(height, width, draw)

    def place(self, raster: Raster, draw: Row, out: Floats) -> None:
        """Turn one picture into *out*, finished."""
        view = self.view(raster.height, raster.width, draw)
        # A mean image, of which each place differs, comes off in a pass of its own.
        plain = self.means.image is None
        pixel, scale = (self.means.pixel, self.scale) if plain else (0.0, 1.0)
        if self.colours.mixes:
            sample(raster, view, np.zeros(3), 1.0, out)
            matrix, offset = self.colours.mixture(out, draw)
            recolour(out, scale * matrix, scale * (offset - pixel))
        else:
            sample(raster, view, self.colours.shift(draw) - pixel, scale, out)
        if not plain:
            out -= self.means.part(view)
            out *= np.float32(self.scale)

    def finish(self, out: Floats) -> None:
        """Nothing is left to do for the placed pictures."""
