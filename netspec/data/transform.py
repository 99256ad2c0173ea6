"""Caffe's transformation of a picture: crop, mirror, subtract the mean, scale.

For a picture of shape (C, H, W), cropped at (y, x)::

    out[c, i, j] = (in[c, y + i, x + j] - mean[c, y + i, x + j]) * scale

and *j* counts from the right where it is mirrored.  The crop is at a random place in
TRAIN and in the centre in TEST; ``mirror`` flips a picture with chance 1/2 in both
phases.  Draws are keyed by the sample's number since training began.  Source:
``DataTransformer`` of Caffe.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netspec.data.mean import read_mean
from netspec.data.protocols import Floats, Pixels
from netspec.errors import DataError, SpecError
from netspec.proto import TransformationParameter
from netspec.random import Key, Words, words
from netspec.shapes import Shape, describe

_WORD = 1 << 32
_MIRROR, _Y, _X, _DRAWS = 0, 1, 2, 4  # the fourth is to spare: they come in fours


@dataclass(frozen=True)
class Transform:
    """What ``transform_param`` asks for in one phase.

    Attributes:
        crop: pixels a side; 0: none.
        training: crop anywhere instead of in the centre.
        mean_image: to subtract, of the shape (C, H, W) of the uncropped pictures.
        mean_values: to subtract, of shape (C, 1, 1) or (1, 1, 1).
    """

    crop: int
    mirror: bool
    scale: float
    mean_image: Floats | None
    mean_values: Floats | None
    training: bool
    key: Key

    @staticmethod
    def of(
        param: TransformationParameter, training: bool, key: Key, root: Path
    ) -> Transform:
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
        scale = param.scale
        return Transform(
            param.crop_size, param.mirror, scale, image, values, training, key
        )

    def shape(self, picture: Shape) -> Shape:
        """The shape of a picture of shape *picture* after the transformation.

        Raises:
            DataError: the picture is smaller than the crop, or unlike the mean.
        """
        channels, height, width = picture
        if min(height, width) < self.crop:
            raise DataError(
                f"is {describe(picture)}, smaller than crop_size {self.crop}.",
                "Lower crop_size, or make the pictures larger.",
                field="transform_param.crop_size",
            )
        self._check_mean(picture)
        return (channels, self.crop, self.crop) if self.crop else picture

    def _check_mean(self, picture: Shape) -> None:
        if self.mean_image is not None and self.mean_image.shape != picture:
            raise DataError(
                f"is {describe(picture)}, and the mean image is "
                f"{describe(self.mean_image.shape)}.",
                "Make a mean image of these pictures: netspec data mean.",
                field="transform_param.mean_file",
            )
        if self.mean_values is not None and len(self.mean_values) not in (
            1,
            picture[0],
        ):
            raise DataError(
                f"has {picture[0]} channels, and mean_value is given "
                f"{len(self.mean_values)} times.",
                "Give it once, or once a channel.",
                field="transform_param.mean_value",
            )

    def draws(self, first: int, count: int) -> list[list[int]]:
        """What each of the samples from number *first* on hands to :meth:`place`."""
        if not self.mirror and not (self.training and self.crop):
            return [[]] * count
        rows: list[list[int]] = _words(self.key, first, count).tolist()
        return rows

    def place(self, picture: Pixels, draw: list[int], out: Floats) -> None:
        """Crop and mirror one picture into *out*, and subtract the mean image."""
        window = self._window(picture.shape, draw)
        np.copyto(out, picture[window])
        if self.mean_image is not None:
            out -= self.mean_image[window]

    def finish(self, out: Floats) -> None:
        """Subtract mean values and scale, for any number of placed pictures."""
        if self.mean_values is not None:
            out -= self.mean_values
        if self.scale != 1:
            out *= np.float32(self.scale)

    def _window(self, shape: Shape, draw: list[int]) -> tuple[slice, ...]:
        _, height, width = shape
        y, x, high, wide = 0, 0, height, width
        if self.crop:
            high = wide = self.crop
            y, x = (height - high) // 2, (width - wide) // 2
            if self.training:
                y = draw[_Y] * (height - high + 1) // _WORD
                x = draw[_X] * (width - wide + 1) // _WORD
        columns = slice(x, x + wide)
        if self.mirror and draw[_MIRROR] % 2:
            columns = slice(x + wide - 1, x - 1 if x else None, -1)
        return slice(None), slice(y, y + high), columns


def _words(key: Key, first: int, count: int) -> Words:
    """The words of samples *first* to *first + count*, whose numbers may pass 2³²."""
    cycle, sample = divmod(first, _WORD)
    here = min(count, _WORD - sample)
    drawn = words(key.at(cycle), here, _DRAWS, sample)
    if here == count:
        return drawn
    return np.concatenate((drawn, _words(key, first + here, count - here)))
