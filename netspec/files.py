"""Finding the files that a command names, and writing files without losing old ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netspec.errors import DataError, Place

PACKAGE = Path(__file__).resolve().parent


def find(name: str | Path, beside: str | Path | None = None) -> Path:
    """The file or folder that a spec means by *name*.

    Caffe reads relative names from the working folder.  Where nothing stands there,
    the name is tried beside the file that mentions it, and then among the models that
    come with netspec, so that ``models/vgg16_solver.prototxt`` works from anywhere.

    Returns:
        The first that exists, or *name* itself so that the caller's error names it.
    """
    name = Path(name)
    return next((path for path in _candidates(name, beside) if path.exists()), name)


def _candidates(name: Path, beside: str | Path | None) -> Iterator[Path]:
    yield name
    if name.is_absolute():
        return
    if beside is not None:
        yield Path(beside).parent / name
    yield PACKAGE / "share" / name  # an installed wheel
    yield PACKAGE.parent / name  # a source tree


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary name to write to; it takes the place of *path* when all went well.

    The temporary file stands in the same folder, is flushed to the disk and then
    renamed.  After any exception it is gone and *path* is as it was.

    Raises:
        DataError: the folder is missing or not writable, the disk is full, or *path*
            is something other than a regular file.
    """
    final = Path(os.path.realpath(path))
    _check_target(final, path)
    temporary = final.with_name(f"{final.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(final)
        _flush_folder(final.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):  # a file system that has become read-only
            temporary.unlink(missing_ok=True)


def cannot_write(path: str | Path, error: OSError) -> DataError:
    """What to raise where a file cannot be written."""
    problem = f"cannot be written: {error.strerror or error}."
    remedy = "Check the space on the disk and the rights to the folder."
    return DataError(problem, remedy, place=Place(str(path)))


def _check_target(final: Path, path: str | Path) -> None:
    place = Place(str(path))
    if final.exists() and not final.is_file():
        problem = "cannot be written: it is not a regular file."
        raise DataError(problem, "Name a file.", place=place)
    if not final.parent.is_dir():
        problem = f"cannot be written: there is no folder {str(final.parent)!r}."
        raise DataError(problem, "Create the folder first.", place=place)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    """Make the renaming itself durable, where folders can be opened (not Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
