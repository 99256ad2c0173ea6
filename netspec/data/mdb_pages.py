"""The pages of an LMDB file, each checked against the file before it is followed.

The format is that of LMDB 0.9 on 64-bit little-endian machines (``mdb.c``).  A page
begins with its own number (8 bytes), 2 spare bytes, flags (2), and the two ends of the
free space between the node offsets that follow and the nodes (2 + 2).  A node is 8
bytes and a key: in a branch page the 8 bytes are a page number, in a leaf they are the
value's length, flags and the key's length, and the value follows the key.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from netspec.errors import DataError

BRANCH, LEAF, OVERFLOW, META = 0x01, 0x02, 0x04, 0x08
PAGE_HEADER = 16
HEADER = struct.Struct("<Q2x3H")  # page number, flags, lower, upper
_NODE_BIG, _NODE_SUBDATA, _NODE_DUPLICATES = 0x01, 0x02, 0x04
_NODE = struct.Struct("<4H")  # length low, length high, flags, length of the key
_PAGE_NUMBER = struct.Struct("<Q")

DAMAGED = "The file is damaged or was cut short: copy it again, or make it anew."
NOT_CAFFES = "Caffe's databases hold one value a key in one unnamed database."

PageNumbers = NDArray[np.uint64]


class Pages:
    """An LMDB file mapped into memory, by page."""

    def __init__(self, path: Path, view: memoryview, page_size: int) -> None:
        self.path = path
        self.view = view
        self.page_size = page_size
        self.count = len(view) // page_size

    def children(self, page: int) -> PageNumbers:
        """Page numbers that a branch page leads to, in key order."""
        words = np.frombuffer(self._page(page, BRANCH), "<u2")
        count = (int(words[6]) - PAGE_HEADER) // 2
        node = words[8 : 8 + count].astype(np.int64)
        if count == 0 or (node % 2).any() or int(node.max()) > self.page_size - 8:
            raise self._damaged(page)
        low, high, top = (words[node // 2 + i].astype(np.uint64) for i in range(3))
        return low | high << np.uint64(16) | top << np.uint64(32)

    def _page(self, page: int, kind: int) -> memoryview:
        if page >= self.count:
            raise self._beyond(page)
        start = page * self.page_size
        own, flags, lower, _ = HEADER.unpack_from(self.view, start)
        if own != page or flags != kind or not _sound_lower(lower, self.page_size):
            raise self._damaged(page)
        return self.view[start : start + self.page_size]

    def leaf_counts(self, leaves: PageNumbers) -> NDArray[np.int64]:
        """Numbers of records in leaf pages, read without visiting each in Python."""
        if leaves.size and int(leaves.max()) >= self.count:
            raise self._beyond(int(leaves.max()))
        words = np.frombuffer(self.view, "<u2", self.count * self.page_size // 2)
        start = leaves.astype(np.int64) * (self.page_size // 2)
        flags, lower = words[start + 5], words[start + 6].astype(np.int64)
        own = sum(words[start + i].astype(np.uint64) << (16 * i) for i in range(4))
        sound = (flags == LEAF) & (own == leaves) & _sound_lower(lower, self.page_size)
        if not sound.all():
            raise self._damaged(int(leaves[~sound][0]))
        return (lower - PAGE_HEADER) // 2

    def record(self, page: int, slot: int) -> tuple[memoryview, memoryview]:
        """Key and value of one node of a leaf page that has been counted."""
        start, end = page * self.page_size, (page + 1) * self.page_size
        offset = start + PAGE_HEADER + 2 * slot
        node = start + int.from_bytes(self.view[offset : offset + 2], "little")
        if node > end - _NODE.size:
            raise self._damaged(page)
        low, high, flags, key_length = _NODE.unpack_from(self.view, node)
        length = low | high << 16
        value = node + _NODE.size + key_length
        if value + (8 if flags & _NODE_BIG else length) > end:
            raise self._damaged(page)
        if flags & (_NODE_SUBDATA | _NODE_DUPLICATES):
            raise self.error("holds named databases or duplicates.", NOT_CAFFES)
        key = self.view[node + _NODE.size : value]
        if flags & _NODE_BIG:
            return key, self._overflow(value, length)
        return key, self.view[value : value + length]

    def _overflow(self, pointer: int, length: int) -> memoryview:
        """A value too long for its leaf, which lies in pages of its own."""
        page = _PAGE_NUMBER.unpack_from(self.view, pointer)[0]
        if page >= self.count:
            raise self._beyond(page)
        start = page * self.page_size
        own, flags = HEADER.unpack_from(self.view, start)[:2]
        if own != page or not flags & OVERFLOW:
            raise self._damaged(page)
        start += PAGE_HEADER
        if start + length > len(self.view):
            raise self._beyond((start + length) // self.page_size)
        return self.view[start : start + length]

    def _damaged(self, page: int) -> DataError:
        return self.error(f"is damaged at page {page}.", DAMAGED)

    def _beyond(self, page: int) -> DataError:
        return self.error(
            f"refers to page {page}, and has {self.count} pages.", DAMAGED
        )

    def error(self, what: str, remedy: str) -> DataError:
        """The error that says something about this file."""
        return DataError(f"database '{self.path}' {what}", remedy)


Lower = TypeVar("Lower", int, NDArray[np.int64])


def _sound_lower(lower: Lower, page_size: int) -> bool | NDArray[np.bool_]:
    """Whether the end of the node offsets lies in the page, and is even."""
    return (lower >= PAGE_HEADER) & (lower <= page_size) & (lower % 2 == 0)


def map_file(path: Path) -> memoryview:
    """The bytes of a file, mapped into memory.

    Raises:
        DataError: missing, unreadable or empty.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise DataError(f"database '{path}' is empty.", DAMAGED)
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise DataError(
            f"cannot open database '{path}': {error.strerror}.",
            "Check the path; 'netspec data create' makes a database.",
        ) from None
