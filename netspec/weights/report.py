"""What became of every blob when weights were loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from netspec.shapes import Shape, describe


class Status(StrEnum):
    """What happens to a blob of the net, or (unused) to one of the file."""

    LOADED = "loaded"
    RESHAPED = "reshaped"  # loaded from an older form of the same blob
    REINITIALISED = "reinitialised"  # did not fit: filled anew
    SKIPPED = "skipped"  # did not fit or was not asked for: left as it is
    MISSING = "missing"  # not in the file: left as it is
    UNUSED = "unused"  # in the file only


_Row = tuple[str, str, str, str, str]
_HEAD: _Row = ("layer", "blob", "status", "shape", "")
_LOADED = (Status.LOADED, Status.RESHAPED)


@dataclass(frozen=True)
class Line:
    """One blob.

    Attributes:
        layer, type, index: the net's layer, and the blob's place in it; the file's
            where the net has no such layer.
        shape: in the net; None for an unused blob.
        file_shape: in the file; None where it is not there.
        file_layer: the layer's name in the file, where a rename changed it.
        note: why, where the status does not say it.
        values: what is loaded, in the net's shape.
    """

    layer: str
    type: str
    index: int
    status: Status
    shape: Shape | None = None
    file_shape: Shape | None = None
    file_layer: str = ""
    note: str = ""
    values: np.ndarray | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """The line without its values, ready for JSON."""
        return {
            "layer": self.layer,
            "type": self.type,
            "blob": self.index,
            "status": str(self.status),
            "shape": None if self.shape is None else list(self.shape),
            "file_shape": None if self.file_shape is None else list(self.file_shape),
            "file_layer": self.file_layer or None,
            "note": self.note or None,
        }

    def remarks(self) -> str:
        """The last column of the printed table."""
        parts = []
        if self.file_layer:
            parts.append(f"from {self.file_layer!r}")
        if self.shape and self.file_shape not in (None, self.shape):
            parts.append(f"{describe(self.file_shape)} in the file")
        return "; ".join([*parts, self.note] if self.note else parts)


@dataclass(frozen=True)
class Report:
    """The lines of one file, the net's blobs first, then what was left over.

    It is made before anything is touched; :meth:`apply` carries it out.
    """

    file: str
    lines: tuple[Line, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Blobs by status, every status named."""
        found = Counter(line.status for line in self.lines)
        return {str(status): found[status] for status in Status}

    def layers(self, *statuses: Status) -> list[str]:
        """Names of the layers with a blob of one of these statuses, in order."""
        return list(dict.fromkeys(x.layer for x in self.lines if x.status in statuses))

    def apply(
        self,
        write: Callable[[str, int, np.ndarray], None],
        reinitialise: Callable[[str, int], None],
    ) -> None:
        """Carry the report out.

        Args:
            write: called with layer, index and values for every blob loaded; the
                values have the net's shape, any float type, and may be an unaligned
                read-only view of the file.
            reinitialise: called with layer and index for every blob to be filled as
                its filler says.
        """
        for line in self.lines:
            if line.values is not None:
                write(line.layer, line.index, line.values)
            elif line.status is Status.REINITIALISED:
                reinitialise(line.layer, line.index)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the values, ready for JSON."""
        blobs = [line.as_dict() for line in self.lines]
        return {"file": self.file, "counts": self.counts, "blobs": blobs}

    def summary(self) -> str:
        """One line: how many blobs of each status, and which layers stand out."""
        words = []
        for status, number in self.counts.items():
            names = self.layers(Status(status))
            named = "" if Status(status) in _LOADED else f" ({_shortened(names)})"
            if number:
                words.append(f"{number} {status}{named}")
        return f"{self.file}: {', '.join(words) or 'no blobs'}"

    def text(self) -> str:
        """A table, one line a blob, and the summary under it."""
        rows = [_HEAD, *map(_row, self.lines)]
        return "\n".join([*_aligned(rows), self.summary()])


def _row(line: Line) -> _Row:
    shape = line.file_shape if line.shape is None else line.shape
    shown = "" if shape is None else describe(shape)
    return line.layer, str(line.index), line.status, shown, line.remarks()


def _aligned(rows: list[_Row]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield "  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip()


def _shortened(names: Iterable[str], most: int = 6) -> str:
    names = list(names)
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
