"""Whole pictures to evaluate, numbered: of a data layer's source, or named files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from netspec.data.classes import read_classes_of
from netspec.data.database import Database, datum_pixels
from netspec.data.decode import Channels, decode
from netspec.data.image_list import ImageList
from netspec.data.naming import about, printable
from netspec.data.protocols import Pixels
from netspec.errors import DataError, UsageError

_AS = {1: Channels.GRAY, 3: Channels.COLOR}


class Images(Protocol):
    """Pictures as they are stored, by number; any number of threads may read them."""

    @property
    def labelled(self) -> bool:
        """Whether each has a label."""

    @property
    def as_stored(self) -> bool:
        """Whether they may have been resized when they were stored."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names by label, where they are written down."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What picture *index* is called in tables: a path or a key."""

    def read(self, index: int, depth: int) -> tuple[Pixels, int]:
        """Pixels (C, H, W), BGR where C is 3, and label; -1 where there is none.

        Args:
            depth: channels that the model takes, 1 or 3; image files are decoded to
                it, stored pixels are as they are.

        Raises:
            DataError: missing or damaged; names it.
        """


class Files:
    """Image files, without labels.  Colour photos stand upright, as EXIF says."""

    labelled, as_stored, classes = False, False, None

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._paths = [Path(path) for path in paths]

    def __len__(self) -> int:
        return len(self._paths)

    def name(self, index: int) -> str:
        """The path."""
        return printable(str(self._paths[index]))

    def read(self, index: int, depth: int) -> tuple[Pixels, int]:
        """See :class:`Images`."""
        subject = f"image '{self.name(index)}'"
        try:
            data = self._paths[index].read_bytes()
            return decode(data, _AS[depth]).transpose(2, 0, 1), -1
        except OSError as error:
            problem = f"{subject} cannot be read: {error.strerror}."
            raise DataError(problem, "Check the path.") from None
        except DataError as error:
            raise about(subject, error) from None


class Records:
    """The records of a database.

    An encoded record is decoded as the layer says; where that gives another number of
    channels than the model takes - a grey file among colour ones - to that number.
    """

    labelled, as_stored = True, True

    def __init__(self, path: Path, channels: Channels) -> None:
        self._database = Database(path, channels)
        found = read_classes_of(path)
        self.classes = tuple(map(str, found)) if found else None

    def __len__(self) -> int:
        return len(self._database)

    def name(self, index: int) -> str:
        """The key."""
        return self._database.key(index)

    def read(self, index: int, depth: int) -> tuple[Pixels, int]:
        """See :class:`Images`."""
        database = self._database
        datum = database.datum(index)
        try:
            picture = datum_pixels(datum, database.channels)
            if len(picture) != depth and datum.encoded:
                picture = datum_pixels(datum, _AS[depth])
            return picture, datum.label
        except DataError as error:
            raise about(database.describe(index), error) from None


class Listed:
    """The images of a list file, in their own sizes."""

    labelled, as_stored, classes = True, False, None

    def __init__(self, source: ImageList) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def name(self, index: int) -> str:
        """The path, as the list has it."""
        return printable(self._source.entries[index].path)

    def read(self, index: int, depth: int) -> tuple[Pixels, int]:
        """See :class:`Images`; the list's layer decides on colour."""
        return self._source.record(index)


class Stored:
    """Pictures in memory, for the Python interface: (n, C, H, W), or n of (C, H, W)."""

    as_stored, classes = True, None

    def __init__(
        self, pictures: Sequence[Pixels], labels: Sequence[int] | None = None
    ) -> None:
        if labels is not None and len(labels) != len(pictures):
            raise UsageError(
                f"{len(pictures)} pictures and {len(labels)} labels.",
                "Give a label for each picture.",
            )
        self._pictures, self._labels = pictures, labels
        self.labelled = labels is not None

    def __len__(self) -> int:
        return len(self._pictures)

    def name(self, index: int) -> str:
        """The number."""
        return str(index)

    def read(self, index: int, depth: int) -> tuple[Pixels, int]:
        """See :class:`Images`."""
        label = -1 if self._labels is None else int(self._labels[index])
        return self._pictures[index], label
