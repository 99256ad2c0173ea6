"""Samples for the nets, read ahead of whoever consumes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, tee
from typing import Any, Self

from netspec.data.feeds import Feeds
from netspec.data.prefetch import Prefetcher, Range, batches

Rows = Mapping[str, Any]


class ReadAhead:
    """The samples of *ranges*, in order, by top; read ahead from other threads.

    A context, which ends those threads.  Where one is forgotten instead, nothing waits
    for them: the collector of garbage may run in any thread, at any moment, even while
    that thread starts or ends another.

    Args:
        raw: give pictures as bytes where that can be; see ``Feed.read_raw``.
    """

    def __init__(
        self, feeds: Feeds, ranges: Iterable[Range], raw: bool = False
    ) -> None:
        every = list(feeds.by_layer.values())
        copies = tee(ranges, max(1, len(every)))
        self._streams = [
            Prefetcher(feed, copy, raw=raw) for feed, copy in zip(every, copies)
        ]
        self._tops = [top for feed in every for top in feed.tops]
        self._rows = zip(*self._streams)

    def __iter__(self) -> Iterator[Rows]:
        return self

    def __next__(self) -> Rows:
        return dict(zip(self._tops, chain(*next(self._rows))))

    def close(self) -> None:
        """Stop reading ahead."""
        for stream in self._streams:
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Course = Callable[[int, int], Iterator[Range]]  # what is read from a range on


class Stream:
    """Samples read ahead in the order in which training wants them.

    Any stretch may be asked for; asking for the expected one is quick.

    Args:
        feeds: of the training net.
        course: ranges in order of reading, from one on; as a rule, one after the other.
        raw: see :class:`ReadAhead`.
    """

    def __init__(
        self, feeds: Feeds, course: Course = batches, raw: bool = False
    ) -> None:
        self._feeds, self._course, self._raw = feeds, course, raw
        self._rows = ReadAhead(feeds, ())
        self._expected: Iterator[Range] = iter(())

    def read(self, first: int, count: int) -> Rows:
        """Samples *first* to *first + count - 1* of every top, by blob name."""
        if not self._feeds.by_layer:
            return {}
        if (first, count) != next(self._expected, None):
            self.close()
            ahead, self._expected = tee(self._course(first, count))
            next(self._expected)
            self._rows = ReadAhead(self._feeds, ahead, self._raw)
        return next(self._rows)

    def close(self) -> None:
        """Stop reading ahead."""
        self._expected = iter(())
        self._rows.close()
