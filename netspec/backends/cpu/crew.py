"""A crew: threads that join a kernel while another thread runs it, in compiled code.

A kernel opens itself when it claims its first task: it leaves its own address and its
arguments in a box that all threads see.  Helpers that wait for that enter the same
kernel with the same arguments, but for the workspace, which is their own.  They need
neither the interpreter nor its lock for it, so joining takes a microsecond, and sharing
out pays for operations of 20.

Helpers watch the box for a moment after each kernel, as the next often follows at once,
and then sleep.  A kernel never waits for them to come: it closes when its tasks are
claimed, and then waits for those that did.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from netspec.backends.cpu.boarding import (
    ALONE,
    CLAIMED,
    FAILED,
    SLEPT,
    TAKEN,
    TASKS,
    WANTED,
    close,
    fall_asleep,
    finished,
    is_open,
    join,
    new_box,
    rest,
    stay_awake,
)
from netspec.backends.cpu.scratch import LASTING, aligned
from netspec.compiled import njit

WATCH = 1e-3  # seconds that a helper watches before it sleeps
NAP = 50e-6  # seconds between two looks at a helper that is late

Kernel = Any


class Ready(NamedTuple):
    """A launch for which nothing needs to be looked up any more."""

    kernel: Kernel
    tasks: int
    space: np.ndarray
    args: tuple[Any, ...]
    helpers: int


def compiled_for(kernel: Kernel, *args: Any) -> Kernel:
    """What a kernel calls with such arguments, which does not look at their types."""
    kinds = tuple(kernel.typeof_pyval(each) for each in args)
    found = kernel.overloads.get(kinds)
    return found.entry_point if found else kernel


class Crew:
    """Helpers, which start when first needed, and the box that they watch.

    One kernel at a time has the helpers; one of another thread meanwhile runs alone.
    """

    def __init__(self) -> None:
        self.box = new_box()
        self.lock = threading.Lock()
        self.naps: SimpleQueue[None] = SimpleQueue()  # what is put in wakes a helper
        self.woken = 0
        self.spaces: list[np.ndarray] = []  # of each helper
        self.room = 0  # values of the smallest of them
        self.places: list[np.ndarray] = []  # where each finds the address of its space
        self.settled: Kernel = _settled
        self.patience = 0  # looks at a box in WATCH seconds
        self.threads: list[threading.Thread] = []
        self.ended = False

    def run(
        self, kernel: Kernel, tasks: int, space: np.ndarray, args: Any, helpers: int
    ) -> None:
        """Run *kernel*, which *helpers* may join; returns when all are done."""
        if helpers < 1 or self.ended or not self.lock.acquire(blocking=False):
            box = new_box(ALONE)
            box[TASKS] = tasks
            kernel(box, tasks, space, *args)
            return
        try:
            self._make_ready(helpers, space.size)
            self._run(kernel, tasks, space, args, helpers)
        finally:
            if self.room > LASTING:
                self._forget_large()
            self.lock.release()

    def run_all(self, launches: Iterable[Ready], alone: np.ndarray) -> None:
        """Run kernels one after the other.

        Args:
            alone: a box of ALONE words, for those without helpers.
        """
        shared = not self.ended and self.lock.acquire(blocking=False)
        try:
            for kernel, tasks, space, args, helpers in launches:
                if helpers < 1 or not shared:
                    alone[CLAIMED], alone[TASKS] = 0, tasks
                    kernel(alone, tasks, space, *args)
                else:
                    self._make_ready(helpers, space.size)
                    self._run(kernel, tasks, space, args, helpers)
        finally:
            if shared:
                self.lock.release()

    def _make_ready(self, helpers: int, size: int) -> None:
        if helpers > len(self.spaces) or size > self.room:
            self._prepare(helpers, size)

    def _run(
        self, kernel: Kernel, tasks: int, space: np.ndarray, args: Any, helpers: int
    ) -> None:
        self.box[CLAIMED], self.box[TASKS] = 0, tasks
        self.box[WANTED] = helpers
        if self.box[SLEPT] > self.woken:
            self._wake()
        try:
            kernel(self.box, tasks, space, *args)
        finally:
            self._settle()
        if self.box[FAILED]:
            raise RuntimeError(f"A thread of {kernel.__name__} failed.")

    def _wake(self) -> None:
        slept = int(self.box[SLEPT])
        while self.woken < slept:
            self.naps.put(None)
            self.woken += 1

    def _settle(self) -> None:
        """Wait for those who joined, whatever happens: they use the arguments."""
        interrupted = None
        while not self.settled(self.box, self.patience):
            try:
                time.sleep(NAP)
            except KeyboardInterrupt as error:
                interrupted = error
        if interrupted:
            raise interrupted

    def _prepare(self, helpers: int, size: int) -> None:
        if not self.patience:
            self.patience = _looks_in(WATCH)
            self.settled = compiled_for(_settled, self.box, self.patience)
        while len(self.spaces) < helpers:
            self._add_helper()
        for i, space in enumerate(self.spaces):
            if space.size < size:
                self.spaces[i] = aligned(size)
                self.places[i][0] = self.spaces[i].ctypes.data
        self.room = min(space.size for space in self.spaces)

    def _forget_large(self) -> None:
        self.spaces = [aligned(0) for _ in self.spaces]
        self.room = 0

    def _add_helper(self) -> None:
        place = np.zeros(1, np.int64)
        self.spaces.append(aligned(0))
        self.places.append(place)
        thread = threading.Thread(target=self._serve, args=(place,), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _serve(self, place: np.ndarray) -> None:
        while not self.ended:
            _watch(self.box, place, self.patience)
            self.naps.get()

    def end(self) -> None:
        """Send the helpers home: at exit, compiled code goes before its threads."""
        self.ended = True
        for _ in self.threads:
            self.naps.put(None)
        for thread in self.threads:
            thread.join()


@njit(nogil=True, cache=True)
def _watch(box, place, patience):  # type: ignore[no-untyped-def]
    """Join kernels until none has opened for a while."""
    coming = True
    while coming:
        looks = 0
        while looks < patience:
            looks += 1
            if is_open(box):
                if join(box, place):
                    looks = 0
            else:
                rest(box)
        fall_asleep(box)
        # One that began before it could know of that needs this helper now.
        coming = box[WANTED] > 0 or is_open(box)
        if coming:
            stay_awake(box)


@njit(nogil=True, cache=True)
def _settled(box, patience):  # type: ignore[no-untyped-def]
    """Whether all who joined are back; closes the box, and looks for a while."""
    taken = close(box)
    looks = 0
    while looks < patience and finished(box) < taken:
        looks += 1
        rest(box)
    return finished(box) >= taken


def _looks_in(seconds: float) -> int:
    """How often a thread that nothing disturbs looks at a box in that time."""
    late, looks = new_box(), 500
    late[TAKEN] = 1
    _settled(late, 1)  # is compiled
    return max(1, int(looks * seconds / min(_time(late, looks) for _ in range(9))))


def _time(box: np.ndarray, looks: int) -> float:
    start = time.perf_counter()
    _settled(box, looks)
    return time.perf_counter() - start
