"""LevelDB's logs: what was written last, and which tables there are.

A log is cut into blocks of 32 KiB.  A record is in one piece or in several, each with
a header of a masked CRC-32C (of kind and payload), length (2 bytes) and kind.  Format:
``doc/log_format.md`` of LevelDB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from netspec.data.leveldb.wire import file_error, masked_sum, prefixed
from netspec.data.mdb_pages import map_file

_BLOCK = 1 << 15
_HEADER = struct.Struct("<IHB")
_ZERO, _FULL, _FIRST, _MIDDLE, _LAST = range(5)
_BATCH = struct.Struct("<QI")  # the first entry's sequence number, and entries
DELETED, VALUE = 0, 1
Entry = tuple[bytes, int, bytes]  # key, sequence and kind, value


def log_records(path: Path) -> Iterator[bytes]:
    """The whole records of a log.

    What stands at the end and is not whole was being written when the writer died: it
    does not count, as in LevelDB.

    Raises:
        DataError: damaged before its end.
    """
    if path.stat().st_size == 0:
        return
    parts: list[memoryview] = []
    for kind, payload in _pieces(path, map_file(path)):
        if (kind in (_MIDDLE, _LAST)) != bool(parts) or kind > _LAST:
            raise file_error(path, "is damaged: a record lacks a part.")
        parts.append(payload)
        if kind in (_FULL, _LAST):
            yield b"".join(parts)
            parts = []


def _pieces(path: Path, view: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at + _HEADER.size <= len(view):
        rest = _BLOCK - at % _BLOCK
        if rest < _HEADER.size:
            at += rest
            continue
        checksum, length, kind = _HEADER.unpack_from(view, at)
        if kind == _ZERO and length == 0:
            at += rest  # space that was set aside
            continue
        end = at + _HEADER.size + length
        if end > len(view):
            return
        piece = view[at + _HEADER.size - 1 : end]
        if length > rest - _HEADER.size or masked_sum(piece) != checksum:
            raise file_error(path, f"is damaged at byte {at}.")
        yield kind, piece[1:]
        at = end


def log_entries(path: Path) -> Iterator[Entry]:
    """What a log adds to the tables, in the order it was written.

    Raises:
        DataError: damaged.
    """
    for record in log_records(path):
        try:
            yield from _batch(record)
        except (IndexError, struct.error):
            raise file_error(path, "holds a batch that ends too early.") from None


def _batch(record: bytes) -> Iterator[Entry]:
    sequence, count = _BATCH.unpack_from(record)
    at = _BATCH.size
    for number in range(sequence, sequence + count):
        kind, value = record[at], b""
        if kind > VALUE:
            raise IndexError("no kind of entry")
        key, at = prefixed(record, at + 1)
        if kind == VALUE:
            value, at = prefixed(record, at)
        yield key, number << 8 | kind, value
