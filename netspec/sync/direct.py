"""Sums over ranks that read each other's arrays where they are.

Nothing is copied into a message and out of it again: a rank adds its neighbour's part
of a bucket to its own in one pass over memory, and takes finished parts likewise.  Only
words are sent, which say that an array may be read, or that it has been.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from netspec.backends.cpu.memory import copy_past_caches
from netspec.sync.base import Array
from netspec.sync.doubling import SMALL, Messages

LARGE = 1 << 18  # elements that are copied past the caches


class Finder(Protocol):
    """Knows which arrays can be read; see :class:`netspec.sync.neighbours`."""

    def of(self, partner: int, values: Array) -> Array | None:
        """What a partner has where this rank has *values*, or nothing."""


class Direct(Messages):
    """A :class:`netspec.sync.doubling.Port` that sends what partners cannot read.

    In a round of halving, partners write to the parts that they keep, and read of each
    other those that they do not, so that one word before is enough.  A partner's word
    in the round of doubling says also that it has read what it had to in halving; what
    it reads last is left to :meth:`settle`.
    """

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self._readers: set[int] = set()  # partners that may still read what is ours

    def say(self, to: Iterable[int], until: Iterable[int]) -> None:
        """Send a word to some partners, and wait for one of each of others.

        What was written before the word can be read after it.
        """
        raise NotImplementedError

    def add_part(
        self, partner: int, bucket: Array, spare: Array, get: slice, give: slice
    ) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        theirs = self._theirs(partner, bucket)
        if theirs is None:
            super().add_part(partner, bucket, spare, get, give)
        elif self._may_read(partner, bucket[get], bucket[give]):
            self.add(bucket[get], theirs[get])

    def copy_part(self, partner: int, values: Array, get: slice, give: slice) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        theirs = self._theirs(partner, values)
        if theirs is None:
            super().copy_part(partner, values, get, give)
        elif self._may_read(partner, values[get], values[give]):
            _copy(theirs[get], values[get])

    def settle(self) -> None:
        """See :class:`netspec.sync.doubling.Port`."""
        self.say(self._readers, self._readers)
        self._readers.clear()

    def _theirs(self, partner: int, values: Array) -> Array | None:
        """The partner's array, if this rank is to read it; small ones are sent."""
        if values.nbytes <= SMALL:
            return None
        return self._finder.of(partner, values)

    def _may_read(self, partner: int, get: Array, give: Array) -> bool:
        """Say that this rank has what it gives, and wait until its partner has what
        this rank is to get, if that is anything."""
        self._readers.add(partner)
        self.say([partner] if len(give) else [], [partner] if len(get) else [])
        return len(get) > 0


def _copy(x: Array, y: Array) -> None:
    if y.size < LARGE or y.dtype != np.float32:
        y[...] = x
    else:
        copy_past_caches(x, y)
