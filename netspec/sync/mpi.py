"""Ranks that talk through MPI, by mpi4py (extra ``mpi``)."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from netspec.errors import DeviceError, NetspecError, UsageError
from netspec.sync.background import Background
from netspec.sync.base import Array
from netspec.sync.direct import Direct
from netspec.sync.doubling import partners, reduce_tree, share_parts
from netspec.sync.launchers import announce, announce_end
from netspec.sync.neighbours import Neighbours
from netspec.sync.pulse import Activity, Launcher, Pulse

LIMIT = 300.0  # seconds to wait for a rank before the run is ended
_LIBRARY = "MPI4PY_LIBMPI"  # variable by which mpi4py is told which library to load
_PIECE = 1 << 26  # bytes of one message of a broadcast
_DEFERENCE = 2.0  # seconds that another rank waits for rank 0 to report an error
_SPOKEN = 0.3  # seconds in which launchers pass on what a rank has said; then it ends
INTERRUPTED = 130  # the shell's code for a process ended by Ctrl-C
_EAGER = 8  # looks at a message under way before the thread sleeps in between
_NAPS = (50e-6, 1e-3)  # shortest and longest sleep, in seconds
_GROWTH = 1.25  # from one sleep to the next


def load_mpi() -> Any:
    """mpi4py's MPI module, not yet initialised.

    A system's MPI is taken before one from PyPI: it knows the machine's network and its
    scheduler.  MPI4PY_LIBMPI names another.

    Raises:
        UsageError: it or an MPI library is missing.
    """
    try:
        import mpi4py

        system = find_library("mpi")
        if system:
            os.environ.setdefault(_LIBRARY, system)
        mpi4py.rc.initialize = False
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise UsageError(
            f"ranks need mpi4py and an MPI library: {error}.",
            "Install them: pip install 'netspec[mpi]'.",
        ) from None
    return MPI


@dataclass(frozen=True)
class Place:
    """Where one rank runs."""

    rank: int
    host: str
    process: int
    cores: tuple[int, ...]

    def __str__(self) -> str:
        return f"rank {self.rank} (process {self.process} on {self.host})"


class Mpi:
    """One rank of MPI's world; see :class:`netspec.sync.Synchronizer`.

    Args:
        limit: seconds to wait for a rank before the run is ended.

    Attributes:
        places: where each rank runs.
        library: name and version of the MPI library.

    Raises:
        UsageError: no mpi4py, or an MPI that does not allow threads.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        launcher = Launcher()
        launcher.die_with_parent()
        self._mpi = load_mpi()
        if not self._mpi.Is_initialized():
            with _at_most(limit):
                self._mpi.Init_thread(self._mpi.THREAD_MULTIPLE)
        if launcher.gone():  # and not sooner: others would wait for this rank
            os._exit(DeviceError.exit_code)
        if self._mpi.Query_thread() < self._mpi.THREAD_MULTIPLE:
            raise UsageError(
                "this MPI library does not let several threads send.",
                "Use one built with MPI_THREAD_MULTIPLE.",
            )
        self._world = self._mpi.COMM_WORLD
        self.rank, self.size = self._world.rank, self._world.size
        self.library = " ".join(map(str, _vendor(self._mpi)))
        announce(self.rank)
        self.places: list[Place] = self._world.allgather(_here(self.rank))
        self._background = Background("netspec-sync")
        names = [str(place) for place in self.places]
        self._pulse = Pulse(self._mpi, self._world.Dup(), names, limit, self.end)
        near = Neighbours(self.rank, partners(self.rank, self.size), self._gather)
        self.shared = near.zeros
        self._port = _MpiPort(self._mpi, self._world.Dup(), self._pulse, near)
        self._own_port = _MpiPort(self._mpi, self._world.Dup(), self._pulse, near)

    @property
    def busy(self) -> float:
        """Seconds spent on buckets so far."""
        return self._background.busy

    @property
    def neighbours(self) -> list[Place]:
        """The ranks of this rank's machine, itself included."""
        host = self.places[self.rank].host
        return [place for place in self.places if place.host == host]

    @property
    def shares_cores(self) -> bool:
        """Whether the ranks of this machine may all run on the same cores."""
        return len({place.cores for place in self.neighbours}) == 1

    def reduce(self, bucket: Array) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        with Activity(self._pulse):
            self._port.reduce(bucket)

    def begin(
        self, bucket: Array, then: Callable[[slice], None], result: Array | None = None
    ) -> None:
        """See :class:`netspec.sync.Synchronizer`."""

        def job() -> None:
            self._own_port.reduce(bucket, then, result)

        self._background.do(job)

    def complete(self, values: Array) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        with Activity(self._pulse):
            share_parts(self._port, values)
            self._port.settle()

    def finish(self) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        self._background.do(self._own_port.settle)
        with Activity(self._pulse):
            self._background.finish()

    def broadcast(self, bucket: Array, root: int = 0) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        values = bucket.view(np.uint8)
        with Activity(self._pulse):
            for first in range(0, len(values), _PIECE):
                part = values[first : first + _PIECE]
                self._port.wait(self._port.comm.Ibcast(part, root))

    def barrier(self) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        with Activity(self._pulse):
            self._port.wait(self._port.comm.Ibarrier())

    def _gather(self, data: bytes) -> list[bytes]:
        """As many bytes of each rank, in order."""
        own = np.frombuffer(data, np.uint8)
        found = np.empty((self.size, len(own)), np.uint8)
        with Activity(self._pulse):
            self._port.wait(self._port.comm.Iallgather(own, found))
        return [row.tobytes() for row in found]

    def note(self, activity: str) -> None:
        """See :class:`netspec.sync.Synchronizer`."""
        self._pulse.at(activity)

    def close(self) -> None:
        """Part from the other ranks, once all are done."""
        self.barrier()
        self._pulse.stop()
        self.barrier()  # nobody sends any more
        self._pulse.drain()
        self._mpi.Finalize()

    def end(self, message: str, code: int = DeviceError.exit_code) -> NoReturn:
        """End all ranks at once with an exit code, after saying why."""
        print(f"netspec: {message}", file=sys.stderr, flush=True)
        announce_end(code)
        if self.size > 1:
            time.sleep(_SPOKEN)
            self._world.Abort(code)
        os._exit(code)  # an MPI may come back from there, and end this rank later

    def fail(self, error: BaseException) -> NoReturn:
        """End all ranks because of an error of this one.

        Where all ranks have met the same error, rank 0 is the one to say so.
        """
        if isinstance(error, KeyboardInterrupt):
            self.end("interrupted.", INTERRUPTED)
        if self.rank and not isinstance(error, DeviceError):
            time.sleep(_DEFERENCE)
        who = f"{self.places[self.rank]}: " if self.rank else ""
        if isinstance(error, NetspecError):
            self.end(f"{who}{error}", error.exit_code)
        trace = "".join(traceback.format_exception(error))
        self.end(f"{who}{trace}", 1)


