"""A LevelDB's records in key order, by number.

LevelDB itself cannot open a database without writing to it, finds records by key only,
and trusts its files.  Reading needs little of it: which tables and logs count, their
entries merged by key, and of each key the entry that came last.  Nothing is written.
"""

from __future__ import annotations

import heapq
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path

from netspec.data.leveldb.log import VALUE, log_entries
from netspec.data.leveldb.table import Handle, Item, Table
from netspec.data.leveldb.version import TableFile, read_version
from netspec.data.leveldb.wire import DAMAGED
from netspec.errors import DataError

_TABLES_OPEN = 64  # files; a large database has ten thousands
_BLOCKS_KEPT = 16  # which neighbours are likely to be asked for
Found = tuple[bytes, int, int, int]  # key, tag below 0, block, place in it


def is_leveldb(path: Path) -> bool:
    """Whether a folder holds a LevelDB."""
    return (path / "CURRENT").is_file() and not (path / "data.mdb").exists()


class LevelDb:
    """The records of a LevelDB folder in key order, by number.

    Any number of threads may read at once.  Opening reads all keys: of blocks that hold
    a single record, as those of large pictures, not the values.  What is in a log alone
    stays in memory.

    Raises:
        DataError: damaged, cut short, or being written by another program.
    """

    failure: DataError | None = None  # which opening would have met

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            check_is_closed(self.path)
            self._read()
        except OSError as error:
            raise DataError(
                f"cannot read database '{path}': {error.strerror}.",
                "Copy the whole folder again, or make it readable.",
            ) from None

    def _read(self) -> None:
        version = read_version(self.path)
        self._files = [version.tables[at] for at in sorted(version.tables)]
        self._levels = [level for level, _ in sorted(version.tables)]
        self._table = lru_cache(maxsize=_TABLES_OPEN)(self._open)
        self._block = lru_cache(maxsize=_BLOCKS_KEPT)(self._items)
        self._first_block = [0]  # of each table, and the number of all
        for i in range(len(self._files)):
            self._first_block.append(self._first_block[-1] + len(self._handles(i)))
        logs = version.logs(self.path)
        self._logged = _last_entries(logs)
        self.file_size = sum(file.size for file in self._files)
        self.file_size += sum(log.stat().st_size for log in logs)
        self._blocks, self._places = array("Q"), array("L")
        self._number()

    def __len__(self) -> int:
        return len(self._blocks)

    def item(self, index: int) -> tuple[memoryview, memoryview]:
        """Key and value of record *index*.

        Raises:
            IndexError: no such record.
            DataError: its block is damaged.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        block, place = self._blocks[index], self._places[index]
        if block == self._first_block[-1]:
            key, _, value = self._logged[place]
            return memoryview(key), memoryview(value)
        items = self._block(block)
        if place >= len(items):
            raise self._error("has a damaged block.")
        return memoryview(items[place].key), items[place].value

    def _open(self, table: int) -> Table:
        file = self._files[table]
        return Table(file.path(self.path), file.size)

    def _handles(self, table: int) -> list[Handle]:
        return self._table(table).blocks

    def _items(self, block: int) -> list[Item]:
        table = bisect_right(self._first_block, block) - 1
        opened = self._table(table)
        return opened.items(opened.blocks[block - self._first_block[table]])

    def _number(self) -> None:
        """Give each key's last entry, unless that deletes it, the next number."""
        last: bytes | None = None
        for key, tag, block, place in heapq.merge(*self._streams()):
            if last is not None and key < last:
                raise self._error("has tables whose keys are out of order.")
            if key != last and -tag & 0xFF == VALUE:
                self._blocks.append(block)
                self._places.append(place)
            last = key

    def _streams(self) -> Iterator[Iterator[Found]]:
        """Entries by key, the last first: of each run of tables, and of the logs."""
        deeper: dict[int, list[int]] = {}
        for table, level in enumerate(self._levels):
            if level == 0:
                yield self._found(table)
            else:
                deeper.setdefault(level, []).append(table)
        for tables in deeper.values():
            tables.sort(key=lambda table: _order(self._files[table]))
            yield chain.from_iterable(map(self._found, tables))
        end = self._first_block[-1]
        yield ((key, -tag, end, i) for i, (key, tag, _) in enumerate(self._logged))

    def _found(self, table: int) -> Iterator[Found]:
        opened, first = self._table(table), self._first_block[table]
        for block, handle in enumerate(opened.blocks, first):
            for place, (key, tag) in enumerate(opened.keys(handle)):
                yield key, -tag, block, place

    def _error(self, what: str) -> DataError:
        return DataError(f"database '{self.path}' {what}", DAMAGED)


def _order(file: TableFile) -> bytes:
    return file.smallest[:-8]


def _last_entries(logs: list[Path]) -> list[tuple[bytes, int, bytes]]:
    """The last entry of each key in the logs, by key."""
    found = {
        key: (tag, value)
        for key, tag, value in chain.from_iterable(map(log_entries, logs))
    }
    return [(key, *found[key]) for key in sorted(found)]


def check_is_closed(folder: Path) -> None:
    """Refuse a database that another program has open, as LevelDB does.

    Raises:
        DataError: it is; whoever has it open may be changing it.
    """
    try:
        import fcntl
    except ImportError:  # Windows knows no such locks
        return
    try:
        with (folder / "LOCK").open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return
    except (BlockingIOError, PermissionError):
        raise DataError(
            f"database '{folder}' is open in another program.",
            "Wait until that has ended, or read a copy of the folder.",
        ) from None
