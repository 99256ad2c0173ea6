"""Signals that ask a running solver for something.

SIGINT and SIGTERM: snapshot and stop; SIGHUP: snapshot and go on.  A second SIGINT
ends the process at once: snapshots are renamed into place, so nothing is left half
written.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from enum import IntEnum
from types import FrameType, TracebackType
from typing import Any, Self

from netspec.errors import UsageError


class Wish(IntEnum):
    """What a signal asks for; the greater wish wins."""

    NONE = 0
    SNAPSHOT = 1
    STOP = 2


_WISHES = {"SIGINT": Wish.STOP, "SIGTERM": Wish.STOP, "SIGHUP": Wish.SNAPSHOT}


class Signals:
    """Catches the signals while its ``with`` block runs, then puts all back.

    Handlers only note the wish; the solver asks for it between two iterations.

    Raises:
        UsageError: entered from another thread than the main one.
    """

    def __init__(self) -> None:
        self._wishes: deque[Wish] = deque()
        self._before: dict[int, Any] = {}

    def take(self) -> Wish:
        """The wish since the last call."""
        wish = Wish.NONE
        while self._wishes:  # one at a time: a signal may come between
            wish = max(wish, self._wishes.popleft())
        return wish

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            raise UsageError(
                "signals can only be caught by the main thread.",
                "Call solve() without signals, or from the main thread.",
            )
        for name in _WISHES:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            # None: a handler that was not set from Python, and cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._wishes.append(_WISHES[signal.Signals(number).name])
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
