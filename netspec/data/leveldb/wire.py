"""The numbers, checksums and errors that the files of a LevelDB have in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netspec.data.leveldb.kernels import crc32c
from netspec.errors import DataError

DAMAGED = (
    "The file is damaged or was cut short: copy the database again, or make it anew."
)
_MASK = 0xA282EAD8  # LevelDB stores sums rotated by 15 bits, and this added
_WORD = 0xFFFFFFFF
_MOST_BITS = 63


def file_error(path: Path, what: str, remedy: str = DAMAGED) -> DataError:
    """The error that says something about one file of a database."""
    return DataError(f"database file '{path}' {what}", remedy)


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


def prefixed(data: bytes | memoryview, at: int) -> tuple[bytes, int]:
    """Bytes that stand behind their length, and where they end.

    Raises:
        IndexError: *data* ends before they do.
    """
    length, start = varint(data, at)
    if start + length > len(data):
        raise IndexError("cut short")
    return bytes(data[start : start + length]), start + length


def masked_sum(data: memoryview) -> int:
    """The CRC-32C of *data* as LevelDB stores it."""
    found = int(crc32c(np.frombuffer(data, np.uint8)))
    return ((found >> 15 | found << 17) + _MASK) & _WORD
