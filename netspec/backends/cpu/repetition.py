"""Doing again what operations have launched, without the operations.

Small nets spend more than a tenth of their time on Python that decides, in every pass,
what it has decided in the pass before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import getmembers, isfunction
from typing import Any

from netspec.backends.cpu import threads
from netspec.backends.cpu.boarding import ALONE, new_box
from netspec.backends.cpu.crew import Ready, compiled_for
from netspec.backends.cpu.recording import Launch, launches, record, spoil
from netspec.backends.numpy_ops import NumpyOps


class Repetition:
    """Launches that one thread made, and makes again when this is called."""

    def __init__(self, launched: Sequence[Launch]) -> None:
        self._launched = launched
        self._blas = any(launch.blas for launch in launched)
        self._box = new_box(ALONE)
        self._workers = 0  # for which it is ready
        self._ready: list[Ready] = []

    def __call__(self) -> None:
        """Launch, with as many workers as are in use now."""
        workers = threads.count()
        if workers != self._workers:
            self._ready = [self._prepared(launch) for launch in self._launched]
            self._workers = workers
        with threads.resting(self._blas):
            threads.crew().run_all(self._ready, self._box)

    def _prepared(self, launch: Launch) -> Ready:
        """All that a launch looks up, once: arguments are always the same objects."""
        space = threads.buffer("workspace", launch.workspace)
        kernel = compiled_for(
            launch.kernel, self._box, launch.tasks, space, *launch.args
        )
        return Ready(
            kernel, launch.tasks, space, launch.args, threads.helpers_of(launch)
        )


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
        launched = record(lambda: work(_Watched(self)), frozen)
        return None if launched is None else Repetition(launched)


def _spoiling(reference: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(reference)
    def operation(*args: Any, **kwargs: Any) -> Any:
        spoil()
        return reference(*args, **kwargs)

    return operation


_NOTHING = {"use", "mark", "seconds"}  # nothing is done to arrays
_CALLS = {"convolution_backward", "deconvolution_backward"}  # of other operations
for _name, _operation in getmembers(NumpyOps, isfunction):
    if _name in _CALLS:
        setattr(Fallback, _name, launches(_operation))
    elif not _name.startswith("_") and _name not in _NOTHING | vars(Fallback).keys():
        setattr(Fallback, _name, _spoiling(_operation))
