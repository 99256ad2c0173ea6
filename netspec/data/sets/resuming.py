"""Writing a database that may be interrupted at any time, and gone on with later."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from netspec.data.writer import DatabaseWriter
from netspec.errors import DataError, UsageError
from netspec.files import replacing

State = dict[str, Any]  # plain values: what JSON can hold

_STATE, _LOCK = "state.json", "lock"
_FIRST_MAP = 1 << 26  # bytes


class ResumableWriter(DatabaseWriter):
    """Records, written in the order of their keys to a folder beside *path*.

    The folder stays where writing ends early. What its maker must remember goes there
    with the records, before them: of the last two states, the one that counts as many
    records as there are is the one to go on from.

    Args:
        identity: tells what is being made; a folder of something else is made anew.
        state: what is remembered; called whenever records are written.
        force: replace a database that is there.

    Attributes:
        found: the state to go on from; None: from the beginning.

    Raises:
        UsageError: *path* exists, or is being made by someone else.
    """

    def __init__(
        self,
        path: Path,
        identity: str,
        state: Callable[[], State],
        force: bool = False,
    ) -> None:
        super().__init__(path, force)
        self._temporary = path.with_name(f".{path.name}.partial")
        self._identity, self._state = identity, state
        self._states: list[State] = []
        self._records = 0
        self.found: State | None = None

    def __enter__(self) -> Self:
        import lmdb

        try:
            self._temporary.mkdir(exist_ok=True)
            self._lock = _lock(self._temporary / _LOCK, self.path)
            self._recall()
            # Every commit reaches the disk: after it, nothing before it can be lost.
            self._environment = lmdb.open(
                str(self._temporary), map_size=self._map_size(), lock=False,
                metasync=False,
            )  # fmt: skip
        except (OSError, lmdb.Error) as error:
            raise self._failed(error) from None
        self._records = self._environment.stat()["entries"]
        self._choose()
        return self

    def _recall(self) -> None:
        """Read what was remembered; clear the folder where it is about another set."""
        try:
            told = json.loads((self._temporary / _STATE).read_text())
            same = told["identity"] == self._identity
            self._states = [dict(state) for state in told["states"]] if same else []
        except (OSError, ValueError, KeyError, TypeError):
            same = False
        if not same:
            self._clear()

    def _clear(self) -> None:
        for name in ("data.mdb", "lock.mdb", _STATE):
            (self._temporary / name).unlink(missing_ok=True)

    def _choose(self) -> None:
        counts = [state.get("records") for state in self._states]
        if self._records in counts:
            at = len(counts) - 1 - counts[::-1].index(self._records)
            self.found = self._states[at]["state"]
        elif self._records or self._states:
            raise DataError(
                f"what is left of database '{self.path}' is damaged.",
                f"Remove '{self._temporary}', and begin anew.",
            )

    def _map_size(self) -> int:
        file = self._temporary / "data.mdb"
        size = file.stat().st_size if file.exists() else 0
        return max(_FIRST_MAP, 2 * size)

    def flush(self) -> None:
        """Remember the state, then write the records that belong to it."""
        self._records += len(self._pending)
        now = {"records": self._records, "state": self._state()}
        self._states = [*self._states[-1:], now]
        told = {"identity": self._identity, "states": self._states}
        with replacing(self._temporary / _STATE) as temporary:
            temporary.write_text(json.dumps(told))
        super().flush()

    def beside(self, files: Mapping[str, str]) -> None:
        """Write texts beside the records, by file name."""
        for name, text in files.items():
            with replacing(self._temporary / name) as temporary:
                temporary.write_text(text, encoding="utf-8", errors="surrogateescape")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.flush()
                for name in (_STATE, _LOCK):
                    (self._temporary / name).unlink(missing_ok=True)
                self._seal()
        finally:
            self._environment.close()
            os.close(self._lock)


def _lock(path: Path, target: Path) -> int:
    """A file that is held while a database is made, where the system can do that."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if os.name == "posix":
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise UsageError(
                f"database '{target}' is being made by another process.",
                "Wait for it, or choose another name.",
            ) from None
    return handle
