"""safetensors: eight bytes of length, a JSON header, then the values.

Written by streaming and read by mapping, so that neither needs room for a copy.  A
tensor is named LAYER.WORD; the order of a layer's blobs, and the layers without any,
stand in the metadata, so that a caffemodel comes back as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.convert.blob_words import blob_words, position
from netspec.errors import DataError, Place
from netspec.files import replacing
from netspec.shapes import count
from netspec.spec.blobproto import StoredBlob, Values, write_pieces
from netspec.spec.wire import Message
from netspec.weights import LayerWeights, Weights

Array = Any

LAYERS = "netspec.layers"
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "|i1", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
_NAMES = {np.dtype(code): name for name, code in _TYPES.items()}
_ALIGNMENT = 8
_MOST_HEADER = 100_000_000  # bytes; the format's own limit


def write_safetensors(
    path: str | Path, tensors: Mapping[str, Array], metadata: Mapping[str, str]
) -> None:
    """Write tensors by name, in their order, and metadata.

    Raises:
        DataError: it cannot be written; what was there before is as it was.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    at, values = 0, []
    for name, array in tensors.items():
        stored = Values(array, array.dtype.newbyteorder("<"))
        header[name] = {
            "dtype": _NAMES[stored.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + len(stored)],
        }
        at += len(stored)
        values.append(stored)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    head = len(text).to_bytes(8, "little") + text
    with replacing(path) as temporary, temporary.open("wb") as file:
        write_pieces(file, [head, *values])


def read_tensors(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Tensors by name, as views of the mapped file, and the metadata.

    Raises:
        DataError: damaged, cut short, or of a type that no weights have.
    """
    mapped = Message.map(path, "safetensors")
    place = Place(str(path))
    header = _header(mapped, place)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise _damaged(place, "its metadata are no names and texts")
    start = 8 + int.from_bytes(mapped.buffer[:8], "little")
    data = mapped.buffer[start:]
    tensors = {name: _tensor(data, name, held, place) for name, held in header.items()}
    return tensors, {str(k): str(v) for k, v in metadata.items()}


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata alone."""
    return read_tensors(path)[1]


def _header(mapped: Message, place: Place) -> dict[str, Any]:
    size = int.from_bytes(mapped.buffer[:8], "little")
    if size > min(len(mapped.buffer) - 8, _MOST_HEADER):
        raise _damaged(place, f"its header claims {size:,} bytes")
    try:
        header = json.loads(bytes(mapped.buffer[8 : 8 + size]))
    except (ValueError, RecursionError):
        raise _damaged(place, "its header is no JSON") from None
    if not isinstance(header, dict):
        raise _damaged(place, "its header is no table of tensors")
    return header


def _tensor(data: memoryview, name: str, held: Any, place: Place) -> Array:
    try:
        dtype = np.dtype(_TYPES[held["dtype"]])
        shape = tuple(int(n) for n in held["shape"])
        start, stop = (int(n) for n in held["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise _damaged(
            place, f"tensor {name!r} is not described as tensors are"
        ) from None
    fits = 0 <= start <= stop <= len(data) and min(shape, default=1) >= 0
    if not fits or count(shape) * dtype.itemsize != stop - start:
        raise _damaged(place, f"tensor {name!r} does not fit its place in the file")
    return np.frombuffer(data[start:stop], dtype).reshape(shape)


def _damaged(place: Place, what: str) -> DataError:
    remedy = "The file is damaged or cut short: fetch or make it again."
    return DataError(f"{what}.", remedy, place=place)


def tensors_of(weights: Weights) -> tuple[dict[str, Array], str]:
    """A weights file's arrays by tensor name, and the order of layers and blobs."""
    tensors: dict[str, Array] = {}
    order = []
    for layer in weights.layers.values():
        words = blob_words(layer.type, len(layer.blobs))
        names = [f"{layer.name}.{word}" for word in words]
        for name, blob in zip(names, layer.blobs):
            if blob is not None:
                tensors[name] = blob.array
        kept = [n if b is not None else None for n, b in zip(names, layer.blobs)]
        order.append([layer.name, layer.type, kept])
    return tensors, json.dumps(order)


def read_safetensors(path: str | Path) -> Weights:
    """Weights by layer; those of another program by the last word of their names.

    Raises:
        DataError: see :func:`read_tensors`.
    """
    tensors, metadata = read_tensors(path)
    order = metadata.get(LAYERS)
    layers = _ordered(tensors, order) if order else _guessed(tensors)
    return Weights(layers, str(path))


def _ordered(tensors: Mapping[str, Array], order: str) -> Iterator[LayerWeights]:
    try:
        entries = [(str(a), str(b), list(c)) for a, b, c in json.loads(order)]
    except (ValueError, TypeError):
        raise DataError(
            f"the metadata {LAYERS!r} is damaged.", "Make the file again."
        ) from None
    for name, kind, names in entries:
        found = [tensors.get(n) if n is not None else None for n in names]
        blobs = tuple(None if a is None else StoredBlob(a) for a in found)
        yield LayerWeights(name, kind, blobs, sparse=None in names)


def _guessed(tensors: Mapping[str, Array]) -> Sequence[LayerWeights]:
    found: dict[str, dict[int, Array]] = {}
    for name, array in tensors.items():
        layer, _, word = name.rpartition(".")
        place = position(word)
        if not layer or place is None:
            layer, place = name, 0
        found.setdefault(layer, {})[place] = array
    return [
        LayerWeights(layer, "", tuple(StoredBlob(held[i]) for i in sorted(held)))
        for layer, held in found.items()
    ]
