"""Looking at a database: what it holds, and whether all of it can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from netspec.data.database import Database
from netspec.data.threads import Progress, cores, in_order, silent
from netspec.errors import DataError
from netspec.proto import Datum
from netspec.shapes import Shape

_FILE_KINDS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"RIFF": "WEBP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}  # by how they begin


@dataclass
class Contents:
    """What a database holds.

    Attributes:
        file_size: bytes.
        first_key, first_shape: of the first record, decoded.
        kinds: records of each kind: "pixels", "floats", "JPEG", "PNG", ...
        shapes: records of each shape, of those that hold pixels or floats.
        labels: records of each label.
    """

    count: int
    file_size: int
    first_key: str
    first_shape: Shape
    kinds: Counter[str] = field(default_factory=Counter)
    shapes: Counter[Shape] = field(default_factory=Counter)
    labels: Counter[int] = field(default_factory=Counter)


def contents(database: Database, progress: Progress = silent) -> Contents:
    """Look at every record's label and shape, without reading its pixels.

    Raises:
        DataError: a record is not a Datum; names it.
    """
    total = len(database)
    shape = database.record(0)[0].shape
    found = Contents(total, database.stored.file_size, database.key(0), shape)
    for index in range(total):
        datum = database.glance(index)
        found.labels[datum.label] += 1
        found.kinds[_kind(datum)] += 1
        if not datum.encoded:
            found.shapes[datum.channels, datum.height, datum.width] += 1
        progress(index + 1, total)
    return found


def _kind(datum: Datum) -> str:
    if not datum.encoded:
        return "pixels" if datum.data else "floats"
    kinds = (
        kind for start, kind in _FILE_KINDS.items() if datum.data.startswith(start)
    )
    return next(kinds, "other files")


def verify(
    database: Database, workers: int = 0, progress: Progress = silent
) -> Iterator[str]:
    """Read and decode every record; what is wrong with each that is bad.

    A damaged page of the tree hides an unknown number of records: it comes last.
    """
    total = len(database)
    check = partial(_check, database)
    for done, error in enumerate(in_order(check, range(total), workers or cores()), 1):
        if error is not None:
            yield error.problem
        if error is not None and error is database.stored.failure:
            return
        progress(done, total)


def _check(database: Database, index: int) -> DataError | None:
    try:
        database.record(index)
    except DataError as error:
        return error
    return None
