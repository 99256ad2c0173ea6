"""How fast samples can be read: the input alone, with nothing that uses it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

from netspec.data.feed import Feed
from netspec.data.prefetch import Prefetcher, batches


@dataclass(frozen=True)
class Speed:
    """How fast a feed gave batch after batch.

    Attributes:
        workers: threads that read ahead.
        seconds: of each batch by the clock, in order.
        processor: processor seconds of all batches together, of all threads.
    """

    batch: int
    workers: int
    seconds: tuple[float, ...]
    processor: float

    @property
    def images(self) -> int:
        """Images read."""
        return self.batch * len(self.seconds)

    @property
    def rate(self) -> float:
        """Images a second by the clock, over all batches."""
        return self.images / sum(self.seconds)

    @property
    def rate_a_core(self) -> float:
        """Images a second of processor time: what one core alone would give."""
        return self.images / self.processor

    @property
    def median_rate(self) -> float:
        """Images a second by the clock, of the middle batch."""
        return self.batch / median(self.seconds)

    @property
    def worst_rate(self) -> float:
        """Images a second by the clock, of the slowest batch."""
        return self.batch / max(self.seconds)


def measure(feed: Feed, count: int, workers: int | None = None) -> Speed:
    """Read *count* batches after some that are not counted, which compile and fill up.

    Args:
        workers: threads; None: as the layer says or the cores suggest.
    """
    size, seconds = feed.batch_size, []
    workers = feed.workers if workers is None else workers
    with Prefetcher(feed, batches(0, size), workers) as ahead:
        # What was read ahead of the start is not counted; as much is read ahead after.
        for _ in range(feed.prefetch + 1):
            next(ahead)
        begun = time.process_time()
        for _ in range(count):
            start = time.perf_counter()
            next(ahead)
            seconds.append(time.perf_counter() - start)
        processor = time.process_time() - begun
    return Speed(size, workers, tuple(seconds), processor)
