"""Putting the files of one snapshot in place together.

Each is replaced as a whole, but no two of them at the same moment.  So all are written
first, in a folder beside their places, and then moved one right after the other; a
state that is there before goes first and the new one comes last.  Whenever a process is
killed, or the disk is full, a state never stands beside weights that are not its own.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netspec.data.preprocess_file import sidecar_path
from netspec.errors import DataError, Place
from netspec.files import cannot_write, replacing
from netspec.solver.files import SnapshotFiles


@contextmanager
def staged(files: SnapshotFiles) -> Iterator[SnapshotFiles]:
    """Names to write a snapshot's files to; they take the places of *files* when all
    went well.

    An exception while they are written leaves *files* as they were.

    Raises:
        DataError: one of them cannot be written.
    """
    folder = files.staging
    here = SnapshotFiles(folder / files.weights.name, folder / files.state.name)
    try:
        with _named_as(files, folder):
            shutil.rmtree(
                folder, ignore_errors=True
            )  # a killed process's, of our number
            folder.mkdir(parents=True)
            yield here
        _put(here, files)
    except OSError as error:
        raise cannot_write(files.state, error) from error
    finally:
        with suppress(OSError):  # a file system that has become read-only
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _named_as(files: SnapshotFiles, folder: Path) -> Iterator[None]:
    """Errors name the place that a file was meant for."""
    try:
        yield
    except DataError as error:
        if error.place and Path(error.place.file).parent == folder:
            meant = files.state.parent / Path(error.place.file).name
            error.place = Place(str(meant))
        raise


def _put(here: SnapshotFiles, files: SnapshotFiles) -> None:
    """Move what is there to its place."""
    pairs = list(zip(_beside_state(here), _beside_state(files), strict=True))
    moved = [(new, old) for new, old in pairs if new.exists() and not _same(new, old)]
    if moved:
        Path(os.path.realpath(files.state)).unlink(missing_ok=True)
    for new, old in (*moved, (here.state, files.state)):
        with replacing(old) as temporary:
            shutil.move(new, temporary)


def _beside_state(files: SnapshotFiles) -> Iterator[Path]:
    """The weights that a snapshot may have, each with what prepares its pictures."""
    for weights in (files.average, files.weights):
        yield weights
        yield sidecar_path(weights)


def _same(new: Path, old: Path) -> bool:
    """Whether a file holds what the one before it held."""
    return old.is_file() and filecmp.cmp(new, old, shallow=False)
