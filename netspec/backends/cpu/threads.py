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
so who runs it, and when, cannot show in the result.  Plain threads instead of Numba's
``prange``: starting costs 20 µs also on a busy machine, compiling is faster, it works
under ``fork``, and a slow core takes fewer tasks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from queue import SimpleQueue
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from threadpoolctl import ThreadpoolController

from netspec.errors import UsageError

# Below this many multiply-adds a worker, waking another costs more than it brings.
LEAST_WORK = 1_000_000
LASTING = 1 << 24  # float32 values of scratch, up to which it is kept: 64 MB
ALIGNMENT = 64  # bytes: a cache line, and the widest vector

Job = tuple[Callable[[], None], "SimpleQueue[BaseException | None]"]


def share(
    kernel: Callable[..., None],
    tasks: int,
    *args: Any,
    workspace: int = 0,
    work: int = LEAST_WORK * 64,
    blas: bool = False,
) -> None:
    """Run *tasks* tasks of *kernel* over the workers; returns when all are done.

    Args:
        kernel: takes (counter, tasks, workspace, *args); see the module.
        workspace: float32 values that each worker's own scratch must hold.
        work: multiply-adds of all tasks together, roughly.
        blas: whether *kernel* calls BLAS, whose own threads must rest meanwhile.
    """
    counter = np.zeros(1, np.int64)

    def run() -> None:
        kernel(counter, tasks, buffer("workspace", workspace), *args)

    helpers = min(count(), tasks, 1 + work // LEAST_WORK) - 1
    with _BLAS.single_threaded() if blas else nullcontext():
        _CREW.run(run, helpers)


@intrinsic
def claim(typingctx, counter):  # type: ignore[no-untyped-def]
    """The number of the next task, from an int64[1] counter that all workers share."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        array = context.make_array(signature.args[0])(context, builder, args[0])
        one = ir.Constant(cgutils.intp_t, 1)
        return builder.atomic_rmw("add", array.data, one, "monotonic")

    return types.intp(counter), codegen


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


class _Crew:
    """Threads that wait for work; they start when first needed."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[Job] = SimpleQueue()
        self.size = 0
        self.lock = threading.Lock()

    def run(self, work: Callable[[], None], helpers: int) -> None:
        """Call *work* in this thread and in *helpers* others; wait for all."""
        if self.size < helpers:
            self._grow(helpers)
        done: SimpleQueue[BaseException | None] = SimpleQueue()
        for _ in range(helpers):
            self.jobs.put((work, done))
        try:
            work()
        finally:
            errors = [done.get() for _ in range(helpers)]
        for error in filter(None, errors):
            raise error

    def _grow(self, size: int) -> None:
        with self.lock:
            for _ in range(self.size, size):
                threading.Thread(target=self._serve, daemon=True).start()
            self.size = max(self.size, size)

    def _serve(self) -> None:
        while True:
            work, done = self.jobs.get()
            try:
                work()
            except BaseException as error:
                done.put(error)
            else:
                done.put(None)


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


_local = threading.local()


def buffer(name: str, size: int) -> np.ndarray:
    """This thread's scratch of that name: *size* float32 values, aligned.

    What it holds is anything; the next call with the same name may give the same
    memory, which is kept unless it is very large.
    """
    held = _local.__dict__.get(name)
    if held is None or held.size < size:
        spare = ALIGNMENT // 4
        raw = np.zeros(size + spare, np.float32)
        skip = -raw.ctypes.data % ALIGNMENT // 4
        held = raw[skip : skip + size]
        if size <= LASTING:
            _local.__dict__[name] = held
    return held[:size]


def _start_afresh() -> None:
    """A forked child has none of its parent's threads, and perhaps its locks."""
    global _CREW, _BLAS
    _CREW, _BLAS = _Crew(), _Blas()


_HAS_AFFINITY = hasattr(os, "sched_getaffinity")  # not on macOS
_CREW = _Crew()
_BLAS = _Blas()
_count = default_count()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
