"""Features: any blobs of a net, one row a picture, to a file.

Rows come and are written one batch after the other, so that their number does not
matter to the memory.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from netspec.errors import UsageError
from netspec.evaluate.posterior import Floats
from netspec.files import replacing
from netspec.shapes import Shape, count

if TYPE_CHECKING:
    import h5py

NAMES, LABELS = "names", "labels"
_ROWS = 64  # of a chunk of HDF5
_PIECE = 1 << 20  # bytes copied at a time

Take = Callable[[Sequence[str], Sequence[int], Mapping[str, Floats]], None]


def feature_file(
    path: str | PathLike[str], shapes: Mapping[str, Shape]
) -> AbstractContextManager[Take]:
    """A file to write features to; it appears when all went well.

    ``.npz`` and ``.h5`` both hold an array (rows, ...) of float32 a blob, ``names``,
    and ``labels`` (-1: none).

    Args:
        shapes: of one row of each blob, by name.

    Returns:
        A context whose value takes names, labels and arrays of rows.

    Raises:
        UsageError: another ending, or a blob called as one of the others.
        DataError: it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise UsageError(
            f"cannot write features to '{path}'.",
            f"Name a {' or '.join(_WRITERS)} file.",
        )
    for name in (NAMES, LABELS):
        if name in shapes:
            raise UsageError(
                f"blob {name!r} has the name of another array of the file.",
                "Rename the blob.",
            )
    return _WRITERS[path.suffix.lower()](path, shapes)


@contextmanager
def _npz(path: Path, shapes: Mapping[str, Shape]) -> Iterator[Take]:
    """Rows wait in files without a name until their number is known."""
    names: list[str] = []
    labels: list[int] = []
    with replacing(path) as temporary, ExitStack() as stack:
        waiting = {
            name: stack.enter_context(TemporaryFile("w+b", dir=path.parent))
            for name in shapes
        }

        def take(
            more: Sequence[str], their: Sequence[int], rows: Mapping[str, Floats]
        ) -> None:
            names.extend(more)
            labels.extend(their)
            for name, values in rows.items():
                waiting[name].write(np.ascontiguousarray(values, "<f4").data)

        yield take
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, file in waiting.items():
                _member(archive, name, (len(names), *shapes[name]), file)
            for name, values in ((NAMES, names), (LABELS, labels)):
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, np.array(values))


def _member(archive: zipfile.ZipFile, name: str, shape: Shape, file: IO[bytes]) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    file.seek(0)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        while piece := file.read(_PIECE):
            member.write(piece)


@contextmanager
def _hdf5(path: Path, shapes: Mapping[str, Shape]) -> Iterator[Take]:
    with replacing(path) as temporary, _opened_hdf5(temporary) as file:
        sets = {
            name: file.create_dataset(
                name, (0, *shape), "<f4", maxshape=(None, *shape),
                chunks=(max(1, min(_ROWS, _PIECE // (4 * count(shape) or 1))), *shape),
            )
            for name, shape in shapes.items()
        }  # fmt: skip
        text = _h5py().string_dtype()
        sets[NAMES] = file.create_dataset(NAMES, (0,), text, maxshape=(None,))
        sets[LABELS] = file.create_dataset(LABELS, (0,), "<i8", maxshape=(None,))

        def take(
            more: Sequence[str], their: Sequence[int], rows: Mapping[str, Floats]
        ) -> None:
            _append(sets[NAMES], np.array(more, dtype=object))
            _append(sets[LABELS], np.array(their, np.int64))
            for name, values in rows.items():
                _append(sets[name], values)

        yield take


def _append(dataset: Any, rows: Any) -> None:
    before = len(dataset)
    dataset.resize(before + len(rows), axis=0)
    dataset[before:] = rows


def _opened_hdf5(path: Path) -> h5py.File:
    return _h5py().File(path, "w")


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise UsageError(
            "writing HDF5 needs the package h5py.",
            "Install netspec[hdf5], or name a .npz file.",
        ) from None
    return h5py


_WRITERS: dict[str, Any] = {".npz": _npz, ".h5": _hdf5, ".hdf5": _hdf5}
