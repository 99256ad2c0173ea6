"""Caffe's binary weights: a NetParameter whose layers carry blobs.

Reading maps the file and hands out views; writing composes the lengths itself and
streams, so neither takes memory for a second copy.  Layers are read in all three
spellings: ``layer``, ``layers`` (V1), and ``layers { layer }`` (V0).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netspec.errors import DataError, NetspecError, Place, UsageError
from netspec.files import replacing
from netspec.proto import NetParameter
from netspec.registry import suggest
from netspec.spec.blobproto import (
    StoredBlob,
    Values,
    blob_pieces,
    pieces_size,
    read_blob,
    write_pieces,
)
from netspec.spec.wire import (
    LENGTH,
    VARINT,
    Field,
    Message,
    encode_field,
    encode_header,
    format_bytes,
    int32,
)
from netspec.weights.types import v0_type, v1_type
from netspec.weights.weights import LayerWeights, Weights

# Protobuf cannot read a longer message, whatever the machine.
LARGEST = (1 << 31) - 1


@dataclass(frozen=True)
class _Spelling:
    """Field numbers of one way to write a layer; *inner* holds a V0 layer."""

    kind: str
    name: int
    type: int
    blobs: int
    inner: int = 0


_LAYER, _LAYERS = 100, 2
_SPELLINGS = {
    _LAYER: _Spelling("LayerParameter", name=1, type=2, blobs=7),
    _LAYERS: _Spelling("V1LayerParameter", name=4, type=5, blobs=6, inner=1),
}
_V0 = _Spelling("V0LayerParameter", name=1, type=2, blobs=50)


def read_caffemodel(path: str | Path) -> Weights:
    """Weights in a caffemodel, as views into the mapped file.

    Raises:
        DataError: missing, cut short or damaged, or without any layer.
    """
    return weights_of(Message.map(path, "NetParameter"))


def weights_of(net: Message) -> Weights:
    """Weights in a serialized NetParameter, as views into its buffer.

    Raises:
        DataError: see :func:`read_caffemodel`.
    """
    layers: list[LayerWeights] = []
    rest: list[bytes | memoryview] = []
    numbers = set()
    for field in net.fields():
        spelling = _SPELLINGS.get(field.number) if field.wire == LENGTH else None
        if spelling:
            numbers.add(field.number)
            layer, stripped = _read_layer(net.inside(field, spelling.kind), spelling)
            layers.append(layer)
            rest.append(encode_field(field.number, stripped))
        else:
            rest.append(net.buffer[field.tag : field.stop])
    _check_layers(net, numbers)
    return Weights(layers, net.file, b"".join(rest))


def _check_layers(net: Message, numbers: set[int]) -> None:
    if not numbers:
        raise net.error(net.start, f"{net.kind} has no layer")
    if len(numbers) > 1:
        problem = f"{net.kind} has layers in both the old and the current spelling"
        raise net.error(net.start, problem)


def _read_layer(message: Message, spelling: _Spelling) -> tuple[LayerWeights, bytes]:
    """A layer, and its message without the blobs."""
    name, kind, blobs = "", "", []
    inner: LayerWeights | None = None
    rest: list[bytes | memoryview] = []
    for field in message.fields():
        keep: bytes | memoryview = message.buffer[field.tag : field.stop]
        if field.number == spelling.blobs and field.wire == LENGTH:
            blobs.append(message.inside(field, "BlobProto"))
            continue
        if field.number == spelling.name and field.wire == LENGTH:
            name = message.text(field)
        elif field.number == spelling.type:
            kind = _layer_type(message, field, spelling)
        elif field.number == spelling.inner and field.wire == LENGTH:
            inner, stripped = _read_layer(message.inside(field, _V0.kind), _V0)
            keep = encode_field(field.number, stripped)
        rest.append(keep)
    layer = inner or LayerWeights(name, kind, _read_blobs(blobs, (name, kind)))
    return layer, b"".join(rest)


def _layer_type(message: Message, field: Field, spelling: _Spelling) -> str:
    if field.wire == VARINT:
        return v1_type(int32(field.value))
    if field.wire != LENGTH:
        return ""
    text = message.text(field)
    return v0_type(text) if spelling is _V0 else text


def _read_blobs(
    messages: Iterable[Message], layer: tuple[str, str]
) -> tuple[StoredBlob, ...]:
    try:
        return tuple(map(read_blob, messages))
    except NetspecError as error:
        raise error.at(layer=layer) from None


def write_caffemodel(
    path: str | Path,
    net: NetParameter | bytes,
    blobs: Mapping[str, Sequence[np.ndarray]],
) -> None:
    """Write a caffemodel: *net* with *blobs* in its layers, shapes as BlobShape.

    Args:
        path: replaced only once everything is written and flushed.
        net: in the current spelling; blobs that it holds already are left out.
        blobs: arrays by layer name, of any strides. float64 is written as
            ``double_data``, which Caffe reads too, anything else as float32.

    Raises:
        DataError: the disk is full, or the message would be larger than the 2 GB
            that protobuf can read.
        UsageError: *blobs* names a layer that *net* does not have, or *net* is in an
            old spelling.
    """
    raw = net if isinstance(net, bytes) else net.SerializeToString()
    pieces = _net_pieces(Message.of(raw, "NetParameter"), blobs)
    _check_size(path, pieces_size(pieces))
    with replacing(path) as temporary, temporary.open("wb") as file:
        write_pieces(file, pieces)


def _check_size(path: str | Path, size: int) -> None:
    if size > LARGEST:
        raise DataError(
            f"a caffemodel of {format_bytes(size)} would be needed; protobuf reads "
            f"no more than {format_bytes(LARGEST)}.",
            "Write HDF5 instead: a name that ends in .caffemodel.h5, or "
            "snapshot_format: HDF5 in the solver.",
            place=Place(str(path)),
        )


def _net_pieces(
    net: Message, blobs: Mapping[str, Sequence[np.ndarray]]
) -> list[bytes | Values]:
    pieces: list[bytes | Values] = []
    left = dict(blobs)
    known = []
    for field in net.fields():
        if field.number == _LAYERS:
            problem = "the net to be written is in the old spelling, 'layers'."
            raise UsageError(problem, "Upgrade it first.")
        if field.number != _LAYER:
            pieces.append(bytes(net.buffer[field.tag : field.stop]))
            continue
        layer = net.inside(field, "LayerParameter")
        known.append(_name_of(layer))
        inner = _layer_pieces(layer, left.pop(known[-1], ()))
        pieces += [encode_header(_LAYER, pieces_size(inner)), *inner]
    if left:
        name = next(iter(left))
        problem = f"the net to be written has no layer {name!r}."
        raise UsageError(problem, suggest(name, known))
    return pieces


def _name_of(layer: Message) -> str:
    names = [f for f in layer.fields() if f.number == 1 and f.wire == LENGTH]
    return layer.text(names[-1]) if names else ""


def _layer_pieces(layer: Message, arrays: Sequence[np.ndarray]) -> list[bytes | Values]:
    """The layer with *arrays* as its blobs, where protobuf would write them."""
    number = _SPELLINGS[_LAYER].blobs
    before: list[memoryview] = []
    after: list[memoryview] = []
    for field in layer.fields():
        if field.number != number:
            part = before if field.number < number else after
            part.append(layer.buffer[field.tag : field.stop])
    pieces: list[bytes | Values] = [b"".join(before)]
    for array in arrays:
        pieces += blob_pieces(number, np.asarray(array))
    return [*pieces, b"".join(after)]
