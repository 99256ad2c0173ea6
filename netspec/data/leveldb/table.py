"""LevelDB's sorted tables: blocks of entries, and an index of the blocks.

An entry is (bytes shared with the key before, further bytes of the key, bytes of the
value), three varints, and then those bytes; a block ends with places to start reading
at and their number.  A key ends in 8 bytes: the entry's sequence number times 256 plus
its kind.  Behind each block stand its compression and a masked CRC-32C.  Format:
``doc/table_format.md`` of LevelDB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.leveldb.kernels import unsnappy
from netspec.data.leveldb.wire import file_error, masked_sum
from netspec.data.mdb_pages import map_file
from netspec.data.varint import varint

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = struct.Struct("<BI")  # compression, masked sum
_WORD = struct.Struct("<I")
_TAG = struct.Struct("<Q")
_RAW, _SNAPPY, _ZSTD = range(3)
_MOST_SHRUNK = 32  # Snappy makes no block more times smaller
_GLANCE = 1024  # bytes that most keys end within
_LEAST_END = 8  # bytes behind the entries of a block


class Handle(NamedTuple):
    """Where a block lies in its file."""

    offset: int
    size: int


class Item(NamedTuple):
    """An entry of a block."""

    key: bytes
    tag: int  # sequence number times 256, plus kind
    value: memoryview


class Table:
    """The blocks of one table file, mapped into memory.

    Raises:
        DataError: missing, of another size than *size*, or no table.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._view = map_file(path)
        if len(self._view) != size or size < _FOOTER:
            raise file_error(path, f"has {len(self._view)} bytes, and should {size}.")

    @cached_property
    def blocks(self) -> list[Handle]:
        """The table's blocks, in the order of their keys.

        Raises:
            DataError: the index is damaged.
        """
        footer = self._view[-_FOOTER:]
        if _TAG.unpack_from(footer, _FOOTER - 8)[0] != _MAGIC:
            raise file_error(self.path, "is not a LevelDB table.")
        with self._sense():
            index = _second_handle(footer)
        entries = self._raw(self.content(index))
        with self._sense():
            return [_handle(value, 0)[0] for _, value in entries]

    def items(self, handle: Handle) -> list[Item]:
        """The entries of a block.

        Raises:
            DataError: it is damaged.
        """
        return [
            Item(key[:-8], _TAG.unpack(key[-8:])[0], value)
            for key, value in self._raw(self.content(handle))
        ]

    def keys(self, handle: Handle) -> list[tuple[bytes, int]]:
        """Keys and tags of a block, of which a single entry's value is not read."""
        start, size = self._start(handle)
        with self._sense():
            only = _only_key(start, size)
        if only is not None and len(only) >= _TAG.size:
            return [(only[:-8], _TAG.unpack(only[-8:])[0])]
        return [(item.key, item.tag) for item in self.items(handle)]

    def content(self, handle: Handle) -> memoryview:
        """The bytes of a block, checked and made large again."""
        stored, kind = self._stored(handle)
        start = handle.offset
        checksum = _TRAILER.unpack_from(self._view, start + handle.size)[1]
        if masked_sum(self._view[start : start + handle.size + 1]) != checksum:
            raise file_error(self.path, f"is damaged at byte {start}.")
        if kind == _RAW:
            return stored
        whole, at = self._size(stored, start)
        out = np.empty(whole, np.uint8)
        if unsnappy(np.frombuffer(stored, np.uint8), at, out) != len(stored):
            raise file_error(self.path, f"is damaged at byte {start}.")
        return memoryview(out)  # type: ignore[arg-type]

    def _start(self, handle: Handle) -> tuple[memoryview, int]:
        """The first bytes of a block as they were, and how many it has in all."""
        stored, kind = self._stored(handle)
        if kind == _RAW:
            return stored, len(stored)
        whole, at = self._size(stored, handle.offset)
        out = np.zeros(min(whole, _GLANCE), np.uint8)
        if unsnappy(np.frombuffer(stored, np.uint8), at, out) < 0:
            raise file_error(self.path, f"is damaged at byte {handle.offset}.")
        return memoryview(out), whole  # type: ignore[arg-type]

    def _stored(self, handle: Handle) -> tuple[memoryview, int]:
        """A block as it is stored, and its compression."""
        end = handle.offset + handle.size
        if end + _TRAILER.size > len(self._view) - _FOOTER:
            raise file_error(self.path, f"refers to byte {end}, beyond its end.")
        kind = _TRAILER.unpack_from(self._view, end)[0]
        if kind > _SNAPPY:
            what = "Zstandard" if kind == _ZSTD else f"method {kind}"
            raise file_error(
                self.path,
                f"is compressed by {what}.",
                "Make the database anew with Snappy, LevelDB's default, or as an LMDB.",
            )
        return self._view[handle.offset : end], kind

    def _size(self, stored: memoryview, start: int) -> tuple[int, int]:
        """How many bytes a Snappy block stands for, and where its elements begin."""
        with self._sense():
            size, at = varint(stored, 0)
        if size > _MOST_SHRUNK * len(stored):
            raise file_error(self.path, f"is damaged at byte {start}.")
        return size, at

    def _raw(self, block: memoryview) -> list[tuple[bytes, memoryview]]:
        with self._sense():
            entries = list(_entries(block))
        if any(len(key) < _TAG.size for key, _ in entries):
            raise file_error(self.path, "holds a key that is too short.")
        return entries

    @contextmanager
    def _sense(self) -> Iterator[None]:
        """Bytes that end too early are damage."""
        try:
            yield
        except (IndexError, struct.error):
            raise file_error(self.path, "holds a block that makes no sense.") from None


def _second_handle(footer: memoryview) -> Handle:
    """The footer has the handles of an index of filters, and of the blocks."""
    return _handle(footer, _handle(footer, 0)[1])[0]


def _handle(data: memoryview, at: int) -> tuple[Handle, int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return Handle(offset, size), at


def _entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Whole keys, and values."""
    restarts = _WORD.unpack_from(block, len(block) - _WORD.size)[0]
    end = len(block) - _WORD.size * (restarts + 1)
    at, key = 0, b""
    if end < 0:
        raise IndexError("more restarts than bytes")
    while at < end:
        shared, at = varint(block, at)
        more, at = varint(block, at)
        length, at = varint(block, at)
        value = at + more
        if shared > len(key) or value + length > end:
            raise IndexError("an entry beyond its block")
        key = key[:shared] + bytes(block[at:value])
        at = value + length
        yield key, block[value:at]


def _only_key(start: memoryview, size: int) -> bytes | None:
    """The key of a block's single entry, from its first bytes; None: it has others."""
    shared, at = varint(start, 0)
    more, at = varint(start, at)
    length, at = varint(start, at)
    if shared or at + more + length != size - _LEAST_END or at + more > len(start):
        return None
    return bytes(start[at : at + more])
