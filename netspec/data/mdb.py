"""Reading an LMDB file: records by number, and safe on a damaged file.

liblmdb trusts its file: a flipped bit in a page number kills the process.  It also
finds records by key only, where training wants record *i*.  Read-only access needs
little of it: two meta pages and a B+ tree.  Only the number of records in each leaf
page is kept in memory (some thousand numbers for ImageNet), as far as reading came.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np

from netspec.data.mdb_pages import (
    DAMAGED,
    HEADER,
    META,
    NOT_CAFFES,
    PAGE_HEADER,
    PageNumbers,
    Pages,
    map_file,
)
from netspec.errors import DataError

_MAGIC, _VERSION = 0xBEEFC0DE, 1
_DUPSORT = 0x04
_NO_PAGE = 2**64 - 1
_START = struct.Struct("<II16xI")  # magic, version, page size
_MAIN_TREE = struct.Struct("<4xHHQQQQQQQ")  # the fields of Meta, 72 bytes on
_LEAST_PAGE, _MOST_PAGE = 256, 1 << 16
_LEAST_RECORD = 10  # bytes of a record: an offset and a node
_MOST_DEPTH = 32  # LMDB's own limit
_NOT_LMDB = (
    "is not an LMDB file of a 64-bit machine.",
    "Name a folder that holds a data.mdb, as 'netspec data create' writes it.",
)


@dataclass(frozen=True)
class Meta:
    """The main tree as a meta page records it; LMDB writes its two in turn."""

    flags: int
    depth: int
    branch_pages: int
    leaf_pages: int
    overflow_pages: int
    entries: int
    root: int
    last_page: int
    transaction: int


def database_file(path: str | os.PathLike[str]) -> Path:
    """The ``data.mdb`` of a database folder, or the file itself where one is named."""
    path = Path(path)
    return path / "data.mdb" if path.is_dir() else path


class MdbFile:
    """The records of an LMDB file in key order, by number.

    Any number of threads may read at once.  A file must not be read while it is
    written to: there is no lock.

    Attributes:
        failure: the damage beyond which no record can be found, once it was met.

    Raises:
        DataError: not an LMDB file, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = database_file(path)
        view = map_file(self.path)
        self._pages = Pages(self.path, view, _page_size(self.path, view))
        metas = [_meta(self._pages, page) for page in (0, 1)]
        self._meta = max(metas, key=lambda meta: meta.transaction)
        _check(self._pages, self._meta)
        self._walk = _Walk(self._pages, self._meta)
        self._leaves: list[int] = []
        self._starts = [0]  # number of the first record of each leaf, and the end
        self._lock = Lock()
        self.failure: DataError | None = None

    def __len__(self) -> int:
        return self._meta.entries

    @property
    def file_size(self) -> int:
        """Bytes of the file."""
        return len(self._pages.view)

    def item(self, index: int) -> tuple[memoryview, memoryview]:
        """Key and value of record *index*, without a copy: valid as long as they live.

        Raises:
            IndexError: no such record.
            DataError: the pages that lead to it are damaged.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        while self._starts[-1] <= index:
            self._find_leaves(index)
        leaf = bisect_right(self._starts, index) - 1
        return self._pages.record(self._leaves[leaf], index - self._starts[leaf])

    def _find_leaves(self, index: int) -> None:
        """Extend the table of leaves by those below one branch page."""
        with self._lock:
            if self._starts[-1] > index:  # another thread was here first
                return
            # Going on behind a damaged page would give records other numbers.
            if self.failure:
                raise self.failure
            try:
                self._extend(self._walk.next_leaves())
            except DataError as error:
                self.failure = error
                raise

    def _extend(self, leaves: PageNumbers) -> None:
        ends = self._starts[-1] + np.cumsum(self._pages.leaf_counts(leaves))
        if not leaves.size or ends[-1] > len(self):
            found = int(ends[-1]) if leaves.size else self._starts[-1]
            raise self._pages.error(
                f"has {found} records where its header says {len(self)}.", DAMAGED
            )
        # Readers look at _starts first: _leaves must be complete before it grows.
        self._leaves.extend(leaves.tolist())
        self._starts.extend(ends.tolist())


class _Walk:
    """Where a walk over the leaf pages, in key order, has come to.

    A damaged tree may lead back into itself: a walk visits no more branch pages than
    the file has pages.
    """

    def __init__(self, pages: Pages, meta: Meta) -> None:
        self._pages = pages
        self._depth = meta.depth
        self._stack = [(meta.root, 1)] if meta.entries else []
        self._visits = 0

    def next_leaves(self) -> PageNumbers:
        """Page numbers of the leaves below the next lowest branch; none at the end."""
        while self._stack and self._visits <= self._pages.count:
            page, level = self._stack.pop()
            if level == self._depth:
                return np.array([page], np.uint64)
            children = self._pages.children(page)
            self._visits += 1
            if level == self._depth - 1:
                return children
            self._stack.extend((int(c), level + 1) for c in children[::-1])
        return np.empty(0, np.uint64)


def _page_size(path: Path, view: memoryview) -> int:
    if len(view) < 2 * _LEAST_PAGE or not _is_meta(view, 0):
        raise DataError(f"database '{path}' {_NOT_LMDB[0]}", _NOT_LMDB[1])
    _, version, size = _START.unpack_from(view, PAGE_HEADER)
    if version != _VERSION:
        raise DataError(
            f"database '{path}' has LMDB data version {version}.",
            f"Known is version {_VERSION}: copy it with a program that reads it.",
        )
    if size & (size - 1) or not _LEAST_PAGE <= size <= _MOST_PAGE:
        raise DataError(f"database '{path}' has a damaged header.", DAMAGED)
    return int(size)


def _is_meta(view: memoryview, start: int) -> bool:
    flags = HEADER.unpack_from(view, start)[1]
    magic = _START.unpack_from(view, start + PAGE_HEADER)[0]
    return bool(flags & META) and magic == _MAGIC


def _meta(pages: Pages, page: int) -> Meta:
    start = page * pages.page_size
    if len(pages.view) < start + _LEAST_PAGE or not _is_meta(pages.view, start):
        raise pages.error("has a damaged header.", DAMAGED)
    return Meta(*_MAIN_TREE.unpack_from(pages.view, start + PAGE_HEADER + 72))


def _check(pages: Pages, meta: Meta) -> None:
    if meta.flags & _DUPSORT:
        raise pages.error("holds several values a key.", NOT_CAFFES)
    filled = meta.entries > 0
    if (
        filled != (meta.root != _NO_PAGE)
        or meta.entries > len(pages.view) // _LEAST_RECORD
        or not filled <= meta.depth <= _MOST_DEPTH
    ):
        raise pages.error("has a damaged header.", DAMAGED)
