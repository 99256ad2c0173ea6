"""Pictures read and resized on several threads, in order; bad ones by policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from netspec.data.naming import about
from netspec.data.protocols import Pixels
from netspec.data.rescale import Resize, Size
from netspec.data.threads import Progress, cores, in_order, silent
from netspec.errors import DataError, UsageError
from netspec.evaluate.images import Images
from netspec.registry import suggest

POLICIES = ("error", "skip")


class Want(NamedTuple):
    """A form in which pictures are wanted: channels (1 or 3), and how resized."""

    depth: int
    resize: Resize


class Picture(NamedTuple):
    """One picture of a set: its number, its label (-1: none), its pixels as wanted."""

    number: int
    label: int
    pixels: dict[Want, Pixels]


@dataclass
class Reading:
    """A pass over a set of pictures.

    Args:
        wants: what each picture is resized to.
        on_error: ``error``, or ``skip``: leave bad pictures out and count them.
        progress: is told (pictures done, pictures in all).

    Attributes:
        skipped: what was wrong with each picture that was left out.
    """

    images: Images
    wants: Sequence[Want]
    on_error: str = "error"
    progress: Progress = silent
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.on_error not in POLICIES:
            raise UsageError(
                f"unknown policy {self.on_error!r} for bad images.",
                suggest(self.on_error, POLICIES),
            )

    def __iter__(self) -> Iterator[Picture]:
        """The pictures in order.

        Raises:
            DataError: a bad picture, where they are errors.
        """
        total = len(self.images)
        read = partial(_attempt, self)
        for done, found in enumerate(in_order(read, range(total), cores()), 1):
            if isinstance(found, DataError):
                self.reject(found)
            else:
                yield found
            self.progress(done, total)

    def reject(self, error: DataError) -> None:
        """Count a bad picture out, or raise."""
        if self.on_error == "error":
            raise error
        self.skipped.append(error.problem)

    def read(self, index: int) -> Picture:
        """Read and resize one picture.

        Raises:
            DataError: it is bad; names it.
        """
        label, stored = -1, {}
        for depth in {want.depth for want in self.wants}:
            stored[depth], label = self.images.read(index, depth)
        try:
            pixels = {want: resized(stored[want.depth], want) for want in self.wants}
        except DataError as error:
            raise about(self.subject(index), error) from None
        return Picture(index, label, pixels)

    def subject(self, index: int) -> str:
        """What picture *index* is called in messages."""
        return f"image '{self.images.name(index)}'"


def _attempt(reading: Reading, index: int) -> Picture | DataError:
    try:
        return reading.read(index)
    except DataError as error:
        return error


def resized(picture: Pixels, want: Want) -> Pixels:
    """A picture (C, H, W) as it is wanted.

    Raises:
        DataError: another number of channels, or values that are no bytes.
    """
    if len(picture) != want.depth:
        raise DataError(
            f"has {len(picture)} channels, and the net takes {want.depth}.",
            "Store the pictures as the net takes them.",
        )
    size = Size(*picture.shape[1:])
    target = want.resize.target(*size)
    if target == size:
        return picture
    if picture.dtype != np.uint8:
        raise DataError(
            "holds values that are no bytes, which are not resized.",
            "Leave --scales and --resize out.",
        )
    _check_size(target)
    stored = np.asarray(picture, np.uint8).transpose(1, 2, 0)
    return want.resize(stored).transpose(2, 0, 1)


_MOST_PIXELS = 1 << 26


def _check_size(target: Size) -> None:
    """Refuse what would fill the memory: a picture of 1 x 60000 pixels, enlarged."""
    if target.height * target.width > _MOST_PIXELS:
        raise DataError(
            f"would be {target.height} x {target.width} pixels.",
            f"At most {_MOST_PIXELS:,} are made: cut the picture.",
        )


def nothing_read(skipped: Sequence[str]) -> DataError:
    """The error where no picture of a set was good."""
    first = f" The first: {skipped[0]}" if skipped else ""
    return DataError(
        f"none of {len(skipped)} images could be used.{first}",
        "Check the paths and the files.",
    )
