"""A log file in the shape of Caffe's (glog), which Caffe's log parsers read."""

from __future__ import annotations

import os
import threading
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
        severity = "W" if isinstance(event, Warned) else "I"
        for line in caffe_lines(event):
            self._write(severity, line, isinstance(event, Iteration))
        self._stream.flush()

    def _write(self, severity: str, line: str, iteration: bool) -> None:
        now = datetime.now()
        thread = threading.get_native_id() or os.getpid()
        source = RATE_SOURCE if iteration and ", lr = " in line else SOURCE
        self._stream.write(
            f"{severity}{now:%m%d %H:%M:%S.%f} {thread} {source} {line}\n"
        )
