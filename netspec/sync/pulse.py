"""The beats that tell a stopped rank from one that works."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from netspec.errors import DeviceError
from netspec.sync.launchers import LAUNCHER
from netspec.sync.watch import WAITING, Watch

_BEAT = struct.Struct("d56s")  # seconds at it, what it is at
_PERIOD = 1.0  # seconds between two beats, at most
_PDEATHSIG = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
_GRACE = 10.0  # seconds that a busy main thread has to notice that a rank is lost
_REMEDY = (
    "The run has ended; go on from its last snapshot with --resume auto. --timeout "
    "sets the limit."
)


class Pulse:
    """Sends this rank's beats and listens to those of others, on a thread of its own.

    Rank 0 hears everybody, and everybody hears rank 0.

    Args:
        comm: a communicator of the pulse's own.
        names: of all ranks.
        limit: seconds of silence or waiting that are too many.
        end: called where a rank is lost and the main thread does not notice.
    """

    def __init__(
        self,
        mpi: Any,
        comm: Any,
        names: list[str],
        limit: float,
        end: Callable[[str], None],
    ) -> None:
        self._mpi, self._comm, self._end = mpi, comm, end
        self._partners = range(1, comm.size) if comm.rank == 0 else range(1)
        heard = range(comm.size) if comm.rank == 0 else range(1)
        # Rank 0 knows best, so the others give it time to speak.
        self._watch = Watch(
            names, heard, limit * (1 if comm.rank == 0 else 1.5), _now()
        )
        self._period = min(_PERIOD, limit / 5)
        self._activity, self._since = "starting", _now()
        self._sent: dict[int, Any] = {}
        self._stop = threading.Event()
        self.lost = ""
        self._thread = threading.Thread(
            target=self._run, name="netspec-pulse", daemon=True
        )
        self._thread.start()

    def at(self, activity: str) -> str:
        """Note what this rank is at; returns what it was at before."""
        before = self._activity
        if activity != before:
            self._activity, self._since = activity, _now()
        return before

    def check(self) -> None:
        """Raise where a rank is lost.

        Raises:
            DeviceError: names it.
        """
        if self.lost:
            raise DeviceError(self.lost, _REMEDY)

    def stop(self) -> None:
        """Stop; all ranks are done."""
        self._stop.set()
        self._thread.join(timeout=5)

    def drain(self) -> None:
        """Take in what was sent and not listened to."""
        while self._comm.iprobe():
            self._comm.recv()

    def _run(self) -> None:
        launcher, before = Launcher(), _now()
        while not self._stop.wait(self._period):
            self._excuse(_now() - before - self._period)
            before = _now()
            self._send()
            self._listen()
            self.lost = self._watch.verdict(_now())
            if launcher.gone():
                os._exit(DeviceError.exit_code)
            if self.lost and not self._stop.wait(_GRACE):
                self._end(f"{self.lost}\n  {_REMEDY}")
                return

    def _excuse(self, pause: float) -> None:
        """Do not count a time in which this process was stopped: all may have been."""
        if pause > self._period:
            self._since += pause
            self._watch.excuse(pause)

    def _send(self) -> None:
        since = max(0.0, _now() - self._since)
        beat = _BEAT.pack(since, self._activity.encode()[:56])
        for rank in self._partners:
            before = self._sent.get(rank)
            if before is None or before.Test():  # else it does not listen: no pile
                self._sent[rank] = self._comm.isend(beat, rank)
        if self._comm.rank == 0:
            self._watch.hear(0, self._activity, since, _now())

    def _listen(self) -> None:
        status = self._mpi.Status()
        while self._comm.iprobe(status=status):
            since, activity = _BEAT.unpack(self._comm.recv(source=status.source))
            text = activity.rstrip(b"\0").decode(errors="replace")
            self._watch.hear(status.source, text, since, _now())


class Activity:
    """What a rank is at while a ``with`` block runs."""

    def __init__(self, pulse: Pulse, activity: str = WAITING) -> None:
        self._pulse, self._activity = pulse, activity

    def __enter__(self) -> None:
        self._before = self._pulse.at(self._activity)

    def __exit__(self, *_: object) -> None:
        self._pulse.at(self._before)


class Launcher:
    """The netspec process that started the ranks, if one on this machine did."""

    def __init__(self) -> None:
        self._process = int(os.environ.get(LAUNCHER, "0"))

    def die_with_parent(self) -> None:
        """Let Linux end this process with the one that started it, MPI's own.

        While ranks look for each other nothing else can notice that it is gone.
        """
        if self._process and sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)

    def gone(self) -> bool:
        """Whether it has ended, so that nobody would end this rank."""
        if not self._process:
            return False
        try:
            os.kill(self._process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


def _now() -> float:
    return time.monotonic()
