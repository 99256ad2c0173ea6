"""Work on many items: on several threads with results in order, and with progress."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[int, int], None]  # is told: items done, items in all


def silent(done: int, total: int) -> None:
    """Progress that nobody is told of."""


_sharers = 1  # processes that use this process's cores together


def share_cores(processes: int) -> None:
    """Say how many processes, this one included, use the same cores."""
    global _sharers
    _sharers = processes


def cores() -> int:
    """This process's share of the cores that it may use, at least one."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        found = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count() or 1
    return max(1, found // _sharers)


_AHEAD = 4  # items a thread that may be under way or ready


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """``map(function, items)`` on *workers* threads, a bounded way ahead."""
    with ThreadPoolExecutor(workers, "netspec-data") as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > _AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
