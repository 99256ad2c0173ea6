"""Caffe's HDF5 weights: dataset ``/data/<layer>/<index>`` for each blob.

A layer has a group even where it has no blobs.  A blob that another layer shares is
stored once, by its owner.  A slash in a layer's name makes a group inside a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from netspec.errors import DataError, NetspecError, Place, UsageError
from netspec.spec.blobproto import StoredBlob
from netspec.spec.output import replacing
from netspec.spec.wire import Message, format_bytes
from netspec.weights.mistaken import solverstate_given
from netspec.weights.weights import LayerWeights, Weights

Blobs = Sequence[np.ndarray | None]

_INDICES = frozenset(map(str, range(1000)))
_LAYOUT = "Caffe's weights are in datasets /data/<layer>/<index>."
# deflate cannot shrink anything more than this, so more is a claim without data.
_BEST_COMPRESSION = 1032
# What h5py raises for files that are not in order, besides its own RuntimeError.
_H5PY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError)


def read_hdf5(path: str | Path) -> Weights:
    """Weights in Caffe's HDF5 layout; plain datasets become views of the mapped file.

    Raises:
        DataError: missing, damaged, or without the group ``/data``.
        UsageError: h5py is not installed.
    """
    path = Path(path)
    mapped = Message.map(path, "HDF5")
    with _opened(path) as file:
        root = file.get("data")
        if not _is_group(root):
            raise _other_file(path, file)
        return Weights(_layers(root, mapped), str(path))


def _other_file(path: Path, file: Any) -> DataError:
    """What to say of an HDF5 file that has no weights where Caffe keeps them."""
    if "history" in file and "iter" in file:
        net = file["learned_net"][()] if "learned_net" in file else b""
        net = net if isinstance(net, bytes) else b""
        return solverstate_given(path, net.decode(errors="replace"))
    if "model_weights" in file or "layer_names" in file.attrs:
        problem = "the HDF5 file holds a Keras model."
        return DataError(problem, "Save the weights as Caffe does, or as .caffemodel.")
    return DataError("the HDF5 file has no group /data.", _LAYOUT)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, open for reading; whatever h5py raises becomes a DataError."""
    place = Place(str(path))
    try:
        with _h5py().File(path, "r") as file:
            yield file
    except NetspecError as error:
        raise error.at(place) from None
    except _H5PY_ERRORS as error:
        problem = f"the HDF5 file cannot be read: {error}."
        remedy = "The file is damaged or cut short: fetch or make it again."
        raise DataError(problem, remedy, place=place) from error


def _h5py() -> ModuleType:
    try:
        import h5py
    except ImportError:
        problem = "HDF5 needs h5py, which is not installed."
        raise UsageError(problem, "pip install 'netspec[hdf5]'") from None
    return h5py


def _is_group(thing: Any) -> bool:
    return isinstance(thing, _h5py().Group)


def _layers(root: Any, mapped: Message) -> Iterator[LayerWeights]:
    """Every layer below *root*, those whose names hold slashes included."""
    waiting, seen = [("", root)], set()
    while waiting:
        name, group = waiting.pop()
        address = _h5py().h5o.get_info(group.id).addr
        if address in seen:
            problem = f"the group {group.name!r} is reached in two ways."
            raise DataError(problem, _LAYOUT)
        seen.add(address)
        members = list(_members(group))
        groups = [(k, thing) for k, thing in members if _is_group(thing)]
        if group is not root and len(groups) < max(1, len(members)):
            yield LayerWeights(name, "", _blobs(group.name, members, mapped), True)
        prefix = f"{name}/" if name else ""
        waiting += [(prefix + k, thing) for k, thing in reversed(groups)]


def _members(group: Any) -> Iterator[tuple[str, Any]]:
    """Names and members of a group; links out of the file are refused."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), _h5py().HardLink):
            problem = f"{group.name}/{name} is a link to elsewhere."
            raise DataError(problem, "Save the values themselves in the file.")
        yield name, group[name]


def _blobs(
    layer: str, members: Sequence[tuple[str, Any]], mapped: Message
) -> tuple[StoredBlob | None, ...]:
    """The datasets 0, 1, ... of a layer; None where a number is left out."""
    found: dict[int, StoredBlob] = {}
    for name, dataset in members:
        if _is_group(dataset):
            continue
        if name not in _INDICES:
            problem = f"{layer}/{name} is not named by the number of a blob."
            raise DataError(problem, _LAYOUT)
        found[int(name)] = StoredBlob(_values(dataset, mapped))
    return tuple(found.get(i) for i in range(max(found, default=-1) + 1))


def _values(dataset: Any, mapped: Message) -> np.ndarray:
    """The dataset's values: a view of the mapped file where they lie there plainly."""
    _check_dataset(dataset)
    offset = dataset.id.get_offset()
    plain = offset is not None and dataset.chunks is None and dataset.size
    if not plain or offset + dataset.nbytes > mapped.stop:
        return np.asarray(dataset[()])
    view = np.frombuffer(mapped.buffer, dataset.dtype, dataset.size, offset)
    return view.reshape(dataset.shape)


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


def write_hdf5(path: str | Path, blobs: Mapping[str, Blobs]) -> None:
    """Write Caffe's HDF5 layout, of any size.

    Args:
        path: replaced only once everything is written and flushed.
        blobs: arrays by layer name, for every layer of the net, with an empty
            sequence where it has none; None for a blob that another layer stores.

    Raises:
        DataError: the file cannot be written.
        UsageError: h5py is not installed.
    """
    h5py = _h5py()
    with replacing(path) as temporary:
        try:
            with h5py.File(temporary, "w") as file:
                _write_layers(file.create_group("data"), blobs)
        except RuntimeError as error:  # h5py's word for a disk that is full at closing
            raise OSError(str(error)) from error


def _write_layers(root: Any, blobs: Mapping[str, Blobs]) -> None:
    for layer, arrays in blobs.items():
        group = root.require_group(layer)
        for i, array in enumerate(arrays):
            if array is not None:
                group.create_dataset(str(i), data=array, dtype=_stored(array))


def _stored(array: np.ndarray) -> str:
    return "<f8" if array.dtype == np.float64 else "<f4"
