"""Samples for the nets, read ahead of whoever consumes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain, tee
from typing import Any

from netspec.data.feeds import Feeds
from netspec.data.prefetch import Prefetcher, Range, batches

Rows = Mapping[str, Any]


@contextmanager
def read_ahead(feeds: Feeds, ranges: Iterable[Range]) -> Iterator[Iterator[Rows]]:
    """The samples of *ranges*, in order, by top; read ahead from other threads."""
    with ExitStack() as stack:
        every = list(feeds.by_layer.values())
        streams = [
            stack.enter_context(Prefetcher(feed, copy))
            for feed, copy in zip(every, tee(ranges, max(1, len(every))))
        ]
        tops = [top for feed in every for top in feed.tops]
        yield (dict(zip(tops, chain(*parts))) for parts in zip(*streams))


Course = Callable[[int, int], Iterator[Range]]  # what is read from a range on


class Stream:
    """Samples read ahead in the order in which training wants them.

    Any stretch may be asked for; asking for the expected one is quick.

    Args:
        feeds: of the training net.
        course: ranges in order of reading, from one on; as a rule, one after the other.
    """

    def __init__(self, feeds: Feeds, course: Course = batches) -> None:
        self._feeds, self._course = feeds, course
        self._stack = ExitStack()
        self._rows: Iterator[Rows] = iter(())
        self._expected: Iterator[Range] = iter(())

    def read(self, first: int, count: int) -> Rows:
        """Samples *first* to *first + count - 1* of every top, by blob name."""
        if not self._feeds.by_layer:
            return {}
        if (first, count) != next(self._expected, None):
            self.close()
            ahead, self._expected = tee(self._course(first, count))
            next(self._expected)
            self._rows = self._stack.enter_context(read_ahead(self._feeds, ahead))
        return next(self._rows)

    def close(self) -> None:
        """Stop reading ahead."""
        self._expected = iter(())
        self._stack.close()
