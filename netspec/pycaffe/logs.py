"""The log, on stderr in the shape that Caffe's has (glog).

GLOG_minloglevel in the environment at import, or :func:`init_log`, says what is left
out: 1 information, 2 warnings as well, 3 everything.
"""

from __future__ import annotations

import os
import sys

from netspec.report.glog import event_lines, glog_line
from netspec.solver.events import Event

_SEVERITIES = "IWE"
_SOURCE = "pycaffe:0]"  # parsers key on the form FILE:LINE]
_least = 0


def init_log(level: int | None = None, stderr: bool = True) -> None:
    """Choose what is logged.

    Args:
        level: least severity: 0 information, 1 warnings, 2 errors; None: as it is.
        stderr: False: nothing but errors.
    """
    global _least
    if level is not None:
        _least = level
    if not stderr:
        _least = max(_least, _SEVERITIES.index("E"))


def log(text: str) -> None:
    """Log a line of information."""
    write("I", text)


def write(severity: str, text: str) -> None:
    """Log a line of a severity: I, W or E."""
    _print(glog_line(severity, text, _SOURCE))


def listen(event: Event) -> None:
    """Log what a solver tells."""
    for line in event_lines(event):
        _print(line)


def _print(line: str) -> None:
    if _SEVERITIES.index(line[0]) >= _least:
        print(line, file=sys.stderr, flush=True)


def _level_of(text: str) -> int:
    return int(text) if text.isdecimal() else 0


_LEVEL = "GLOG_minloglevel"  # glog's own name for it
init_log(_level_of(os.environ.get(_LEVEL, "")))
