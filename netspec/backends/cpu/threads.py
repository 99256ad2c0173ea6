"""Workers: compiled kernels shared out over threads, with the same bits for any number.

A kernel is a Numba function that releases the GIL and takes its tasks one by one from
a counter, until there are none:

    @njit(nogil=True, cache=True)
    def kernel(counter, tasks, workspace, x, y):
        task = claim(counter)
        while task < tasks:
            ...                         # task decides what is computed and how
            task = claim(counter)

    share(kernel, tasks, x, y)

What a task computes depends on its number alone and no two tasks write to one place,
so who runs it, and when, cannot show in the result.  A crew of our own instead of
Numba's ``prange``: joining costs a microsecond, compiling is faster, it works under
``fork``, and a slow core takes fewer tasks.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from threadpoolctl import ThreadpoolController

from netspec.backends.cpu.boarding import claim
from netspec.backends.cpu.crew import Crew
from netspec.backends.cpu.recording import Launch, note
from netspec.backends.cpu.scratch import buffer
from netspec.errors import UsageError

__all__ = ["buffer", "claim", "count", "default_count", "set_count", "share"]

# Below this many multiply-adds a worker, another costs more than it brings.
LEAST_WORK = 1 << 18


def share(
    kernel: Callable[..., None],
    tasks: int,
    *args: Any,
    workspace: int = 0,
    work: int = LEAST_WORK * 256,
    blas: bool = False,
    once: bool = False,
) -> None:
    """Run *tasks* tasks of *kernel* over the workers; returns when all are done.

    Args:
        kernel: takes (counter, tasks, workspace, *args); see the module.
        workspace: float32 values that each worker's own scratch must hold.
        work: multiply-adds of all tasks together, roughly.
        blas: whether *kernel* calls BLAS, whose own threads must rest meanwhile.
        once: whether parameters alone decide what it computes, which nobody overwrites.
    """
    launch = Launch(kernel, tasks, args, workspace, work, blas)
    note(launch, once)
    space, helpers = buffer("workspace", workspace), helpers_of(launch)
    with resting(blas):
        _CREW.run(kernel, tasks, space, args, helpers)


def resting(blas: bool) -> AbstractContextManager[None]:
    """While this is entered, threads of BLAS's own rest, if kernels call *blas*."""
    return _BLAS.single_threaded() if blas else _NOTHING


def helpers_of(launch: Launch) -> int:
    """Workers, beside the thread that launches, that are worth their while."""
    return min(_count, launch.tasks, 1 + launch.work // LEAST_WORK) - 1


def crew() -> Crew:
    """The helpers of this process."""
    return _CREW


def count() -> int:
    """Workers in use: NETSPEC_THREADS, or the cores this process may run on."""
    return _count


def set_count(number: int) -> None:
    """Use *number* workers from now on.

    Raises:
        UsageError: fewer than one.
    """
    global _count
    if number < 1:
        raise UsageError(f"{number} threads are asked for.", "Ask for at least 1.")
    _count = number


def default_count() -> int:
    """NETSPEC_THREADS, or else the cores this process may run on."""
    asked = os.environ.get("NETSPEC_THREADS", "")
    if not asked:
        return len(os.sched_getaffinity(0)) if _HAS_AFFINITY else os.cpu_count() or 1
    if not asked.isdecimal() or int(asked) < 1:
        raise UsageError(
            f"NETSPEC_THREADS is {asked!r}.", "Set it to a number of at least 1."
        )
    return int(asked)


class _Blas:
    """The BLAS libraries of this process, whose own threads rest while workers run."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.libraries: list[tuple[Any, int]] | None = None

    @contextmanager
    def single_threaded(self) -> Iterator[None]:
        """One thread a call of BLAS inside; nests, and may overlap between threads."""
        with self.lock:
            self.users += 1
            if self.users == 1:
                self._limit()
        try:
            yield
        finally:
            with self.lock:
                self.users -= 1
                if self.users == 0:
                    self._restore()

    def _limit(self) -> None:
        self.before = [(each, each.get_num_threads()) for each in self._find()]
        for each, threads in self.before:
            if threads != 1:
                each.set_num_threads(1)

    def _restore(self) -> None:
        for each, threads in self.before:
            if threads != 1:
                each.set_num_threads(threads)

    def _find(self) -> list[Any]:
        if self.libraries is None:
            found = ThreadpoolController().lib_controllers
            self.libraries = [each for each in found if each.user_api == "blas"]
        return self.libraries


def _start_afresh() -> None:
    """A forked child has none of its parent's threads, and perhaps its locks."""
    global _CREW, _BLAS
    _CREW, _BLAS = Crew(), _Blas()


_HAS_AFFINITY = hasattr(os, "sched_getaffinity")  # not on macOS
_CREW = Crew()
_BLAS = _Blas()
_NOTHING = nullcontext()
_count = default_count()
atexit.register(lambda: _CREW.end())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
