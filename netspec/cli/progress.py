"""Progress of a long command on standard error: a bar on a terminal, else lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 10.0  # seconds between two plain lines
REDRAW = 0.1  # seconds between two changes of the bar


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A function to tell (items done, items in all); *what* is what is being done."""
    if sys.stderr.isatty():
        with _bar(what) as tell:
            yield tell
    else:
        yield Lines(what)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}/s"),
        TimeRemainingColumn(),
    )
    start = last = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, rate="0")

        def tell(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done == total or now - last > REDRAW:
                last = now
                rate = f"{done / max(now - start, 1e-9):,.0f}"
                bar.update(task, completed=done, total=total, rate=rate)

        yield tell


class Lines:
    """A line at most every :data:`EVERY` seconds: count, rate and time left."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Print a line if it is time to."""
        now = time.monotonic()
        if now - self._last < EVERY:
            return
        self._last = now
        print(line(self._what, done, total, now - self._start), file=sys.stderr)


def line(what: str, done: int, total: int, seconds: float) -> str:
    """``create 1200/50000, 350/s, 2:19 left``."""
    rate = done / seconds
    left = round((total - done) / rate)
    clock = f"{left // 60}:{left % 60:02}"
    return f"{what} {done}/{total}, {rate:,.0f}/s, {clock} left"
