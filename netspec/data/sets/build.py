"""From image files and labels to a database of them as they are.

Files are not encoded anew. Each is decoded once on the way, to find what is damaged and
to add up the mean pixel: large JPEGs at an eighth of their size, where a pixel is the
mean of a block, which takes half the time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netspec.data.classes import FILE, ImageClass, classes_text
from netspec.data.decode import Channels, decode_raster
from netspec.data.naming import about
from netspec.data.preprocess import class_hash
from netspec.data.sets.listing import ImageSet, Item
from netspec.data.sets.resuming import ResumableWriter
from netspec.data.sets.stored import Stored
from netspec.data.threads import Progress, cores, in_order, silent
from netspec.data.writer import CONTENTS
from netspec.errors import DataError
from netspec.proto import Datum
from netspec.random import Key, permutation

_MOST_RECORDS = 10**8  # beyond, "%08d" no longer sorts
_EIGHTH, _LARGE = 8, 64  # a block's side, and pixels of which blocks are few


@dataclass(frozen=True)
class Labelled:
    """What is to be stored.

    Attributes:
        images: where files are read.
        items, labels: the files and their classes, in the order of the records.
        classes: by label.
    """

    images: ImageSet
    items: Sequence[Item]
    labels: Sequence[int]
    classes: Sequence[ImageClass]

    def shuffled(self, seed: int) -> Labelled:
        """The same in an order that depends on the seed alone."""
        order = permutation(Key(seed, "data set"), len(self.items)).tolist()
        return Labelled(
            self.images,
            [self.items[i] for i in order],
            [self.labels[i] for i in order],
            self.classes,
        )

    @property
    def identity(self) -> str:
        """Tells this set from another: names, sizes, labels, order and classes."""
        digest = hashlib.sha256(classes_text(self.classes).encode())
        for item, label in zip(self.items, self.labels):
            line = f"{item.path}\0{item.size}\0{label}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


@dataclass(frozen=True)
class Terms:
    """How a set is stored.

    Attributes:
        skip_bad: leave out files that cannot be decoded, instead of stopping.
        force: replace a database that is there.
        workers: threads; 0: as many as there are cores.
        progress: is told of files dealt with, and of files in all.
    """

    skip_bad: bool = False
    force: bool = False
    workers: int = 0
    progress: Progress = silent


class _Record(NamedTuple):
    key: str
    label: int
    data: bytes
    pixel: list[float]


def store(wanted: Labelled, target: Path, terms: Terms) -> Stored:
    """Write a set, or go on where an earlier run was interrupted.

    Raises:
        UsageError: *target* exists, or is being written by another process.
        DataError: nothing to write, a bad file where they are not left out, no room.
    """
    total = len(wanted.items)
    if not 0 < total <= _MOST_RECORDS:
        raise DataError(
            f"there are {total:,} images for database '{target}'.",
            f"From 1 to {_MOST_RECORDS:,} can be stored: check the folders' names.",
        )
    stored = Stored()
    writer = ResumableWriter(
        target, wanted.identity, lambda: stored.state(), terms.force
    )
    with writer:
        if writer.found:
            stored = Stored.of(writer.found)
        rest = range(stored.done, total)
        read = partial(_record, wanted)
        for found in in_order(read, rest, terms.workers or cores()):
            if isinstance(found, _Record):
                _put(writer, stored, found)
            elif terms.skip_bad:
                stored.leave_out(found.problem)
            else:
                raise found
            terms.progress(stored.done, total)
        if not stored.count:
            raise DataError(
                f"none of the {total:,} images can be decoded; {stored.faults[0]}",
                "Check the files.",
            )
        writer.beside({FILE: classes_text(wanted.classes),
                       CONTENTS: contents(wanted, stored)})  # fmt: skip
    return stored


def _put(writer: ResumableWriter, stored: Stored, record: _Record) -> None:
    stored.add(record.label, record.pixel)
    datum = Datum(data=record.data, label=record.label, encoded=True)
    writer.put(record.key, datum.SerializeToString())


def _record(wanted: Labelled, number: int) -> _Record | DataError:
    """One record, or what is wrong with its file."""
    item, label = wanted.items[number], wanted.labels[number]
    try:
        data = wanted.images.read(item)
        pixel = mean_pixel(data)
    except DataError as error:
        return about(wanted.images.describe(item), error)
    name = "/".join(item.path.split("/")[-2:])
    return _Record(f"{number:08d}_{name}", label, data, pixel)


def mean_pixel(data: bytes) -> list[float]:
    """Blue, green and red of an image file, on average.

    Raises:
        DataError: it is damaged.
    """
    raster = decode_raster(data, Channels.COLOR, _quickly)
    if raster.factor == 1:
        means = raster.pixels.mean((1, 2), dtype=np.float64)
    else:
        down = _covered(raster.height, raster.factor)
        means = down @ raster.pixels @ _covered(raster.width, raster.factor)
    return [float(value) for value in means]


def _quickly(height: int, width: int) -> float:
    return _EIGHTH if min(height, width) >= _LARGE else 1


def _covered(size: int, factor: int) -> NDArray[np.float64]:
    """Share of the picture that each pixel stands for along one side: the last one may
    lie partly outside."""
    ends = np.minimum(np.arange(1, -(-size // factor) + 1) * factor, size)
    return np.diff(ends, prepend=0) / size


def contents(wanted: Labelled, stored: Stored) -> str:
    """What is told beside the records, as JSON."""
    histogram = [stored.labels[label] for label in range(len(wanted.classes))]
    told = {
        "records": stored.count,
        "classes": len(wanted.classes),
        "class_hash": class_hash([str(each) for each in wanted.classes]),
        "records_of_each_class": histogram,
        "mean_pixel_bgr": stored.mean_pixel,
        "left_out": stored.skipped,
        "faults": stored.faults,
        "identity": wanted.identity,
    }
    return json.dumps(told, indent=1) + "\n"


def finished(wanted: Labelled, target: Path) -> bool:
    """Whether a database is there and holds this very set."""
    try:
        told = json.loads((target / CONTENTS).read_text())
        return bool(told["identity"] == wanted.identity)
    except (OSError, ValueError, KeyError, TypeError):
        return False
