"""Jobs done one after the other on a thread of their own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import numpy as np

Job = Callable[[], object]


class Background:
    """A thread that does jobs in order while its owner computes.

    After a job that raised, the rest is passed over until :meth:`finish` says so.

    Attributes:
        busy: seconds spent on jobs.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Job, bool]] = SimpleQueue()
        self._error: BaseException | None = None
        self._name = name
        self._started = False
        self.busy = 0.0

    def do(self, job: Job) -> None:
        """Queue a job."""
        self._put(job, False)

    def _put(self, job: Job, always: bool) -> None:
        if not self._started:
            self._started = True
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        self._jobs.put((job, always))

    def finish(self) -> None:
        """Wait until all jobs are done; raises what the first to fail raised."""
        if not self._started:
            return
        done = threading.Event()
        self._put(done.set, True)
        done.wait()
        error, self._error = self._error, None
        if error:
            raise error

    def _serve(self) -> None:
        while True:
            job, always = self._jobs.get()
            if always or not self._error:
                with np.errstate(all="ignore"):
                    self._run(job)

    def _run(self, job: Job) -> None:
        start = time.perf_counter()
        try:
            job()
        except BaseException as error:
            self._error = error
        self.busy += time.perf_counter() - start
