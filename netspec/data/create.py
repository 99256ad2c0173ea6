"""Making databases of images, as Caffe's ``convert_imageset`` and MNIST example do.

Records are Datums under the keys that Caffe gives them, ``%08d_path`` and ``%08d``.
Images are read and resized on several threads and written in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from netspec.data.conversion import Conversion, raw_datum
from netspec.data.idx import read_images, read_labels
from netspec.data.image_list import Entry, read_list
from netspec.data.naming import about, printable
from netspec.data.threads import Progress, cores, in_order, silent
from netspec.data.writer import DatabaseWriter, check_target
from netspec.errors import DataError
from netspec.proto import Datum
from netspec.random import Key, permutation
from netspec.shapes import Shape, describe

_MOST_RECORDS = 10**8  # beyond, "%08d" no longer sorts


@dataclass(frozen=True)
class Policy:
    """How a database is written.

    Attributes:
        force: replace a database that is there.
        skip_bad: leave out images that cannot be read, instead of stopping.
        check_size: refuse pictures of different shapes.
        workers: threads; 0: as many as there are cores.
        progress: is told of images dealt with, and images in all.
    """

    force: bool = False
    skip_bad: bool = False
    check_size: bool = False
    workers: int = 0
    progress: Progress = silent


@dataclass
class Created:
    """What was written.

    Attributes:
        labels: records of each label.
        shapes: records of each shape, of those that hold pixels.
        skipped: what was wrong with each image that was left out.
    """

    count: int = 0
    labels: Counter[int] = field(default_factory=Counter)
    shapes: Counter[Shape] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)


class Job(NamedTuple):
    """A record to make: its key, what messages call it, and how it is made."""

    key: str
    name: str
    make: Callable[[], Datum]


def create_from_list(
    root: str,
    list_file: Path,
    target: Path,
    conversion: Conversion,
    policy: Policy,
    shuffle: int | None = None,
) -> Created:
    """Make a database of the images that a list names.

    Args:
        root: folder that the list's paths start from.
        list_file: a path and a label on each line.
        target: the database.
        shuffle: seed of a random order; None: the list's.

    Raises:
        UsageError: *target* exists.
        DataError: a bad list or image, or nothing to write, or no room.
    """
    check_target(target, policy.force)
    entries = read_list(list_file)
    order = range(len(entries))
    if shuffle is not None:
        order = permutation(Key(shuffle, "data create"), len(entries)).tolist()
    jobs = (
        _job(number, entries[index], root, conversion)
        for number, index in enumerate(order)
    )
    return write(jobs, len(entries), target, policy)


def create_from_idx(
    images: Path, labels: Path, target: Path, policy: Policy
) -> Created:
    """Make a database of MNIST's files, which may be gzipped.

    Raises:
        UsageError: *target* exists.
        DataError: a file is missing or damaged, or they do not belong together.
    """
    check_target(target, policy.force)
    pixels, marks = read_images(images), read_labels(labels)
    if len(pixels) != len(marks):
        raise DataError(
            f"'{images}' has {len(pixels)} images, and '{labels}' {len(marks)} labels.",
            "Give two files that belong together.",
        )
    jobs = (
        Job(f"{i:08d}", f"image {i}", partial(raw_datum, image[:, :, None], int(mark)))
        for i, (image, mark) in enumerate(zip(pixels, marks))
    )
    return write(jobs, len(pixels), target, policy)


def _job(number: int, entry: Entry, root: str, conversion: Conversion) -> Job:
    # Caffe puts one right after the other; lists are written with or without the slash.
    between = (
        "" if entry.path.startswith("/") or root.endswith("/") or not root else "/"
    )
    path = f"{root}{between}{entry.path}"
    return Job(
        f"{number:08d}_{entry.path}",
        f"image '{printable(path)}'",
        partial(conversion.datum, Path(path), entry.label),
    )


def write(jobs: Iterable[Job], total: int, target: Path, policy: Policy) -> Created:
    """Write *total* records in order, or none at all.

    Raises:
        UsageError: *target* exists.
        DataError: a bad image, where they are not skipped; nothing to write; no room.
    """
    if total > _MOST_RECORDS:
        raise DataError(f"there are {total:,} images.", f"Up to {_MOST_RECORDS:,} fit.")
    created = Created()
    workers = policy.workers or cores()
    with DatabaseWriter(target, policy.force) as writer:
        for done, (key, made) in enumerate(in_order(_make, jobs, workers), 1):
            if isinstance(made, Datum):
                _count(created, made, key, policy.check_size)
                writer.put(key, made.SerializeToString())
            elif policy.skip_bad:
                created.skipped.append(made.problem)
            else:
                raise made
            policy.progress(done, total)
        if not created.count:
            raise DataError(
                f"none of the {total} images could be read; {created.skipped[0]}",
                "Check the list's paths and the folder before them.",
            )
    return created


def _make(job: Job) -> tuple[str, Datum | DataError]:
    """The record of a job, or what is wrong with its image."""
    try:
        return job.key, job.make()
    except DataError as error:
        return job.key, about(job.name, error)


def _count(created: Created, datum: Datum, key: str, check_size: bool) -> None:
    created.count += 1
    created.labels[datum.label] += 1
    if datum.encoded:
        return
    shape = (datum.channels, datum.height, datum.width)
    created.shapes[shape] += 1
    if check_size and len(created.shapes) > 1:
        first = next(iter(created.shapes))
        raise DataError(
            f"image '{printable(key)}' is {describe(shape)}, and those before it are "
            f"{describe(first)}.",
            "Resize them all to one size, or leave check-size out.",
        )
