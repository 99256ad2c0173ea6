"""Starts the ranks of a run, passes signals on, names who died, starts anew."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType
from typing import IO, TextIO

from netspec.errors import DeviceError
from netspec.sync.deaths import Death, Deaths
from netspec.sync.launchers import (
    ALLOCATION,
    ENDED,
    LAUNCHER,
    RANKS,
    RESTARTED,
    ROOT_ALLOWED,
)

_LOOK = 0.05  # seconds between two looks at the processes
FINAL = frozenset((0, 1, 2, 3, 4, 6, 130))  # exit codes that another try cannot mend
_INTERRUPTED = 130
_DEAD = re.compile(r"PID (\d+) RUNNING AT|process rank (\d+) with PID (\d+)")
_SIGNAL = re.compile(r"\(signal (\d+)\)|signal (\d+) \(|EXIT CODE: (\d+)")
# What MPICH's launcher prints around these facts.
_NOISE = re.compile(
    r"=+$|=   |YOUR APPLICATION TERMINATED|This typically refers|Please see the FAQ|$"
    r"|Abort\(\d+\) on node"
)


class Supervisor:
    """Runs one command to its end, however often it takes.

    Args:
        command: what to run; where *several*, an mpiexec that starts ranks.
        restarts: times to start it anew after it died.
    """

    def __init__(self, command: Sequence[str], several: bool, restarts: int) -> None:
        self._command, self._several = list(command), several
        self._restarts = restarts
        self._process: subprocess.Popen[str] | None = None
        self._signals: deque[int] = deque()
        self._interrupts = 0
        self._folder = ""

    def run(self) -> int:
        """Returns the exit code of the last try."""
        handlers = {s: signal.signal(s, self._note) for s in _passed_on()}
        try:
            for tried in range(self._restarts + 1):
                code = self._try(tried)
                if code in FINAL or self._interrupts:
                    break
                if tried < self._restarts:
                    _say(f"restart {tried + 1} of {self._restarts}.")
            return code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _try(self, tried: int) -> int:
        with tempfile.TemporaryDirectory(prefix="netspec-ranks-") as self._folder:
            report = _Report()
            with closing(Deaths()) as deaths:
                try:
                    with self._start(tried) as self._process:
                        readers = report.read(self._process)
                        code = self._wait(self._process, deaths)
                        for reader in readers:
                            reader.join()
                finally:
                    self._end_all()
                return self._judge(code, report, deaths)

    def _start(self, tried: int) -> subprocess.Popen[str]:
        own = {LAUNCHER: str(os.getpid()), RANKS: self._folder}
        again = {RESTARTED: "1"} if tried else {}
        given = {k: v for k, v in os.environ.items() if k != ALLOCATION}
        return subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if self._several else None,
            stderr=subprocess.PIPE if self._several else None,
            text=True,
            errors="replace",
            env={**given, **ROOT_ALLOWED, **own, **again},
            start_new_session=True,  # Ctrl-C is ours to pass on
        )

    def _judge(self, code: int, report: _Report, deaths: Deaths) -> int:
        """The exit code to end with; says who died."""
        if self._interrupts > 1:
            return _INTERRUPTED
        ended = _read(Path(self._folder, ENDED))
        if ended.isdecimal():
            return int(ended)
        died = (
            report.died(self._processes(), deaths.first())
            if self._several
            else _ended_by(code)
        )
        if died:
            _say(died)
            return DeviceError.exit_code
        return code

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)

    def _wait(self, process: subprocess.Popen[str], deaths: Deaths) -> int:
        """The exit code; signals are passed on meanwhile, and ranks are watched."""
        known = 0
        while process.poll() is None:
            while self._signals:
                self._pass_on(self._signals.popleft())
            if self._several and len(os.listdir(self._folder)) != known:
                ranks = self._processes()
                deaths.watch(ranks.values())
                known = len(ranks)
            time.sleep(_LOOK)
        return process.wait()

    def _pass_on(self, number: int) -> None:
        """Ask rank 0, which tells the others; a second interrupt ends all at once."""
        if number in (signal.SIGINT, signal.SIGTERM):
            self._interrupts += 1
        ranks = self._processes()
        if self._interrupts > 1 or (self._interrupts and 0 not in ranks):
            self._interrupts = max(self._interrupts, 2)
            self._end_all()
        elif 0 in ranks:
            _kill(ranks[0], number)

    def _processes(self) -> dict[int, int]:
        """The process of each rank that has started."""
        if not self._several and self._process:
            return {0: self._process.pid}
        found = {}
        for path in Path(self._folder).glob("[0-9]*"):
            text = _read(path)
            if text.isdecimal():
                found[int(path.name)] = int(text)
        return found

    def _end_all(self) -> None:
        """Leave no process behind."""
        if self._process and self._process.poll() is None:
            for process in self._processes().values():
                _kill(process, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            _await_end(self._process)


class _Report:
    """What the launcher of the ranks prints: passed on, but for its own epitaph."""

    def __init__(self) -> None:
        self._epitaph: list[str] = []

    def read(self, process: subprocess.Popen[str]) -> list[threading.Thread]:
        """Start to read what a process prints; ends with it."""
        pairs = ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
        threads = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in pairs
            if pair[0]
        ]
        for thread in threads:
            thread.start()
        return threads

    def _read(self, stream: IO[str], out: TextIO) -> None:
        for line in stream:
            if self._is_for_us(line.strip("\n")):
                continue
            with suppress(OSError):  # nobody reads on: the run goes on all the same
                out.write(line)
                out.flush()

    def _is_for_us(self, line: str) -> bool:
        """Whether a line is the launcher's word on a dead rank, and not the rank's."""
        if _DEAD.search(line) or _SIGNAL.search(line):
            self._epitaph.append(line)
            return True
        return bool(_NOISE.match(line))

    def died(self, processes: Mapping[int, int], first: Death | None = None) -> str:
        """Who died, in one sentence; empty: nobody.

        Args:
            first: whoever did so before the launcher ended the others, if anybody saw
                it: the launcher names any of them.
        """
        text = "\n".join(self._epitaph)
        found = _DEAD.search(text)
        if not found:
            return ""
        ranks = {process: rank for rank, process in processes.items()}
        process = first.process if first else int(found[1] or found[3])
        rank = ranks.get(process, "?" if first else found[2] or "?")
        ends = [int(m[1] or m[2]) for m in _SIGNAL.finditer(text) if m[1] or m[2]]
        number = first.signal if first and first.signal else (ends or [0])[0]
        how = _how(number) if number else "has died"
        who = f"rank {rank}" + (f" (process {process})" if process else "")
        return f"{who} {how}."


def _how(number: int) -> str:
    if number == getattr(signal, "SIGALRM", 0):
        return "has not found the other ranks in time"
    return f"was ended by signal {number}"


def _ended_by(code: int) -> str:
    return f"the process was ended by signal {-code}." if code < 0 else ""


def _read(path: Path) -> str:
    """What a rank has written; nothing where it has not, or not come to it."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _say(text: str) -> None:
    print(f"netspec: {text}", file=sys.stderr, flush=True)


def _passed_on() -> list[int]:
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def _kill(process: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(process, number)


def _await_end(process: subprocess.Popen[str], patience: float = 5.0) -> None:
    end = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
