"""NumPy's npz: one array LAYER/INDEX for each blob, and the net as text."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netspec.errors import DataError, Place
from netspec.files import replacing
from netspec.spec.blobproto import StoredBlob
from netspec.weights import LayerWeights, Weights

Array = Any

_LAYERS = "netspec.layers"  # names and types of all layers, those without blobs too


def write_npz(path: str | Path, weights: Weights, metadata: Mapping[str, str]) -> None:
    """Write every array, the layers' names and types, and metadata.

    Raises:
        DataError: it cannot be written; what was there before is as it was.
    """
    named = [[layer.name, layer.type] for layer in weights.layers.values()]
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        _add(archive, _LAYERS, np.array(named, dtype=np.str_).reshape(-1, 2))
        for key, text in metadata.items():
            _add(archive, key, np.array(text))
        for layer in weights.layers.values():
            for i, blob in enumerate(layer.blobs):
                if blob is not None:
                    _add(archive, f"{layer.name}/{i}", blob.array)


def _add(archive: zipfile.ZipFile, name: str, array: Array) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        aligned = np.require(array, requirements=["C", "A"])
        np.lib.format.write_array(member, aligned, allow_pickle=False)


def read_npz(path: str | Path) -> Weights:
    """Weights by layer.

    Raises:
        DataError: damaged, or holding objects, which would run code.
    """
    place = Place(str(path))
    try:
        with np.load(path, allow_pickle=False) as file:
            held = {name: file[name] for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, KeyError) as error:
        problem = f"the npz file cannot be read: {error}."
        raise DataError(problem, "Make it again.", place=place) from None
    return Weights(_layers(held), str(path), None)


def read_texts(path: str | Path) -> dict[str, str]:
    """The metadata."""
    with np.load(path, allow_pickle=False) as file:
        names = [n for n in file.files if n.startswith("netspec.") and n != _LAYERS]
        return {name: str(file[name]) for name in names}


def _layers(held: dict[str, Array]) -> list[LayerWeights]:
    named = held.pop(_LAYERS, np.empty((0, 2), np.str_))
    found: dict[str, dict[int, Array]] = {str(name): {} for name, _ in named}
    kinds = {str(name): str(kind) for name, kind in named}
    for key, array in held.items():
        layer, _, index = key.rpartition("/")
        if layer and index.isdecimal() and array.dtype.kind == "f":
            found.setdefault(layer, {})[int(index)] = array
    return [
        LayerWeights(name, kinds.get(name, ""), _blobs(blobs), sparse=True)
        for name, blobs in found.items()
    ]


def _blobs(blobs: dict[int, Array]) -> tuple[StoredBlob | None, ...]:
    last = max(blobs, default=-1)
    return tuple(StoredBlob(blobs[i]) if i in blobs else None for i in range(last + 1))
