"""A list of image files as a source of pictures.

A line is a path, a space and a label; the path may hold spaces.  This is the list that
Caffe's ImageData layer and ``convert_imageset`` read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from netspec.data.decode import Channels, decode, decode_raster
from netspec.data.naming import about, printable
from netspec.data.protocols import Pixels, Raster, Shrink
from netspec.data.resize import resize
from netspec.errors import DataError, Place

_LABEL = re.compile(r"[+-]?\d{1,10}\Z", re.ASCII)
_LABELS = range(-(2**31), 2**31)  # what a Datum holds
_LINE = "Write a path, a space and an integer label on each line."


class Entry(NamedTuple):
    """An image of a list."""

    path: str
    label: int
    line: int


def read_list(path: Path) -> list[Entry]:
    """The images of a list file; blank lines are passed over.

    Raises:
        DataError: unreadable, without an image, or with a line that has no label.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            entries = [_entry(path, n, line) for n, line in enumerate(file, 1)]
    except OSError as error:
        raise DataError(
            f"cannot read image list '{path}': {error.strerror}.", _LINE
        ) from None
    found = [entry for entry in entries if entry]
    if not found:
        raise DataError(f"image list '{path}' names no image.", _LINE)
    return found


def _entry(path: Path, number: int, line: str) -> Entry | None:
    words = line.rsplit(None, 1)
    if not words:
        return None
    label = int(words[1]) if _LABEL.match(words[-1]) and len(words) == 2 else None
    if label is None or label not in _LABELS:
        raise DataError(
            f"the line '{printable(line.strip())}' has no label.",
            _LINE,
            place=Place(str(path), number),
        )
    return Entry(words[0], label, number)


class ImageList:
    """The pictures and labels of a list file, by number.

    Args:
        path: the list.
        prefix: put before each path as it is, as Caffe's ``root_folder``.
        root: folder that relative paths start from.
        channels: what to decode to.
        size: height and width to resize to, in pixels; None: each keeps its own.

    Raises:
        DataError: see :func:`read_list`.
    """

    decodes = True

    def __init__(
        self,
        path: Path,
        prefix: str = "",
        root: Path = Path(),
        channels: Channels = Channels.COLOR,
        size: tuple[int, int] | None = None,
    ) -> None:
        self.path = path
        self.entries = read_list(path)
        self._prefix = prefix
        self._root = root
        self._channels = channels
        self._size = size

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def fixed_shape(self) -> bool:
        """Whether all pictures have one shape."""
        return self._size is not None

    def record(self, index: int) -> tuple[Pixels, int]:
        """Pixels of shape (C, H, W), 3 channels being BGR, and label.

        Raises:
            DataError: the file is missing or damaged; names it.
        """
        raster, label = self.raster(index)
        return raster.pixels, label

    def raster(self, index: int, shrink: Shrink | None = None) -> tuple[Raster, int]:
        """The same, decoded smaller where *shrink* allows it and the codec can."""
        entry = self.entries[index]
        try:
            data = read_file(self._root / (self._prefix + entry.path))
            if not self._size:
                return decode_raster(data, self._channels, shrink), entry.label
            picture = resize(decode(data, self._channels), *self._size)
        except DataError as error:
            raise about(self.describe(index), error) from None
        return Raster.of(picture.transpose(2, 0, 1)), entry.label

    def describe(self, index: int) -> str:
        """What image *index* is called in messages."""
        entry = self.entries[index]
        name = printable(self._prefix + entry.path)
        return f"image '{name}' ({self.path}:{entry.line})"


def read_file(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        DataError: missing or unreadable; the problem begins with its verb.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise DataError(
            f"cannot be read: {getattr(error, 'strerror', error)}.",
            "Check the list's paths and the folder before them, with its last slash.",
        ) from None
