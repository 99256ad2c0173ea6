"""Caffe's transformation of a picture: crop, mirror, subtract the mean, scale.

For a picture of shape (C, H, W), cropped at (y, x)::

    out[c, i, j] = (in[c, y + i, x + j] - mean[c, y + i, x + j]) * scale

and *j* counts from the right where it is mirrored.  The crop is at a random place in
TRAIN and in the centre in TEST; ``mirror`` flips a picture with chance 1/2 in both
phases.  Draws are keyed by the sample's number since training began.  Source:
``DataTransformer`` of Caffe.  What goes beyond it is in :mod:`netspec.data.augment`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.draws import CAFFES, Draw, Row, coin, rows, whole
from netspec.data.mean import read_mean
from netspec.data.protocols import Floats, Pixels, Raster
from netspec.data.rescale import Size
from netspec.data.view import View
from netspec.errors import DataError, SpecError
from netspec.proto import TransformationParameter
from netspec.random import Key
from netspec.shapes import Shape, describe


@dataclass(frozen=True)
class Means:
    """What is subtracted from pictures.

    Attributes:
        image: of the shape (C, H, W) of the uncropped pictures.
        values: of shape (C, 1, 1) or (1, 1, 1), instead.
    """

    image: Floats | None = None
    values: Floats | None = None

    @staticmethod
    def of(param: TransformationParameter, root: Path) -> Means:
        """Read the message; *root* is the folder a relative mean_file starts from.

        Raises:
            SpecError: mean_file beside mean_value.
            DataError: a mean_file that cannot be read.
        """
        image = (
            read_mean(root / param.mean_file) if param.HasField("mean_file") else None
        )
        values = None
        if param.mean_value:
            values = np.array(param.mean_value, np.float32).reshape(-1, 1, 1)
        if image is not None and values is not None:
            raise SpecError(
                "has both mean_file and mean_value.",
                "Keep one.",
                field="transform_param.mean_value",
            )
        return Means(image, values)

    @property
    def pixel(self) -> Floats:
        """The values, of shape (C,) or (1,); 0 where there are none."""
        return np.zeros(1, np.float32) if self.values is None else self.values.ravel()

    def part(self, view: View) -> Floats:
        """The image where pictures are seen that are not rescaled or turned."""
        assert self.image is not None
        y, x = round(view.y), round(view.x)
        part = self.image[:, y : y + view.size.height, x : x + view.size.width]
        return part[:, :, ::-1] if view.mirror else part

    def check(self, picture: Shape) -> None:
        """Refuse a picture (C, H, W) that is unlike the mean.

        Raises:
            DataError: it is.
        """
        if self.image is not None and self.image.shape != picture:
            raise DataError(
                f"is {describe(picture)}, and the mean image is "
                f"{describe(self.image.shape)}.",
                "Make a mean image of these pictures: netspec data mean.",
                field="transform_param.mean_file",
            )
        if self.values is not None and len(self.values) not in (1, picture[0]):
            raise DataError(
                f"has {picture[0]} channels, and mean_value is given "
                f"{len(self.values)} times.",
                "Give it once, or once a channel.",
                field="transform_param.mean_value",
            )


class Place(NamedTuple):
    """Where a picture is seen: the first row and column, and whether mirrored."""

    y: int
    x: int
    mirror: bool


@dataclass(frozen=True)
class Transform:
    """What ``transform_param`` asks of Caffe's transformation in one phase.

    See :class:`~netspec.data.protocols.Transformation`.

    Attributes:
        crop: pixels a side; 0: none.
        training: crop anywhere instead of in the centre.
    """

    crop: int
    mirror: bool
    scale: float
    means: Means
    training: bool
    key: Key

    @staticmethod
    def of(
        param: TransformationParameter, training: bool, key: Key, root: Path
    ) -> Transform:
        """Read the message; see :meth:`Means.of`."""
        means = Means.of(param, root)
        return Transform(
            param.crop_size, param.mirror, param.scale, means, training, key
        )

    def shape(self, picture: Shape) -> Shape:
        """The shape of a picture of shape *picture* after the transformation.

        Raises:
            DataError: the picture is smaller than the crop, or unlike the mean.
        """
        found = cropped_shape(picture, self.crop)
        self.means.check(picture)
        return found

    def draws(self, first: int, count: int) -> list[Row]:
        """The words of each of the samples from number *first* on, if it draws any."""
        if not self.mirror and not (self.training and self.crop):
            return [[]] * count
        return rows(self.key, first, count, CAFFES)

    def shrink(self, draw: Row) -> None:
        """Pixels are taken as they are: pictures are decoded in full."""

    def place(self, raster: Raster, draw: Row, out: Floats) -> None:
        """Crop and mirror one picture into *out*, and subtract the mean image."""
        self.take(raster.pixels, self.seen(raster.pixels.shape, draw), out)

    def take(self, pixels: Pixels, place: Place, out: Floats) -> None:
        """The same for a picture (C, H, W) that is seen at a given place."""
        _, high, wide = out.shape
        y, x, mirror = place
        rows = slice(None), slice(y, y + high), slice(x, x + wide)
        columns = slice(None, None, -1 if mirror else 1)
        np.copyto(out, pixels[rows][..., columns])
        if self.means.image is not None:
            out -= self.means.image[rows][..., columns]

    def finish(self, out: Floats) -> None:
        """Subtract mean values and scale, for any number of placed pictures."""
        if self.means.values is not None:
            out -= self.means.values
        if self.scale != 1:
            out *= np.float32(self.scale)

    def view(self, height: int, width: int, draw: Row) -> View:
        """The part of a picture that a sample's words choose."""
        y, x, mirror = self.seen((0, height, width), draw)
        size = Size(self.crop or height, self.crop or width)
        return View(y, x, *size, size, mirror=mirror)

    def seen(self, picture: Shape, draw: Row) -> Place:
        """Where that part of a picture of shape (C, H, W) is, in whole pixels."""
        _, height, width = picture
        y, x = 0, 0
        if self.crop:
            down, across = height - self.crop, width - self.crop
            y, x = down // 2, across // 2
            if self.training:
                y = whole(draw[Draw.Y], down + 1)
                x = whole(draw[Draw.X], across + 1)
        return Place(y, x, self.mirror and coin(draw[Draw.MIRROR]))


def cropped_shape(picture: Shape, crop: int) -> Shape:
    """The shape (C, H, W) of a picture after a crop of *crop* a side; 0: no crop.

    Raises:
        DataError: the picture is smaller.
    """
    channels, height, width = picture
    if min(height, width) < crop:
        raise DataError(
            f"is {describe(picture)}, smaller than crop_size {crop}.",
            "Lower crop_size, or make the pictures larger: short_side does.",
            field="transform_param.crop_size",
        )
    return (channels, crop, crop) if crop else picture
