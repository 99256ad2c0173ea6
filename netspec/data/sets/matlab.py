"""Reading one array of structs from a MATLAB 5 file: ImageNet's ``meta.mat``.

Only what that needs: text and numbers in the fields of structs. Anything else there is
left out. What is compressed may only grow to a bound, and nothing nests deeper than a
field of a struct. Format: "MAT-File Format", MathWorks, version 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from netspec.errors import DataError

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _CHAR = 2, 4  # classes of arrays; from 6 to 15 they are numbers
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8",
          12: "i8", 13: "u8"}  # fmt: skip
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16",
          18: "utf-32"}  # fmt: skip
_LARGEST = 1 << 26  # bytes that a compressed array may grow to
_MOST_FIELDS, _MOST_STRUCTS = 1000, 1 << 20

Value = str | list[float] | None
Fields = dict[str, Value]


class _Element(NamedTuple):
    """One item of data with its type's number."""

    kind: int
    data: bytes


def read_structs(file: bytes, name: str) -> list[Fields]:
    """The structs of the array *name*: text, numbers, or None for other fields.

    Raises:
        DataError: not such a file, damaged, or without that array.
    """
    mark = file[126:_HEADER]
    if len(file) < _HEADER or mark not in (b"IM", b"MI"):
        raise _fault("is not a MATLAB 5 file.")
    order = "<" if mark == b"IM" else ">"
    for element in _elements(file[_HEADER:], order):
        if element.kind == _COMPRESSED:
            element = next(_elements(_inflated(element.data), order), element)
        if element.kind == _MATRIX:
            parts = list(_elements(element.data, order))
            if len(parts) >= 3 and _text(parts[2], order) == name:
                return _structs(parts, order)
    raise _fault(f"has no array '{name}'.")


def _inflated(data: bytes) -> bytes:
    machine = zlib.decompressobj()
    try:
        found = machine.decompress(data, _LARGEST)
    except zlib.error as error:
        raise _fault(f"cannot be decompressed: {error}.") from None
    if machine.unconsumed_tail:
        raise _fault(f"holds an array of more than {_LARGEST:,} bytes.")
    return found


def _elements(data: bytes, order: str) -> Iterator[_Element]:
    """The items of data that follow one another."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        begin = at + 8
        if kind >> 16:  # a short item: size, type and data in eight bytes
            kind, size, begin = kind & 0xFFFF, kind >> 16, at + 4
            end = at + 8
        else:
            # What is compressed is not padded.
            end = begin + size + (0 if kind == _COMPRESSED else -size % 8)
        if begin + size > len(data):
            raise _fault("is cut short.")
        yield _Element(kind, data[begin : begin + size])
        at = end


def _structs(parts: list[_Element], order: str) -> list[Fields]:
    """Parts: flags, dimensions, name, length of field names, field names, values."""
    if len(parts) < 5 or _class(parts[0], order) != _STRUCT:
        raise _fault("has no array of structs under that name.")
    names = _field_names(parts[3], parts[4], order)
    count = int(np.prod(_numbers(parts[1], order), dtype=object))
    values = parts[5:]
    if (
        not names
        or not 0 <= count <= _MOST_STRUCTS
        or len(values) != count * len(names)
    ):
        raise _fault(f"has {len(values)} values for {count} structs.")
    rows = (values[i : i + len(names)] for i in range(0, len(values), len(names)))
    return [dict(zip(names, (_value(v, order) for v in row))) for row in rows]


def _field_names(length: _Element, text: _Element, order: str) -> list[str]:
    widths = _numbers(length, order)
    width = int(widths[0]) if widths else 0
    if width < 1 or len(text.data) // width > _MOST_FIELDS:
        raise _fault("has bad field names.")
    starts = range(0, len(text.data) - width + 1, width)
    cut = (text.data[i : i + width].split(b"\0", 1)[0] for i in starts)
    return [name.decode("latin-1") for name in cut]


def _value(element: _Element, order: str) -> Value:
    """The text or the numbers of a field; None for anything else."""
    parts = list(_elements(element.data, order)) if element.kind == _MATRIX else []
    if len(parts) < 4:
        return None
    kind = _class(parts[0], order)
    if kind == _CHAR:
        return _text(parts[3], order)
    return _numbers(parts[3], order) if 6 <= kind <= 15 else None


def _class(flags: _Element, order: str) -> int:
    numbers = _numbers(flags, order)
    return int(numbers[0]) & 0xFF if numbers else 0


def _numbers(element: _Element, order: str) -> list[float]:
    if element.kind not in _TYPES:
        return []
    kind = np.dtype(order + _TYPES[element.kind])
    whole = len(element.data) // kind.itemsize * kind.itemsize
    found: list[float] = np.frombuffer(element.data[:whole], kind).tolist()
    return found


def _text(element: _Element, order: str) -> str:
    codec = _TEXTS.get(element.kind, "latin-1")
    if codec in ("utf-16", "utf-32"):
        codec += "-le" if order == "<" else "-be"
    return element.data.decode(codec, "replace")


def _fault(problem: str) -> DataError:
    return DataError(problem, "Take meta.mat from the devkit of ILSVRC 2012.")
