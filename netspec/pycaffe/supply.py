"""What a net's data layers hold next, pass after pass, when a program runs the net."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from netspec.data.feeds import Feeds
from netspec.data.prefetch import Prefetcher, batches

Array = Any


class Supply:
    """Reads batch after batch of each data layer, ahead of the passes.

    Args:
        feeds: of the net.
        memory: names of the MemoryData layers; their arrays may change at any time, so
            they are not read ahead.
        shards: parts that the net's batch is cut into; one part is read at a time.
    """

    def __init__(self, feeds: Feeds, memory: Collection[str], shards: int = 1) -> None:
        self._feeds = feeds.by_layer
        self._memory, self._shards = memory, shards
        self._first = dict.fromkeys(self._feeds, 0)
        self._streams: dict[str, Prefetcher] = {}

    def take(self, layers: Iterable[str]) -> dict[str, Array]:
        """The next batch of those of the *layers* that are data layers, by top.

        Raises:
            DataError: a record is damaged, or a MemoryData layer has no arrays yet.
        """
        taken: dict[str, Array] = {}
        for name in layers:
            if name in self._feeds:
                taken.update(zip(self._feeds[name].tops, self._next(name)))
        return taken

    def batch(self, layer: str) -> int:
        """Rows of a data layer's batch."""
        return self._feeds[layer].batch_size

    def set_arrays(self, layer: str, data: Array, labels: Array) -> None:
        """Give a MemoryData layer its arrays; its next batch is their first rows."""
        self._feeds[layer].set_arrays(data, labels)
        self._first[layer] = 0
        self._streams.pop(layer, None)

    def _next(self, name: str) -> tuple[Array, ...]:
        feed = self._feeds[name]
        count = feed.batch_size // self._shards
        if name not in self._streams:
            ranges = batches(self._first[name], count)
            workers = 0 if name in self._memory else None
            self._streams[name] = Prefetcher(feed, ranges, workers)
        try:
            values = next(self._streams[name])
        except BaseException:
            del self._streams[name]  # it has ended; another try begins here again
            raise
        self._first[name] += count
        return values
