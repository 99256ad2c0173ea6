"""Windows cut out of images, with some of what is around them, as Caffe's WindowData.

Sample *n* of training is sample ``n % batch`` of its batch; the last ``fg_fraction`` of
a batch are foreground windows, the first are background.  Which window it is, and
whether it is mirrored, follows from the seed and *n* alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.decode import Channels, decode
from netspec.data.image_list import read_file
from netspec.data.mean import read_mean
from netspec.data.naming import about, printable
from netspec.data.protocols import Floats
from netspec.data.resize import resize
from netspec.data.window_cut import Cut
from netspec.data.windows import Windows
from netspec.errors import DataError, SpecError
from netspec.proto import TransformationParameter
from netspec.random import Key, stream_words
from netspec.shapes import Shape, describe

CHANNELS = 3
_FILES_KEPT = 4
_DRAWS = 4  # words a sample: which window, whether mirrored, and two to spare
_WORD = 1 << 32


class WindowPixels(NamedTuple):
    """What is done to pixels: (x - mean) · scale, mirrored with chance 1/2.

    *mean* is an image (3, H, W), values (3, 1, 1) or (1, 1, 1), or None.
    """

    mean: Floats | None
    scale: float
    mirror: bool


def window_mean(param: TransformationParameter, root: Path) -> Floats | None:
    """The mean to subtract from samples of ``crop_size``.

    Of a mean image it is the part that begins where the middle one begins in a row,
    down as well as across.

    Raises:
        SpecError: mean_file beside mean_value.
        DataError: the mean image cannot be read, or is too small.
    """
    if param.HasField("mean_file") and param.mean_value:
        raise SpecError(
            "has both mean_file and mean_value.",
            "Keep one.",
            field="transform_param.mean_value",
        )
    if len(param.mean_value) not in (0, 1, CHANNELS):
        raise SpecError(
            f"mean_value is given {len(param.mean_value)} times.",
            f"Give it once, or {CHANNELS} times.",
            field="transform_param.mean_value",
        )
    if param.mean_value:
        return np.array(param.mean_value, np.float32).reshape(-1, 1, 1)
    if not param.HasField("mean_file"):
        return None
    return _middle(read_mean(root / param.mean_file), param.crop_size)


def _middle(image: Floats, size: int) -> Floats:
    start = (image.shape[2] - size) // 2
    part = image[:, max(start, 0) : start + size, max(start, 0) : start + size]
    if start < 0 or part.shape != (CHANNELS, size, size):
        raise DataError(
            f"a mean image of {describe(image.shape)} does not cover crop_size {size}.",
            "Make one of three channels that is at least as large.",
            field="transform_param.mean_file",
        )
    return part


class WindowReader:
    """Samples (N, 3, size, size) and labels (N,).

    See :class:`~netspec.data.protocols.Reader`.

    Args:
        files: the images, by number.
        batch, foreground: samples of a batch, and how many of them are foreground.
        key: of the draws.
        keep: keep the bytes of all images in memory.
    """

    decodes = True
    fixed_shape = True

    def __init__(
        self,
        windows: Windows,
        files: list[Path],
        batch: int,
        foreground: int,
        cut: Cut,
        pixels: WindowPixels,
        key: Key,
        keep: bool = False,
    ) -> None:
        self._windows, self._files = windows, files
        self._background = batch - foreground
        self._batch = batch
        self._cut, self._pixels, self._key = cut, pixels, key
        self._bytes = lru_cache(maxsize=None if keep else _FILES_KEPT)(self._read_file)

    def __len__(self) -> int:
        return len(self._windows.foreground) + len(self._windows.background)

    def describe(self, index: int) -> str:
        """A sample's window is drawn, so no number of a record says which it is."""
        return f"sample {index}"

    def shapes(self) -> tuple[Shape, ...]:
        """Shape of one sample, and of its label."""
        return (CHANNELS, self._cut.size, self._cut.size), ()

    def read(
        self, indices: Sequence[int], first: int, out: tuple[Floats, ...] | None
    ) -> tuple[Floats, ...]:
        """Samples from number *first* on, as many as there are *indices*."""
        count = len(indices)
        shapes = ((count, *shape) for shape in self.shapes())
        data, labels = out or tuple(np.empty(s, np.float32) for s in shapes)
        drawn = stream_words(self._key, first, count, _DRAWS).tolist()
        for row, (which, flip, *_) in enumerate(drawn):
            image, label, *corners = self._window(first + row, which)
            mirror = self._pixels.mirror and flip % 2 == 1
            labels[row] = label
            try:
                self._fill(data[row], image, corners, mirror)
            except DataError as error:
                raise about(self._name(image), error) from None
        return data, labels

    def _window(self, sample: int, word: int) -> list[int]:
        """The window that a sample draws: image, label and corners."""
        from_back = sample % self._batch < self._background
        rows = self._windows.background if from_back else self._windows.foreground
        window: list[int] = rows[word * len(rows) // _WORD].tolist()
        return window

    def _fill(
        self, out: Floats, image: int, corners: Sequence[int], mirror: bool
    ) -> None:
        picture = decode(self._bytes(image), Channels.COLOR)
        place = self._cut.place(corners, picture.shape[:2], mirror)
        out.fill(0)
        if min(place.height, place.width) < 1:  # all but the margin is rounded away
            return
        part = picture[place.top : place.bottom, place.left : place.right]
        pixels = resize(part, place.height, place.width)
        if mirror:
            pixels = pixels[:, ::-1]
        rows = slice(place.down, place.down + place.height)
        columns = slice(place.across, place.across + place.width)
        target = out[:, rows, columns]
        np.copyto(target, pixels.transpose(2, 0, 1))
        mean = self._pixels.mean
        if mean is not None:
            target -= mean[:, rows, columns] if mean.shape[1] > 1 else mean
        target *= np.float32(self._pixels.scale)

    def _read_file(self, image: int) -> bytes:
        return read_file(self._files[image])

    def _name(self, image: int) -> str:
        return f"image '{printable(str(self._files[image]))}'"