class _MpiPort(Direct):
    """Sends and receives on a communicator of its own, for one thread."""

    def __init__(
        self, mpi: Any, comm: Any, pulse: Pulse, neighbours: Neighbours
    ) -> None:
        super().__init__(neighbours)
        self._mpi, self.comm, self._pulse = mpi, comm, pulse
        self.rank, self.size = comm.rank, comm.size
        self._spare = np.empty(0, np.uint8)
        self._word = np.empty(0, np.uint8)

    def reduce(
        self,
        bucket: Array,
        then: Callable[[slice], None] = lambda part: None,
        result: Array | None = None,
    ) -> None:
        """See :func:`netspec.sync.doubling.reduce_tree`."""
        if self._spare.nbytes < bucket.nbytes:
            self._spare = np.empty(bucket.nbytes, np.uint8)
        spare = self._spare[: bucket.nbytes].view(bucket.dtype)
        reduce_tree(self, bucket, spare, then, result)

    def send(self, partner: int, values: Array) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        self.wait(self.comm.Isend(values, partner))

    def receive(self, partner: int, into: Array) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        self.wait(self.comm.Irecv(into, partner))

    def swap(self, partner: int, values: Array, into: Array) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        self.wait(self.comm.Irecv(into, partner), self.comm.Isend(values, partner))

    def add(self, into: Array, values: Array) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        into += values

    def say(self, to: Iterable[int], until: Iterable[int]) -> None:
        """See :class:`netspec.sync.direct.Direct`."""
        awaited = [self.comm.Irecv(self._word, partner) for partner in until]
        self.wait(*awaited, *(self.comm.Isend(self._word, partner) for partner in to))

    def wait(self, *requests: Any) -> None:
        """Wait for messages under way; other threads and ranks may use the core."""
        looks, (nap, longest) = 0, _NAPS
        while not self._mpi.Request.Testall(list(requests)):
            self._pulse.check()
            looks += 1
            time.sleep(0 if looks < _EAGER else nap)
            nap = min(longest, nap * _GROWTH) if looks >= _EAGER else nap


@contextmanager
def _at_most(limit: float) -> Iterator[None]:
    """End this process where MPI does not find the other ranks in time.

    It cannot be interrupted then, so the alarm's default, which is the end, has to do.
    """
    alarm = getattr(signal, "setitimer", None)  # not on Windows
    main = threading.current_thread() is threading.main_thread()
    if not (alarm and main):
        yield
        return
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _here(rank: int) -> Place:
    cores: tuple[int, ...] = ()
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        cores = tuple(sorted(os.sched_getaffinity(0)))
    return Place(rank, socket.gethostname(), os.getpid(), cores)


def _vendor(mpi: Any) -> tuple[str, str]:
    name, version = mpi.get_vendor()
    return name, ".".join(map(str, version))
