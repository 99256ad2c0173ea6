"""Caffe's stopwatch."""

from __future__ import annotations

import time


class Timer:
    """Measures the time from :meth:`start` to :meth:`stop`."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._seconds = 0.0

    def start(self) -> None:
        """Start; nothing where it runs already."""
        if self._started is None:
            self._started = time.perf_counter()

    def stop(self) -> None:
        """Stop; nothing where it does not run."""
        if self._started is not None:
            self._seconds = time.perf_counter() - self._started
            self._started = None

    @property
    def ms(self) -> float:
        """Milliseconds last measured; stops it first."""
        self.stop()
        return self._seconds * 1000
