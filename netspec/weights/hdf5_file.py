"""HDF5 files opened and written the way every file here is: located errors, no loss.

What a file claims is checked against what it stores before anything is allocated,
and no link or dataset leads out of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from netspec.errors import DataError, NetspecError, Place, UsageError
from netspec.files import replacing
from netspec.spec.wire import Message, format_bytes

# deflate cannot shrink anything more than this, so more is a claim without data.
_BEST_COMPRESSION = 1032
# What h5py raises for files that are not in order, besides its own RuntimeError.
_H5PY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)


def load_h5py() -> ModuleType:
    """The module, imported when it is first needed.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import h5py
    except ImportError:
        problem = "HDF5 needs h5py, which is not installed."
        raise UsageError(problem, "pip install 'netspec[hdf5]'") from None
    return h5py


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[Any]:
    """The file, open for reading; whatever h5py raises becomes a DataError."""
    place = Place(str(path))
    try:
        with load_h5py().File(path, "r") as file:
            yield file
    except NetspecError as error:
        raise error.at(place) from None
    except _H5PY_ERRORS as error:
        problem = f"the HDF5 file cannot be read: {error}."
        remedy = "The file is damaged or cut short: fetch or make it again."
        raise DataError(problem, remedy, place=place) from error


@contextmanager
def create_hdf5(path: str | Path) -> Iterator[Any]:
    """A new file, open for writing; it takes the place of *path* when all went well.

    Raises:
        DataError: it cannot be written; what was there before is as it was.
        UsageError: h5py is not installed.
    """
    h5py = load_h5py()
    with replacing(path) as temporary:
        try:
            with h5py.File(temporary, "w") as file:
                yield file
        except RuntimeError as error:  # h5py's word for a disk that is full at closing
            raise OSError(str(error)) from error


def dataset_array(dataset: Any, mapped: Message) -> np.ndarray:
    """A dataset's floating values; a view of the file where they lie there plainly.

    Args:
        mapped: the file's bytes, from :meth:`Message.map`.

    Raises:
        DataError: not floating, in another file, or claiming more than is stored.
    """
    _check_dataset(dataset)
    if not _is_plain(dataset, mapped):
        return np.asarray(dataset[()])
    offset = dataset.id.get_offset()
    view = np.frombuffer(mapped.buffer, dataset.dtype, dataset.size, offset)
    return view.reshape(dataset.shape)


def _is_plain(dataset: Any, mapped: Message) -> bool:
    """Whether the values lie in the file one after another, as NumPy has them."""
    offset = dataset.id.get_offset()
    if offset is None or dataset.chunks is not None or not dataset.size:
        return False
    stored = dataset.id.get_type().equal(load_h5py().h5t.py_create(dataset.dtype))
    return bool(stored) and offset + dataset.nbytes <= mapped.stop


def _check_dataset(dataset: Any) -> None:
    """Refuse what is not floating, lies elsewhere, or claims more than is stored."""
    if dataset.dtype.kind != "f" or dataset.shape is None:
        problem = f"{dataset.name} holds {dataset.dtype}; weights are floating point."
        raise DataError(problem, "Save them as float32.")
    if dataset.is_virtual or dataset.external:
        problem = f"the values of {dataset.name} are in another file."
        raise DataError(problem, "Save the values themselves in the file.")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > stored * (_BEST_COMPRESSION if dataset.compression else 1):
        claim, rest = format_bytes(dataset.nbytes), format_bytes(stored)
        problem = f"{dataset.name} claims {claim}; {rest} are stored."
        raise DataError(problem, "The file is damaged: fetch or make it again.")
