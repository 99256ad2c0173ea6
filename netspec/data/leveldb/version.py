"""Which files a LevelDB consists of at present: CURRENT, its MANIFEST, and logs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from netspec.data.leveldb.log import log_records
from netspec.data.leveldb.wire import file_error, prefixed
from netspec.data.varint import varint
from netspec.errors import DataError

COMPARATOR = b"leveldb.BytewiseComparator"
_MANIFEST = re.compile(rb"MANIFEST-\d+\n")
# Tags of an edit, LevelDB's ``version_edit.cc``.
_COMPARATOR, _LOG, _NEXT_FILE, _SEQUENCE, _COMPACTED, _GONE, _NEW = range(1, 8)
_LOG_BEFORE = 9


@dataclass(frozen=True)
class TableFile:
    """A sorted table: its number, bytes, and the first of its internal keys."""

    number: int
    size: int
    smallest: bytes

    def path(self, folder: Path) -> Path:
        """The file; old versions of LevelDB gave it another ending."""
        new = folder / f"{self.number:06}.ldb"
        return new if new.exists() else folder / f"{self.number:06}.sst"


@dataclass
class Version:
    """Tables by level and number, and the logs that are not in them yet.

    Tables of one level beyond 0 hold no key that another of it could hold.
    """

    tables: dict[tuple[int, int], TableFile] = field(default_factory=dict)
    log: int = 0
    log_before: int = 0

    def logs(self, folder: Path) -> list[Path]:
        """Log files to read after the tables, oldest first."""
        numbers = sorted(
            (int(path.stem), path)
            for path in folder.glob("*.log")
            if path.stem.isdigit()
        )
        return [p for n, p in numbers if n >= self.log or n == self.log_before]


def read_version(folder: Path) -> Version:
    """What the database in *folder* consists of.

    Raises:
        DataError: damaged, not a LevelDB, or in an order that is not that of bytes.
    """
    name = (folder / "CURRENT").read_bytes()
    manifest = folder / name.decode("latin-1").strip()
    if not _MANIFEST.fullmatch(name) or not manifest.is_file():
        raise DataError(
            f"database '{folder}' has a CURRENT that names no manifest.",
            "Copy the whole folder again, or make the database anew.",
        )
    version = Version()
    for edit in log_records(manifest):
        try:
            _apply(version, edit, manifest)
        except IndexError:
            raise file_error(manifest, "holds an edit that ends too early.") from None
    return version


def _apply(version: Version, edit: bytes, manifest: Path) -> None:
    at = 0
    while at < len(edit):
        tag, at = varint(edit, at)
        if tag == _COMPARATOR:
            name, at = prefixed(edit, at)
            _check_order(name, manifest)
        elif tag in (_LOG, _NEXT_FILE, _SEQUENCE, _LOG_BEFORE):
            number, at = varint(edit, at)
            _set_log(version, tag, number)
        elif tag == _COMPACTED:
            at = prefixed(edit, varint(edit, at)[1])[1]
        elif tag in (_GONE, _NEW):
            at = _change(version, tag, edit, at)
        else:
            raise file_error(
                manifest,
                f"holds an entry of kind {tag}, which LevelDB does not write.",
                "RocksDB's databases are not read: make an LMDB of the images.",
            )


def _check_order(name: bytes, manifest: Path) -> None:
    if name != COMPARATOR:
        raise file_error(
            manifest,
            f"orders its keys by {name.decode('latin-1')!r}.",
            f"Caffe's databases are ordered by {COMPARATOR.decode()}.",
        )


def _set_log(version: Version, tag: int, number: int) -> None:
    if tag == _LOG:
        version.log = number
    elif tag == _LOG_BEFORE:
        version.log_before = number


def _change(version: Version, tag: int, edit: bytes, at: int) -> int:
    """A table that came or went; where its entry ends."""
    level, at = varint(edit, at)
    number, at = varint(edit, at)
    if tag == _GONE:
        version.tables.pop((level, number), None)
        return at
    size, at = varint(edit, at)
    smallest, at = prefixed(edit, at)
    version.tables[level, number] = TableFile(number, size, smallest)
    return prefixed(edit, at)[1]
