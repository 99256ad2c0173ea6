"""The strings, checksums and errors that the files of a LevelDB have in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netspec.data.leveldb.kernels import crc32c
from netspec.data.varint import varint
from netspec.errors import DataError

DAMAGED = (
    "The file is damaged or was cut short: copy the database again, or make it anew."
)
_MASK = 0xA282EAD8  # LevelDB stores sums rotated by 15 bits, and this added
_WORD = 0xFFFFFFFF


def file_error(path: Path, what: str, remedy: str = DAMAGED) -> DataError:
    """The error that says something about one file of a database."""
    return DataError(f"database file '{path}' {what}", remedy)


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
