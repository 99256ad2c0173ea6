"""Arrays of like size wait until they fill a batch; what waits is bounded."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

WAITING = 128 << 20  # bytes of arrays that may wait

Floats = NDArray[np.float32]
Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


class Batches(Generic[Key, Item]):
    """Collects arrays by key and runs them in batches.

    Args:
        rows: arrays a batch, by key.
        run: is handed a key, what was said of each array, and the arrays (n, ...).
    """

    def __init__(
        self,
        rows: Callable[[Key], int],
        run: Callable[[Key, list[Item], Floats], None],
        limit: int = WAITING,
    ) -> None:
        self._rows, self._run, self._limit = rows, run, limit
        self._waiting: dict[Key, list[tuple[Item, Floats]]] = {}
        self._bytes = 0

    def add(self, key: Key, item: Item, array: Floats) -> None:
        """One more array; runs a batch where it is full or too much waits."""
        queue = self._waiting.setdefault(key, [])
        queue.append((item, array))
        self._bytes += array.nbytes
        if len(queue) >= self._rows(key):
            self._flush(key)
        elif self._bytes > self._limit:
            self._flush(max(self._waiting, key=lambda k: len(self._waiting[k])))

    def finish(self) -> None:
        """Run what still waits."""
        for key in list(self._waiting):
            self._flush(key)

    def _flush(self, key: Key) -> None:
        queue = self._waiting.pop(key)
        self._bytes -= sum(array.nbytes for _, array in queue)
        items = [item for item, _ in queue]
        self._run(key, items, np.stack([array for _, array in queue]))
