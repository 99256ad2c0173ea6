"""Recording what operations launch, to launch it again without them.

Which kernels an operation launches, on which arrays, depends on its arguments alone:
what arrays hold is seen by kernels only.  So a layer that calls the same operations on
the same arrays in every pass need not be asked again, and small nets spend a tenth of
their time on asking.

A recording is complete if all work was launched.  That is known of operations marked
by :func:`launches`, but not where these leave their arguments to the reference:
:class:`Fallback` stands between.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial, wraps
from inspect import getmembers, isfunction
from typing import Any, TypeVar

from netspec.backends.numpy_ops import NumpyOps

Launch = tuple[Callable[..., None], tuple[Any, ...]]
Operation = TypeVar("Operation", bound=Callable[..., Any])


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


def note(once: bool, launch: Callable[..., None], *args: Any) -> None:
    """Launch now, and whenever what is being recorded is done again.

    Args:
        once: what depends on parameters alone is launched.
    """
    if _recording.launched is not None and not (once and _recording.frozen):
        _recording.launched.append((launch, args))
    launch(*args)


def spoil() -> None:
    """Say that something was done that is not launched."""
    _recording.is_complete = False


def launches(operation: Operation) -> Operation:
    """Decorator: an operation all of whose work on arrays is launched, or left to the
    reference."""
    operation.launches = True  # type: ignore[attr-defined]
    return operation


class _Watched:
    """Operations, of which those that do not only launch spoil a recording."""

    def __init__(self, ops: Any) -> None:
        self._ops = ops

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._ops, name)
        if not getattr(operation, "launches", False):
            spoil()
        return operation


class Fallback(NumpyOps):
    """The reference, whose work is not launched."""

    def recorded(
        self, work: Callable[[Any], None], frozen: bool = False
    ) -> Callable[[], None] | None:
        """See :meth:`RepetitionOps.recorded`."""
        _recording.launched, _recording.is_complete = [], True
        _recording.frozen = frozen
        try:
            work(_Watched(self))
            launched = _recording.launched
        finally:
            _recording.launched = None
        return partial(_launch_all, launched) if _recording.is_complete else None


def _launch_all(launched: list[Launch]) -> None:
    for launch, args in launched:
        launch(*args)


def _spoiling(reference: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(reference)
    def operation(*args: Any, **kwargs: Any) -> Any:
        spoil()
        return reference(*args, **kwargs)

    return operation


_NOTHING = {"use", "mark", "seconds"}  # nothing is done to arrays
for _name, _operation in getmembers(NumpyOps, isfunction):
    if not _name.startswith("_") and _name not in _NOTHING | vars(Fallback).keys():
        setattr(Fallback, _name, _spoiling(_operation))
