"""Recording what operations launch, to launch it again without them.

Which kernels an operation launches, on which arrays, depends on its arguments alone:
what arrays hold is seen by kernels only.  So a layer that calls the same operations on
the same arrays in every pass need not be asked again: see ``repetition``.

A recording is complete if all work was launched.  That is known of operations marked
by :func:`launches`, but not where these leave their arguments to the reference: there,
and where anything else is done, :func:`spoil` is called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

Operation = TypeVar("Operation", bound=Callable[..., Any])


class Launch(NamedTuple):
    """What :func:`netspec.backends.cpu.threads.share` is asked for."""

    kernel: Any
    tasks: int
    args: tuple[Any, ...]
    workspace: int
    work: int
    blas: bool


class _Recording(threading.local):
    """What this thread records, if it does.

    Attributes:
        launched: launches in order; None: nothing is recorded.
        is_complete: whether these are all that was done.
        frozen: whether what depends on parameters alone is left out.
    """

    launched: list[Launch] | None = None
    is_complete = True
    frozen = False


_recording = _Recording()


def note(launch: Launch, once: bool) -> None:
    """Record a launch, if anything is recorded.

    Args:
        once: what depends on parameters alone is launched.
    """
    if _recording.launched is not None and not (once and _recording.frozen):
        _recording.launched.append(launch)


def spoil() -> None:
    """Say that something was done that is not launched."""
    _recording.is_complete = False


def record(work: Callable[[], None], frozen: bool) -> list[Launch] | None:
    """Do some work; returns what it launched, if that was all."""
    launched: list[Launch] = []
    _recording.launched, _recording.is_complete = launched, True
    _recording.frozen = frozen
    try:
        work()
    finally:
        _recording.launched = None
    return launched if _recording.is_complete else None


def launches(operation: Operation) -> Operation:
    """Decorator: an operation all of whose work on arrays is launched, or left to the
    reference."""
    operation.launches = True  # type: ignore[attr-defined]
    return operation
