"""The pretended machine: its GPUs, how their work is run, what has been noticed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cudasim.emulator import Launch, Watching

HERE = str(Path(__file__).parent)
ORDERS = ("at once", "late", "others first")
_PATIENCE = 5.0  # seconds for a thread to end that nobody waits for


class SyncError(AssertionError):
    """The host waited for a GPU where that was forbidden."""


@dataclass(frozen=True)
class Sync:
    """A place where the host waited for a GPU."""

    reason: str  # the call: get, item, bool, synchronize ...
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True)
class Launched:
    """A kernel that ran."""

    kernel: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int
    launch: Launch


@dataclass
class Settings:
    """How the pretended machine behaves.

    Attributes:
        devices: number of GPUs.
        mode: of the emulator: "fast", or "check", where any fault of a kernel is an
            error.
        watching: schedule, and what is watched; checks are on in mode "check".
        order: when queued work runs. "at once"; "late": not before somebody waits for
            it, so that a missing wait between streams, or for a pinned buffer, shows;
            "others first": then too, but all other streams before the one waited for.
        twins: how many launches of each kernel are also run as PTX and compared.
        memory: bytes of each GPU.
        shared: bytes of shared memory that a block may ask for.
        capability: compute capability.
    """

    devices: int = 1
    mode: str = "fast"
    watching: Watching = field(default_factory=Watching)
    order: str = "at once"
    twins: int = 0
    memory: int = 4 << 30
    shared: int = 227 * 1024
    capability: str = "90"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order is one of {ORDERS}")


class World:
    """What one installation of the stand-in knows.

    Attributes:
        syncs: every wait of the host, in order.
        launches: every kernel that ran, in order.
        on_sync: called with each wait.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.syncs: list[Sync] = []
        self.launches: list[Launched] = []
        self.local = threading.local()
        self.lock = threading.RLock()
        self.parts: dict[Any, Any] = {}  # of the other modules: queues, pools
        self.threads: list[threading.Thread] = []  # that work as GPUs
        self._forbidding = 0

    @property
    def device(self) -> int:
        """The calling thread's GPU."""
        return getattr(self.local, "device", 0)

    @device.setter
    def device(self, number: int) -> None:
        self.local.device = number

    def note_sync(self, reason: str) -> None:
        """The host waits here.

        Raises:
            SyncError: that is forbidden now.
        """
        sync = Sync(reason, *_caller())
        self.syncs.append(sync)
        if self._forbidding:
            raise SyncError(f"the host waits for the GPU: {sync}")

    @contextmanager
    def forbid_syncs(self) -> Iterator[None]:
        """Within, any wait of the host is an error."""
        self._forbidding += 1
        try:
            yield
        finally:
            self._forbidding -= 1

    @contextmanager
    def changed(self, **settings: Any) -> Iterator[None]:
        """Other settings within."""
        before = self.settings
        self.settings = Settings(**{**vars(before), **settings})
        try:
            yield
        finally:
            self.settings = before


def _caller() -> tuple[str, int]:
    """The place outside of the stand-in and NumPy that called it."""
    frame = sys._getframe(2)
    while frame.f_back and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _is_ours(file: str) -> bool:
    return file.startswith(HERE) or "/numpy/" in file or "contextlib" in file


_worlds: list[World] = []


def world() -> World:
    """The one that is installed.

    Raises:
        RuntimeError: none is.
    """
    if not _worlds:
        raise RuntimeError("the stand-in for CuPy is not installed any more")
    return _worlds[-1]


def enter(new: World) -> None:
    _worlds.append(new)


def leave(old: World) -> None:
    for thread in old.threads:  # what they work on goes with it
        thread.join(_PATIENCE)
    _worlds.remove(old)
