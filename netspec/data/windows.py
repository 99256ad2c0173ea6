"""Window files: images and the windows on them that a detector learns from.

For each image: ``# NUMBER``, its path, channels, height and width, the number of its
windows, and for each window a label, its overlap with an object and its corners x1 y1
x2 y2, in pixels and included.  Words may be parted by any spaces; a path has none.
This is the list that Caffe's WindowData layer reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from netspec.data.naming import printable
from netspec.errors import DataError, Place

_FIELDS = 6  # of a window: label, overlap and four corners
_MOST = 2**31  # numbers of a window are this small
_FORM = (
    "For each image write: # number, path, channels, height, width, number of windows, "
    "and for each window: label overlap x1 y1 x2 y2."
)

Rows = NDArray[np.int32]


@dataclass(frozen=True)
class Windows:
    """The windows of a file.

    Attributes:
        images: paths, as written.
        foreground, background: rows of (image, label, x1, y1, x2, y2).
    """

    images: list[str]
    foreground: Rows
    background: Rows


def read_windows(path: Path, foreground: float, background: float) -> Windows:
    """The windows whose overlap makes them foreground or background.

    Args:
        foreground: the least overlap of a foreground window.
        background: overlaps below it are background; their label becomes 0.

    Raises:
        DataError: unreadable, not of this form, or without windows of either kind.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            images, parts = _read(_Words(path, file), foreground, background)
    except OSError as error:
        problem = f"cannot read window file '{path}': {error.strerror}."
        raise DataError(problem, _FORM) from None
    fore, back = (np.concatenate(kind) for kind in zip(*parts))
    for name, rows, threshold in (
        ("foreground", fore, f"fg_threshold {foreground:g}"),
        ("background", back, f"bg_threshold {background:g}"),
    ):
        if not len(rows):
            raise DataError(
                f"window file '{path}' has no {name} window ({threshold}).",
                "Every batch takes some of both: change the threshold, or the file.",
            )
    return Windows(images, fore, back)


def _read(
    words: _Words, foreground: float, background: float
) -> tuple[list[str], list[tuple[Rows, Rows]]]:
    images: list[str] = []
    parts: list[tuple[Rows, Rows]] = []
    for image in count():
        mark = words.next()
        if mark is None:
            break
        if mark != "#" or words.integer() != image:
            words.fail(f"image {image} must begin here, with '# {image}'")
        images.append(words.needed())
        for _ in range(3):
            words.integer()
        windows = words.numbers(words.integer())
        parts.append(_sorted(words, image, windows, foreground, background))
    if not images:
        raise DataError(f"window file '{words.path}' is empty.", _FORM)
    return images, parts


def _sorted(
    words: _Words,
    image: int,
    windows: NDArray[np.float64],
    foreground: float,
    background: float,
) -> tuple[Rows, Rows]:
    """The windows of an image, foreground and background."""
    overlap = windows[:, 1].astype(np.float32)
    whole = np.delete(windows, 1, axis=1)
    if (np.abs(whole) >= _MOST).any() or (whole != np.floor(whole)).any():
        words.fail("labels and corners are whole numbers, up to here")
    rows = np.insert(whole, 0, image, axis=1).astype(np.int32)
    fore = overlap >= np.float32(foreground)
    if (rows[fore, 1] < 1).any():
        words.fail("a foreground window has a label below 1, up to here")
    back = rows[~fore & (overlap < np.float32(background))]
    back[:, 1] = 0
    return rows[fore], back


class _Words:
    """The words of a file, one after another, and the line they stand on."""

    def __init__(self, path: Path, lines: Iterable[str]) -> None:
        self.path = path
        self.line = 0
        self._lines = iter(lines)
        self._left: list[str] = []

    def next(self) -> str | None:
        """The next word; None at the end."""
        while not self._left:
            text = next(self._lines, None)
            if text is None:
                return None
            self.line += 1
            self._left = text.split()[::-1]
        return self._left.pop()

    def needed(self) -> str:
        """The next word, which must be there."""
        word = self.next()
        return self.fail("the file ends too early") if word is None else word

    def integer(self) -> int:
        """The next word as a number from 0 on."""
        word = self.needed()
        if not (word.isascii() and word.isdecimal() and len(word) < 10):
            self.fail(f"'{printable(word)}' stands where a number must")
        return int(word)

    def numbers(self, windows: int) -> NDArray[np.float64]:
        """The numbers of so many windows, (windows, 6)."""
        words: list[str] = []
        while len(words) < windows * _FIELDS:
            words.append(self.needed())
            words += self._left[::-1]
            self._left = []
        end = windows * _FIELDS
        self._left = words[end:][::-1]
        try:
            return np.array(words[:end], np.float64).reshape(-1, _FIELDS)
        except ValueError:
            self.fail("a window has a word that is no number, up to here")

    def fail(self, problem: str) -> NoReturn:
        """Raise at the present line."""
        raise DataError(f"{problem}.", _FORM, place=Place(str(self.path), self.line))
