"""Samples for the nets, read ahead of whoever consumes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain, tee
from typing import Any

from netspec.data.feeds import Feeds
from netspec.data.prefetch import Prefetcher, Range

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


class Stream:
    """Samples read ahead in the order in which training wants them.

    Any stretch may be asked for; asking for the expected one is quick.

    Args:
        feeds: of the training net.
        follows: the first sample of the stretch that comes after one that begins at
            a given sample.
    """

    def __init__(self, feeds: Feeds, follows: Callable[[int], int]) -> None:
        self._feeds, self._follows = feeds, follows
        self._stack = ExitStack()
        self._rows: Iterator[Rows] = iter(())
        self._expected = (-1, 0)

    def read(self, first: int, count: int) -> Rows:
        """Samples *first* to *first + count - 1* of every top, by blob name."""
        if not self._feeds.by_layer:
            return {}
        if (first, count) != self._expected:
            self.close()
            ranges = self._ranges(first, count)
            self._rows = self._stack.enter_context(read_ahead(self._feeds, ranges))
        rows = next(self._rows)
        self._expected = (self._follows(first), count)
        return rows

    def _ranges(self, first: int, count: int) -> Iterator[Range]:
        while True:
            yield first, count
            first = self._follows(first)

    def close(self) -> None:
        """Stop reading ahead."""
        self._expected = (-1, 0)
        self._stack.close()
