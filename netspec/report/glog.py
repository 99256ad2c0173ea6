"""A log file in the shape of Caffe's (glog), which Caffe's log parsers read."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import TextIO

from netspec.report.lines import caffe_lines
from netspec.solver.events import Event, Iteration, Warned

SOURCE = "solver.cpp:0]"  # parsers key on the form FILE:LINE]
RATE_SOURCE = "sgd_solver.cpp:0]"


class GlogReporter:
    """Writes each event's lines with glog's prefix; flushes so that tails are live."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        now = datetime.now()
        self._stream.write(f"Log file created at: {now:%Y/%m/%d %H:%M:%S}\n")
        self._stream.write(
            "Log line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg\n"
        )

    def __call__(self, event: Event) -> None:
        """Listen."""
        for line in event_lines(event):
            self._stream.write(f"{line}\n")
        self._stream.flush()


def event_lines(event: Event) -> Iterator[str]:
    """An event's lines with glog's prefix."""
    severity = "W" if isinstance(event, Warned) else "I"
    for line in caffe_lines(event):
        rate = isinstance(event, Iteration) and ", lr = " in line
        yield glog_line(severity, line, RATE_SOURCE if rate else SOURCE)


def glog_line(severity: str, text: str, source: str = SOURCE) -> str:
    """One line with glog's prefix: severity, time, thread, FILE:LINE]."""
    thread = threading.get_native_id() or os.getpid()
    return f"{severity}{datetime.now():%m%d %H:%M:%S.%f} {thread} {source} {text}"
