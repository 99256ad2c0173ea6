"""Weights of any format, told by their content and never by their name."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from netspec.errors import DataError, Place, UsageError
from netspec.registry import suggest
from netspec.spec.wire import Message
from netspec.weights.caffemodel import weights_of
from netspec.weights.hdf5 import read_hdf5
from netspec.weights.mistaken import other_kind
from netspec.weights.weights import Weights

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
# HDF5 looks for itself at 0 and then at powers of two, behind a user's own block.
_HDF5_OFFSETS = (0, 512, 1024, 2048, 4096)
_SUFFIXES = (".caffemodel", ".h5", ".hdf5")


def read_weights(path: str | PathLike[str]) -> Weights:
    """Weights from a caffemodel or from Caffe's HDF5.

    Raises:
        DataError: the file is missing, damaged, or something else than weights: the
            error says what, and where the weights may be.
    """
    path = Path(path)
    _check_exists(path)
    file = Message.map(path, "NetParameter")
    if _is_hdf5(file.buffer):
        return read_hdf5(path)
    mistake = other_kind(file)
    if mistake:
        raise mistake
    return weights_of(file)


def read_several(paths: str) -> list[Weights]:
    """Weights from one file, or from several joined by commas, in that order.

    Raises:
        DataError: see :func:`read_weights`.
        UsageError: nothing is named.
    """
    names = [paths] if Path(paths).exists() else paths.split(",")
    named = [name for name in map(str.strip, names) if name]
    if not named:
        raise UsageError("no weights file is named.", "Name one, or several: a,b.")
    return [read_weights(name) for name in named]


def _is_hdf5(buffer: memoryview) -> bool:
    size = len(_HDF5_MAGIC)
    return any(buffer[at : at + size] == _HDF5_MAGIC for at in _HDF5_OFFSETS)


def _check_exists(path: Path) -> None:
    if path.exists():
        return
    place = Place(str(path))
    if not path.parent.is_dir():
        problem = f"there is no folder {str(path.parent)!r}."
        raise DataError(problem, "Check the path.", place=place)
    beside = [p.name for p in path.parent.iterdir() if p.suffix in _SUFFIXES]
    remedy = suggest(path.name, beside) if beside else "No weights are in that folder."
    raise DataError("the file does not exist.", remedy, place=place)
