"""Copies of image files at one size, as Caffe's resize_and_crop_images makes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from netspec.data.decode import Channels, Picture, decode, encode
from netspec.data.image_list import read_file
from netspec.data.rescale import short_side_size
from netspec.data.resize import resize
from netspec.data.threads import Progress, cores, in_order, silent
from netspec.errors import DataError, Place
from netspec.files import replacing


@dataclass(frozen=True)
class Resizing:
    """The size of the copies.

    Attributes:
        side: pixels of the shorter side.
        crop: keep the square in the middle alone.
    """

    side: int
    crop: bool = True

    def apply(self, picture: Picture) -> Picture:
        """A picture (H, W, C) at the new size, by Caffe's bilinear resizing."""
        high, wide, _ = picture.shape
        height, width = short_side_size(high, wide, self.side)
        picture = resize(picture, height, width)
        if not self.crop:
            return picture
        top, left = (height - self.side) // 2, (width - self.side) // 2
        return picture[top : top + self.side, left : left + self.side]

    def copy(self, source: Path, target: Path) -> None:
        """Make one copy, of the kind that its name says.

        Raises:
            DataError: no image, or it cannot be written.
        """
        try:
            picture = self.apply(decode(read_file(source), Channels.COLOR))
            data = encode(picture, target.suffix[1:].lower())
        except DataError as error:
            raise error.at(Place(str(source))) from None
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            temporary.write_bytes(data)


def resize_files(
    pairs: Sequence[tuple[Path, Path]],
    resizing: Resizing,
    skip: bool = False,
    workers: int = 0,
    progress: Progress = silent,
) -> Iterator[DataError]:
    """Copy every file to its target; gives what was wrong with those left out.

    Args:
        skip: leave out what is no image; else it is an error.
        workers: threads; 0: one a core.

    Raises:
        DataError: a bad file where it may not be left out.
    """

    def copy(pair: tuple[Path, Path]) -> DataError | None:
        try:
            resizing.copy(*pair)
        except DataError as error:
            return error
        return None

    done = in_order(copy, pairs, workers or cores())
    for number, error in enumerate(done, 1):
        progress(number, len(pairs))
        if error and not skip:
            raise error
        if error:
            yield error
