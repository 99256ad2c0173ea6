"""BlobProto to array and back, without protobuf's own copies.

Serves weights, solver histories and mean images.  Reading gives views into the
buffer; writing gives pieces to be streamed, so that neither needs room for a second
copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from netspec.shapes import Shape, count, describe
from netspec.spec.wire import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    Field,
    Message,
    encode_field,
    encode_header,
    encode_varint,
    format_bytes,
    int32,
    int64,
)

# Field numbers of BlobProto; 1 to 4 are num, channels, height, width.
_LEGACY = range(1, 5)
_DATA, _SHAPE, _DOUBLE_DATA, _RAW_TYPE, _RAW_DATA = 5, 7, 8, 10, 12
_FLOAT, _DOUBLE = np.dtype("<f4"), np.dtype("<f8")
_VALUES: dict[int, tuple[np.dtype, int]] = {
    _DATA: (_FLOAT, FIXED32),
    _DOUBLE_DATA: (_DOUBLE, FIXED64),
}
# NVIDIA's Type: DOUBLE, FLOAT, FLOAT16, INT, UINT, BOOL.
_RAW_TYPES = dict(enumerate(map(np.dtype, ("<f8", "<f4", "<f2", "<i4", "<u4", "?"))))
_MOST_AXES = 32  # Caffe's kMaxBlobAxes
_MOST_COUNT = (1 << 31) - 1  # Caffe counts in int
_MOST_FIELDS = 1 << 16
_CHUNK = 1 << 20


@dataclass(frozen=True)
class StoredBlob:
    """Values of one blob.

    Attributes:
        array: in the file's shape and type; where possible a read-only view into
            the file, which may be unaligned: copy it before computing with it.
        legacy: the shape was given as num, channels, height, width.
    """

    array: np.ndarray
    legacy: bool = False


@dataclass
class _Parts:
    """What a BlobProto holds, as it is found."""

    legacy: dict[int, int] = field(default_factory=dict)
    dims: list[int] = field(default_factory=list)
    values: dict[int, list[np.ndarray]] = field(default_factory=dict)
    raw_type: int | None = None
    raw: memoryview | None = None


def blob_array(buffer: bytes | memoryview, file: str = "") -> StoredBlob:
    """The blob in a serialized BlobProto; *file* is only named in errors.

    Raises:
        DataError: see :func:`read_blob`.
    """
    return read_blob(Message.of(buffer, "BlobProto", file))


def read_blob(message: Message) -> StoredBlob:
    """The blob in a BlobProto.

    Takes ``data`` packed and unpacked, ``double_data``, and the raw bytes of NVIDIA's
    fork, in the order in which Caffe prefers them; diffs are passed over.

    Raises:
        DataError: a broken field, or a shape that does not fit the number of values.
    """
    parts = _collect(message)
    shape = tuple(parts.legacy.get(n, 0) for n in _LEGACY) if parts.legacy else None
    values = _chosen_values(message, parts)
    shape = tuple(parts.dims) if shape is None else shape
    _check_shape(message, shape, values.size)
    return StoredBlob(values.reshape(shape), bool(parts.legacy))


def _collect(message: Message) -> _Parts:
    parts, at = _Parts(), message.start
    for _ in range(_MOST_FIELDS):
        if at >= message.stop:
            return parts
        found = message.field_at(at)
        at = found.stop
        if found.number in _VALUES:
            at = _take_values(message, found, parts)
        elif found.wire == VARINT and found.number in _LEGACY:
            parts.legacy[found.number] = int32(found.value)
        elif found.wire == VARINT and found.number == _RAW_TYPE:
            parts.raw_type = int32(found.value)
        elif found.wire == LENGTH and found.number == _SHAPE:
            parts.dims += _dims(message.inside(found, "BlobShape"))
        elif found.wire == LENGTH and found.number == _RAW_DATA:
            parts.raw = message.payload(found)
    raise message.error(at, f"{message.kind} has more than {_MOST_FIELDS:,} fields")


def _dims(shape: Message) -> list[int]:
    dims: list[int] = []
    for found in shape.fields():
        if found.number == 1 and found.wire in (VARINT, LENGTH):
            dims += map(int64, shape.varints(found))
    return dims


def _take_values(message: Message, found: Field, parts: _Parts) -> int:
    """Add the values of a data field; returns the offset behind what was taken."""
    dtype, fixed = _VALUES[found.number]
    if found.wire not in (LENGTH, fixed) or not len(found):
        return found.stop
    if found.wire == LENGTH:
        piece, stop = _view(message, found, dtype), found.stop
    else:
        piece, stop = _unpacked(message, found, dtype)
    parts.values.setdefault(found.number, []).append(piece)
    return stop


def _view(message: Message, found: Field, dtype: np.dtype) -> np.ndarray:
    if len(found) % dtype.itemsize:
        raise message.error(
            found.start,
            f"field {found.number} of {message.kind} has {format_bytes(len(found))}, "
            f"which is no whole number of {dtype.itemsize}-byte values",
        )
    items = len(found) // dtype.itemsize
    return np.frombuffer(message.buffer, dtype, items, found.start)


def _unpacked(
    message: Message, found: Field, dtype: np.dtype
) -> tuple[np.ndarray, int]:
    """Values written one field each: a run of equal tags, copied in one go."""
    head = found.start - found.tag
    stride = head + dtype.itemsize
    left = (message.stop - found.tag) // stride
    records = np.frombuffer(message.buffer, np.uint8, left * stride, found.tag)
    records = records.reshape(left, stride)
    run = _equal_heads(records[:, :head])
    values = np.ascontiguousarray(records[:run, head:]).view(dtype).ravel()
    return values, found.tag + run * stride


def _equal_heads(heads: np.ndarray) -> int:
    """How many rows from the first on equal it; looks no further than twice that."""
    known, step = 1, 64
    while known < len(heads):
        same = (heads[known : known + step] == heads[0]).all(axis=1)
        if not same.all():
            return known + int(same.argmin())
        known += len(same)
        step *= 2
    return known


def _chosen_values(message: Message, parts: _Parts) -> np.ndarray:
    pieces = parts.values.get(_DOUBLE_DATA) or parts.values.get(_DATA)
    if pieces:
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    if not parts.raw:
        return np.empty(0, _FLOAT)
    dtype = _RAW_TYPES.get(-1 if parts.raw_type is None else parts.raw_type)
    if dtype is None:
        given = "none" if parts.raw_type is None else parts.raw_type
        known = f"0 to {len(_RAW_TYPES) - 1}"
        problem = f"raw_data of {message.kind} has raw_data_type {given}, not {known}"
        raise message.error(message.start, problem)
    if len(parts.raw) % dtype.itemsize:
        size = format_bytes(len(parts.raw))
        problem = f"raw_data of {message.kind} has {size}, no whole number of {dtype}"
        raise message.error(message.start, problem)
    return np.frombuffer(parts.raw, dtype)


def _check_shape(message: Message, shape: Shape, values: int) -> None:
    if len(shape) > _MOST_AXES:
        problem = f"a blob has {len(shape)} axes; the most is {_MOST_AXES}"
        raise message.error(message.start, problem)
    too_large = count(tuple(max(1, dim) for dim in shape)) > _MOST_COUNT
    if min(shape, default=0) < 0 or too_large or count(shape) != values:
        raise message.error(
            message.start,
            f"a blob of shape {describe(shape)} comes with {values:,} values",
        )


@dataclass(frozen=True)
class Values:
    """The values of an array on their way into a file, converted a chunk at a time."""

    array: np.ndarray
    dtype: np.dtype

    def __len__(self) -> int:
        return self.array.size * self.dtype.itemsize

    def chunks(self) -> Iterator[memoryview]:
        """The bytes, row-major, at most 8 MiB at a time."""
        contiguous = self.array.flags.c_contiguous
        flat = self.array.reshape(-1) if contiguous else self.array.flat
        for start in range(0, self.array.size, _CHUNK):
            part = np.ascontiguousarray(flat[start : start + _CHUNK], self.dtype)
            yield part.view(np.uint8).data


Pieces = Sequence[bytes | Values]


def blob_pieces(number: int, array: np.ndarray) -> list[bytes | Values]:
    """Field *number* of the enclosing message, holding *array* as a BlobProto.

    float64 becomes ``double_data``, every other floating type ``data``.  Streaming
    the pieces gives the bytes that protobuf would write.
    """
    double = array.dtype == np.float64
    tag, dtype = (_DOUBLE_DATA, _DOUBLE) if double else (_DATA, _FLOAT)
    dims = b"".join(map(encode_varint, array.shape))
    shape = encode_field(_SHAPE, encode_field(1, dims) if dims else b"")
    values = Values(array, dtype)
    head = encode_header(tag, len(values)) if array.size else b""
    inner: list[bytes | Values]
    inner = [shape, head, values] if double else [head, values, shape]
    return [encode_header(number, pieces_size(inner)), *inner]


def pieces_size(pieces: Pieces) -> int:
    """Bytes that the pieces will take."""
    return sum(map(len, pieces))


def write_pieces(file: BinaryIO, pieces: Pieces) -> None:
    """Write pieces one after another, converting values a chunk at a time."""
    for piece in pieces:
        if isinstance(piece, bytes):
            file.write(piece)
        else:
            for chunk in piece.chunks():
                file.write(chunk)
