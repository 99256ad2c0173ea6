"""HDF5 files as a source of rows: several datasets that share their first axis.

Files are read whole, as Caffe reads them, and the last few are kept.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netspec.data.naming import printable
from netspec.data.protocols import Block
from netspec.errors import DataError, UsageError
from netspec.shapes import Shape, describe

if TYPE_CHECKING:
    import h5py

Floats = NDArray[np.float32]

_FILES_KEPT = 3
# A dataset that is not stored, or compressed more than deflate can, is refused above
# this: its size is only a claim.
_MOST_COMPRESSION = 1100
_ALWAYS_ALLOWED = 1 << 24  # bytes


class Hdf5Files:
    """The rows of the HDF5 files that a text file lists, through all of them.

    Args:
        path: text file with the path of an HDF5 file on each line.
        names: datasets to read, one a top.
        root: folder that relative paths start from.

    Raises:
        UsageError: h5py is not installed.
        DataError: a file or dataset is missing, damaged or unlike the others.
    """

    def __init__(self, path: Path, names: tuple[str, ...], root: Path = Path()) -> None:
        self.path = path
        self.names = names
        self.files = [root / name for name in _listed(path)]
        shapes = [self._shapes(file) for file in self.files]
        self.sizes = [of_file[0][0] for of_file in shapes]
        self.shapes = tuple(shape[1:] for shape in shapes[0])
        self._check_alike(shapes)
        self._starts = np.cumsum([0, *self.sizes])
        self._load = lru_cache(maxsize=_FILES_KEPT)(self._read)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def block(self, index: int) -> Block:
        """The file that row *index* is in: its first row's number, and its datasets."""
        file = self._file(index)
        return Block(int(self._starts[file]), self._load(file))

    def describe(self, index: int) -> str:
        """What row *index* is called in messages."""
        file = self._file(index)
        return f"row {index - self._starts[file]} of '{self.files[file]}'"

    def _file(self, index: int) -> int:
        return int(np.searchsorted(self._starts, index, side="right")) - 1

    def _shapes(self, path: Path) -> list[Shape]:
        with _open(path) as file:
            shapes = [_dataset(file, path, name).shape for name in self.names]
        rows = {shape[0] for shape in shapes}
        if len(rows) > 1 or 0 in rows:
            found = ", ".join(f"{n} {s[0]}" for n, s in zip(self.names, shapes))
            raise DataError(
                f"the datasets of '{path}' have other numbers of rows: {found}.",
                "Give all of them the same number, at least 1.",
            )
        return shapes

    def _check_alike(self, shapes: list[list[Shape]]) -> None:
        for file, of_file in zip(self.files, shapes):
            for name, shape, first in zip(self.names, of_file, self.shapes):
                if shape[1:] != first:
                    raise DataError(
                        f"rows of '{name}' are {describe(shape[1:])} in '{file}', and "
                        f"{describe(first)} in '{self.files[0]}'.",
                        "Give them one shape in all files.",
                    )

    def _read(self, number: int) -> tuple[Floats, ...]:
        path = self.files[number]
        with _open(path) as file:
            try:
                return tuple(_values(file, path, name) for name in self.names)
            except (OSError, RuntimeError) as error:
                raise DataError(
                    f"'{path}' cannot be read: {error}.", "Make the file anew."
                ) from None


def _listed(path: Path) -> list[str]:
    remedy = "Write the path of an HDF5 file on each line."
    try:
        names = path.read_text("utf-8", "surrogateescape").split()
    except OSError as error:
        raise DataError(
            f"cannot read list '{path}': {error.strerror}.", remedy
        ) from None
    if not names:
        raise DataError(f"list '{path}' names no file.", remedy)
    return names


def _open(path: Path) -> h5py.File:
    try:
        import h5py
    except ImportError:
        raise UsageError(
            "HDF5Data needs h5py, which is not installed.",
            'Install it: pip install "netspec[hdf5]".',
        ) from None
    try:
        return h5py.File(path, "r")
    except OSError as error:
        reason = "no such file" if not path.exists() else str(error)
        raise DataError(
            f"cannot open HDF5 file '{path}': {reason}.",
            "Check the paths in the list: relative ones start from where netspec runs.",
        ) from None


def _dataset(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    import h5py

    found = (
        file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else 0
    )
    if not isinstance(found, h5py.Dataset):
        raise DataError(
            f"'{path}' has no dataset '{name}'.",
            f"It has: {', '.join(printable(key) for key in file)}. Tops are named "
            "after datasets.",
        )
    if found.dtype.kind not in "fiu" or not found.shape:
        raise DataError(
            f"dataset '{name}' of '{path}' holds {found.dtype} of shape {found.shape}.",
            "Numbers, with rows along the first axis, can be read.",
        )
    _check_size(found, path, name)
    return found


def _check_size(found: h5py.Dataset, path: Path, name: str) -> None:
    stored = found.id.get_storage_size()
    if found.nbytes > _ALWAYS_ALLOWED + _MOST_COMPRESSION * stored:
        raise DataError(
            f"dataset '{name}' of '{path}' claims {found.nbytes} bytes and stores "
            f"{stored}.",
            "Make the file anew.",
        )


def _values(file: h5py.File, path: Path, name: str) -> Floats:
    return np.ascontiguousarray(_dataset(file, path, name)[()], np.float32)
