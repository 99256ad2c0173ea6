"""Samples for the nets, read ahead of whoever consumes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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


class Stream:
    """Samples read ahead in the order in which training wants them.

    Any stretch may be asked for; asking for the expected one is quick.

    Args:
        feeds: of the training net.
    """

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self._stack = ExitStack()
        self._rows: Iterator[Rows] = iter(())
        self._expected = (-1, 0)

    def read(self, first: int, count: int) -> Rows:
        """Samples *first* to *first + count - 1* of every top, by blob name."""
        if not self._feeds.by_layer:
            return {}
        if (first, count) != self._expected:
            self.close()
            ranges = batches(first, count)
            self._rows = self._stack.enter_context(read_ahead(self._feeds, ranges))
        rows = next(self._rows)
        self._expected = (first + count, count)
        return rows

    def close(self) -> None:
        """Stop reading ahead."""
        self._expected = (-1, 0)
        self._stack.close()
