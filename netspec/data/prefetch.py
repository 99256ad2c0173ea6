"""Reading ahead of whoever consumes the samples, on several threads.

What comes out is what ``feed.read`` gives for the same range, in the order asked for:
threads decide only when it is ready.  They are threads and not processes because what
takes time releases the interpreter lock (JPEG and PNG decoding, resizing, copies of
pixels), so that nothing need travel between processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count as count_up
from typing import Any, NamedTuple, Self

from netspec.data.feed import Feed
from netspec.data.raw import Top, joined

Range = tuple[int, int]  # number of the first sample, and how many

Read = Callable[..., tuple[Any, ...]]  # a feed's way to read a range

_PIECE = 8  # images that one thread decodes in one go


class _Pending(NamedTuple):
    """A range under way: its pieces, and the arrays they fill together."""

    range: Range
    pieces: list[Future[tuple[Any, ...]]]
    out: tuple[Top, ...] | None

    def result(self) -> tuple[Any, ...]:
        results = [piece.result() for piece in self.pieces]
        if self.out is None:
            return results[0]
        if all(type(tops[0]) is type(self.out[0]) for tops in results):
            return self.out
        return tuple(map(joined, zip(*results)))  # some would not be raw


class Prefetcher:
    """Ranges of samples of a feed, read ahead; an iterator over tuples of arrays.

    Close it, or use it in a ``with`` statement; its threads end in any case when the
    program does, or when it is no longer referred to.  An error comes out at the range
    that it belongs to, and ends the iteration.

    Args:
        feed: where samples come from.
        ranges: (first, count) of what to read, in order; may be endless.
        workers: threads; 0 reads in the caller's; None: ``feed.workers``.
        ahead: ranges under way or ready beyond the one handed out last; None:
            ``feed.prefetch``.
        raw: give what ``feed.read_raw`` gives.
    """

    def __init__(
        self,
        feed: Feed,
        ranges: Iterable[Range],
        workers: int | None = None,
        ahead: int | None = None,
        raw: bool = False,
    ) -> None:
        self._feed, self._raw = feed, raw
        self._read: Read = feed.read_raw if raw else feed.read
        self._ranges = iter(ranges)
        self._ahead = feed.prefetch if ahead is None else ahead
        workers = feed.workers if workers is None else workers
        self._pool = ThreadPoolExecutor(workers, "netspec-data") if workers else None
        self._pending: deque[_Pending] = deque()
        self._fill(self._ahead)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self

    def __next__(self) -> tuple[Any, ...]:
        try:
            if self._pool is None:
                return self._read(*next(self._ranges))
            self._fill(self._ahead + 1)
            if not self._pending:
                raise StopIteration
            return self._pending.popleft().result()
        except BaseException:
            self.close()
            raise

    def read(self, first: int, count: int) -> tuple[Any, ...]:
        """What ``feed.read`` returns, at once where that is the next range."""
        if self._pending and self._pending[0].range == (first, count):
            return next(self)
        return self._read(first, count)

    def close(self) -> None:
        """Drop what is under way, and end the threads."""
        self._ranges = iter(())
        self._pending.clear()
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fill(self, wanted: int) -> None:
        """Set threads to work on the next ranges, until *wanted* are pending."""
        while self._pool and len(self._pending) < wanted:
            found = next(self._ranges, None)
            if found is None:
                return
            self._pending.append(self._start(self._pool, *found))

    def _start(self, pool: ThreadPoolExecutor, first: int, count: int) -> _Pending:
        """Set threads to work on a range: in pieces where decoding makes it long."""
        feed = self._feed
        if not (feed.decodes and feed.fixed_shape):
            piece = pool.submit(self._read, first, count)
            return _Pending((first, count), [piece], None)
        out = feed.room(count, self._raw)
        pieces = [
            pool.submit(
                self._read,
                first + at,
                min(_PIECE, count - at),
                tuple(top[at : at + _PIECE] for top in out),
            )
            for at in range(0, count, _PIECE)
        ]
        return _Pending((first, count), pieces, out)


def batches(first: int, count: int, stride: int = 0) -> Iterator[Range]:
    """Endless ranges of *count* samples, *stride* apart (0: one after the other)."""
    return ((start, count) for start in count_up(first, stride or count))
