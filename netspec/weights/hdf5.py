"""Caffe's HDF5 weights: dataset ``/data/<layer>/<index>`` for each blob.

A layer has a group even where it has no blobs.  A blob that another layer shares is
stored once, by its owner.  A slash in a layer's name makes a group inside a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.errors import DataError
from netspec.spec.blobproto import StoredBlob
from netspec.spec.wire import Message
from netspec.weights.hdf5_file import (
    create_hdf5,
    dataset_array,
    load_h5py,
    open_hdf5,
)
from netspec.weights.mistaken import solverstate_given
from netspec.weights.weights import LayerWeights, Weights

Blobs = Sequence[np.ndarray | None]

_INDICES = frozenset(map(str, range(1000)))
_LAYOUT = "Caffe's weights are in datasets /data/<layer>/<index>."


def read_hdf5(path: str | Path) -> Weights:
    """Weights in Caffe's HDF5 layout; plain datasets become views of the mapped file.

    Raises:
        DataError: missing, damaged, or without the group ``/data``.
        UsageError: h5py is not installed.
    """
    path = Path(path)
    mapped = Message.map(path, "HDF5")
    with open_hdf5(path) as file:
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


def _is_group(thing: Any) -> bool:
    return isinstance(thing, load_h5py().Group)


def _layers(root: Any, mapped: Message) -> Iterator[LayerWeights]:
    """Every layer below *root*, those whose names hold slashes included."""
    waiting, seen = [("", root)], set()
    while waiting:
        name, group = waiting.pop()
        address = load_h5py().h5o.get_info(group.id).addr
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
        if not isinstance(group.get(name, getlink=True), load_h5py().HardLink):
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
        found[int(name)] = StoredBlob(dataset_array(dataset, mapped))
    return tuple(found.get(i) for i in range(max(found, default=-1) + 1))


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
    with create_hdf5(path) as file:
        root = file.create_group("data")
        for layer, arrays in blobs.items():
            group = root.require_group(layer)
            for i, array in enumerate(arrays):
                if array is not None:
                    group.create_dataset(str(i), data=array, dtype=_stored(array))


def _stored(array: np.ndarray) -> str:
    return "<f8" if array.dtype == np.float64 else "<f4"
