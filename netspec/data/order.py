"""Which record comes when: arithmetic on the numbers of samples.

Sample *n* is the *n*-th since training began.  With ``size`` records, and ``skip`` of
them passed over at the very start, it is record ``(n + skip) % size`` of epoch
``(n + skip) // size``, and a shuffle permutes the records of each epoch anew.  Nobody
keeps a position, so a run that is resumed or divided sees the same stream.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from netspec.random import Key, permutation, words

Indices = NDArray[np.int64]
Permute = Callable[[int], Indices]  # epoch to the order of its records


class Order:
    """The order in which *size* records are read.

    Args:
        size: records an epoch.
        skip: records passed over once, at the start.
        permute: order of the records in an epoch; None: as they are stored.
    """

    def __init__(
        self, size: int, skip: int = 0, permute: Permute | None = None
    ) -> None:
        self.size = size
        self.skip = skip
        # The two that a range may span, and one that another thread has gone on to.
        self._permute = permute and lru_cache(maxsize=3)(permute)

    def indices(self, first: int, count: int) -> list[int]:
        """Record numbers of samples *first* to *first + count - 1*."""
        start = first + self.skip
        found: list[int] = []
        while len(found) < count:
            epoch, at = divmod(start + len(found), self.size)
            end = min(self.size, at + count - len(found))
            found.extend(self._part(epoch, at, end))
        return found

    def _part(self, epoch: int, start: int, end: int) -> list[int]:
        if self._permute is None:
            return list(range(start, end))
        return self._permute(epoch)[start:end].tolist()


def shuffled(key: Key, size: int) -> Permute:
    """All records in an order drawn for each epoch."""
    return lambda epoch: permutation(key.at(epoch), size)


def shuffled_files(key: Key, sizes: list[int]) -> Permute:
    """Files in an order drawn for each epoch, and the rows within each.

    Only one file's rows, or two's at a border, are then wanted at a time.  Rows are
    numbered through all files.
    """
    starts = np.cumsum([0, *sizes])

    def permute(epoch: int) -> Indices:
        files = permutation(key.at(epoch), len(sizes))
        rows = Key(key.seed, f"{key.purpose}/rows", epoch)
        return np.concatenate(
            [starts[f] + _rows(rows, int(f), sizes[f]) for f in files]
        )

    return permute


def _rows(key: Key, file: int, size: int) -> Indices:
    return permutation(Key(key.seed, f"{key.purpose}/{file}", key.iteration), size)


def skipped(key: Key, most: int) -> int:
    """How many records ``rand_skip: most`` passes over: from 0 to *most* - 1."""
    return int(words(key, 1, 1)[0, 0]) * most >> 32
