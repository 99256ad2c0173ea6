"""Datums: the records of Caffe's databases.

protobuf's parser takes about a microsecond and one copy for a Datum of CIFAR; a parser
of our own that avoids the copy was slower below 100 KB.  For a look at the label and
the shape alone, as ``netspec data info`` wants of every record, :func:`glance` steps
over the pixels, which then need not even be read from disk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from netspec.data.protocols import Pixels
from netspec.errors import DataError
from netspec.proto import Datum
from netspec.shapes import describe

REMAKE = "Make the database anew, or leave out what 'netspec data verify' lists."


def parse_datum(wire: memoryview) -> Datum:
    """The Datum in *wire*.

    Raises:
        DataError: the bytes are not a Datum.
    """
    try:
        return Datum.FromString(wire)  # type: ignore[arg-type]  # any buffer will do
    except DecodeError:
        raise DataError("is not a Datum.", REMAKE) from None


def pixels(datum: Datum) -> Pixels:
    """What a Datum that is not encoded holds, in shape (C, H, W).

    Raises:
        DataError: it holds another number of values than its shape has.
    """
    shape = (datum.channels, datum.height, datum.width)
    data = datum.data
    values: Pixels = (
        np.frombuffer(data, np.uint8) if data else np.array(datum.float_data, "f4")
    )
    if shape == (0, 0, 0) and not values.size:
        raise DataError(
            "holds no picture.",
            "Records with boxes (AnnotatedDatum) are read by layers of type "
            "AnnotatedData.",
        )
    if min(shape) <= 0 or values.size != shape[0] * shape[1] * shape[2]:
        raise DataError(
            f"holds {values.size} values for the shape {describe(shape)}.", REMAKE
        )
    return values.reshape(shape)


# A field's tag is its number times 8, plus its wire type: 0 varint, 2 bytes.
_DATA = 0x22
_NUMBERS = {
    0x08: "channels", 0x10: "height", 0x18: "width", 0x28: "label", 0x38: "encoded"
}  # fmt: skip
_KEPT = 16  # bytes of the pixels: enough to tell what kind of file they are
_LONGEST_VARINT = 10


def glance(wire: memoryview) -> Datum:
    """The Datum in *wire* with no more than the first few bytes of its data.

    Raises:
        DataError: the bytes are not a Datum.
    """
    found: dict[str, Any] = {}
    at = 0
    while at < len(wire):
        value, end = _varint(wire, at + 1)
        if wire[at] == _DATA:
            found["data"] = bytes(wire[end : end + min(value, _KEPT)])
            end += value
        elif wire[at] in _NUMBERS:
            found[_NUMBERS[wire[at]]] = _int32(value)
        else:
            return parse_datum(wire)
        at = end
    return Datum(**found) if at == len(wire) else parse_datum(wire)


def _varint(wire: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at *at*, and where it ends: beyond *wire* if cut short."""
    value = 0
    for place, byte in enumerate(wire[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    return value, len(wire) + 1


def _int32(value: int) -> int:
    """A varint as the signed 32-bit number it stands for."""
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
