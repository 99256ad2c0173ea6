"""Numbers of seven bits a byte, lowest first, as protobuf and LevelDB write them."""

from __future__ import annotations

_MOST_BITS = 63


def varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """The number that begins at *at*, and where it ends.

    Raises:
        IndexError: *data* ends before it does.
    """
    value = 0
    for shift in range(0, _MOST_BITS + 1, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError("a number of more than ten bytes")
