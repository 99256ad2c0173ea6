"""Writing an LMDB that Caffe reads: whole, or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from netspec.data.classes import FILE as CLASSES
from netspec.errors import DataError, UsageError

if TYPE_CHECKING:
    import lmdb

_FIRST_MAP = 1 << 26  # bytes; the map is doubled whenever it is full
_BATCH_RECORDS, _BATCH_BYTES = 1000, 1 << 26  # of one transaction
_LONGEST_KEY = 511  # LMDB's own limit
CONTENTS = "contents.json"  # what was written, told beside the records
_FILES = {"data.mdb", "lock.mdb", CLASSES, CONTENTS}


class DatabaseWriter:
    """Records, written in the order of their keys; use it in a ``with`` statement.

    They go to a folder beside *path*, which takes its name when all went well and is
    removed when not.

    Args:
        path: the database to make.
        force: replace a database that is there; anything else is never replaced.

    Raises:
        UsageError: *path* exists.
        DataError: it cannot be written, for instance on a full disk.
    """

    def __init__(self, path: Path, force: bool = False) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.name}.partial-{os.getpid()}")
        self._pending: list[tuple[bytes, bytes]] = []
        self._bytes = 0
        check_target(path, force)

    def __enter__(self) -> Self:
        import lmdb

        shutil.rmtree(self._temporary, ignore_errors=True)
        try:
            self._temporary.mkdir()
            # Nobody else knows the folder, so it needs no lock file; and it is flushed
            # once, at the end, as it is worth nothing before.
            self._environment = lmdb.open(
                str(self._temporary), map_size=_FIRST_MAP, lock=False, sync=False
            )
        except (OSError, lmdb.Error) as error:
            raise self._failed(error) from None
        return self

    def put(self, key: str, value: bytes) -> None:
        """Add a record; keys must come in order.

        Raises:
            DataError: the key is too long or out of order, or the disk is full.
        """
        name = key.encode("utf-8", "surrogateescape")
        if len(name) > _LONGEST_KEY:
            raise DataError(
                f"key '{key[:60]}...' has {len(name)} bytes.",
                f"At most {_LONGEST_KEY} are possible: list images by shorter paths.",
            )
        self._pending.append((name, value))
        self._bytes += len(value)
        if len(self._pending) >= _BATCH_RECORDS or self._bytes >= _BATCH_BYTES:
            self.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.flush()
                self._seal()
        finally:
            self._environment.close()
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _seal(self) -> None:
        """Bring what is written to the disk, and give the folder its name."""
        import lmdb

        try:
            self._environment.sync(True)
            self._environment.close()
            _put_in_place(self._temporary, self.path)
        except (OSError, lmdb.Error) as error:
            raise self._failed(error) from None

    def flush(self) -> None:
        """Write what is pending in one transaction, in a larger map if it is full."""
        import lmdb

        while self._pending:
            try:
                _write(self._environment, self._pending)
                self._pending.clear()
                self._bytes = 0
            except lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])
            except lmdb.Error as error:
                raise self._failed(error) from None

    def _failed(self, error: Exception) -> DataError:
        return DataError(
            f"cannot write database '{self.path}': {error}.",
            "Nothing was left behind. Check the folder, its rights and the free space.",
        )


def _write(environment: lmdb.Environment, records: list[tuple[bytes, bytes]]) -> None:
    with environment.begin(write=True) as transaction:
        for key, value in records:
            # Appending packs pages full, and is refused where keys are out of order.
            if not transaction.put(key, value, append=True):
                raise DataError(
                    f"key '{key!r}' is not after the one before it.",
                    "Keys must differ, and come in order.",
                )


def check_target(path: Path, force: bool) -> None:
    """Refuse to write where something is, unless it is a database and *force*.

    Raises:
        UsageError: *path* exists.
    """
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir() or path.is_symlink() or set(os.listdir(path)) - _FILES:
        raise UsageError(f"'{path}' exists and is no database.", "Choose another name.")
    if not force:
        raise UsageError(
            f"database '{path}' exists.", "Choose another name, or replace it: --force."
        )


def _put_in_place(temporary: Path, path: Path) -> None:
    """Give a finished folder its name; what had it before goes only then."""
    old = path.with_name(f".{path.name}.replaced-{os.getpid()}")
    if path.exists():
        path.rename(old)
    temporary.rename(path)
    shutil.rmtree(old, ignore_errors=True)
    _flush_folder(path.parent)


def _flush_folder(folder: Path) -> None:
    """Make the renaming durable, where folders can be opened (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
