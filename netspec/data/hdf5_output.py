"""Rows appended to an HDF5 file that is whole at any time."""

from __future__ import annotations

import os
import shutil
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from netspec.errors import DataError, Place, UsageError
from netspec.files import replacing

_MAGIC = b"\x89HDF\r\n\x1a\n"
# A file up to this size (bytes) is brought up to date after every batch.
SMALL = 1 << 24


class Hdf5Writer:
    """Writes the datasets of one file, batch by batch.

    Rows go to a working file beside it.  Copies of that take the file's place: after
    every batch while it is small, then whenever it has doubled, and at the end, that is
    when the writer is closed, no longer used, or Python ends.  What is there at any
    moment, after a crash too, is a whole file of the first rows.

    Raises:
        UsageError: h5py is not installed.
        DataError: the file cannot be written, or holds something other than HDF5.
    """

    def __init__(self, path: str | Path) -> None:
        self._work = _Work(Path(path))
        self._finish = weakref.finalize(self, self._work.finish)

    def append(self, **columns: NDArray[Any]) -> None:
        """Add a batch of rows to each dataset, by name."""
        self._work.append(columns)

    def close(self) -> None:
        """Bring the file up to date and remove the working file."""
        self._finish()


class _Work:
    """The working file; apart from the writer, so that it outlives it."""

    def __init__(self, path: Path) -> None:
        h5py = _load_h5py()
        _refuse_other(path)
        self.path = path
        self.working = path.with_name(f"{path.name}.{os.getpid()}.working")
        try:
            self.file = h5py.File(self.working, "w")
        except OSError as error:
            raise _unwritable(path, str(error)) from None
        self.size = self.published = 0

    def append(self, columns: dict[str, NDArray[Any]]) -> None:
        try:
            for name, rows in columns.items():
                self._append(name, rows)
            self.file.flush()
        except (OSError, RuntimeError) as error:  # h5py has both for a full disk
            raise _unwritable(self.path, str(error)) from None
        self.size += sum(rows.nbytes for rows in columns.values())
        if self.size <= SMALL or self.size >= 2 * self.published:
            self.publish()

    def _append(self, name: str, rows: NDArray[Any]) -> None:
        if name not in self.file:
            more = (None, *rows.shape[1:])
            self.file.create_dataset(name, data=rows, maxshape=more, chunks=True)
            return
        dataset = self.file[name]
        if dataset.shape[1:] != rows.shape[1:]:
            raise DataError(
                f"rows of {rows.shape[1:]} cannot follow rows of {dataset.shape[1:]} "
                f"in dataset {name!r}.",
                "Write blobs of another shape to another file.",
                place=Place(str(self.path)),
            )
        start = len(dataset)
        dataset.resize(start + len(rows), axis=0)
        dataset[start:] = rows

    def publish(self) -> None:
        """Let a copy of the working file take the file's place."""
        with replacing(self.path) as temporary:
            shutil.copyfile(self.working, temporary)
        self.published = self.size

    def finish(self) -> None:
        """Publish what is not, and tidy up."""
        try:
            self.file.close()
            if self.published < self.size:
                self.publish()
        finally:
            self.working.unlink(missing_ok=True)


def _load_h5py() -> ModuleType:
    try:
        import h5py
    except ImportError:
        raise UsageError(
            "HDF5Output needs h5py, which is not installed.",
            'Install it: pip install "netspec[hdf5]".',
        ) from None
    return h5py


def _refuse_other(path: Path) -> None:
    """A file name comes from a prototxt: only another HDF5 file may be replaced."""
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from None
    if head != _MAGIC:
        raise DataError(
            "this file is there already, and is no HDF5 file.",
            "Name another file, or remove this one.",
            place=Place(str(path)),
        )


def _unwritable(path: Path, reason: str) -> DataError:
    return DataError(
        f"cannot be written: {reason}.",
        "Check the folder, its rights and the space on the disk.",
        place=Place(str(path)),
    )
