"""What ranks say to each other: the one interface that every way of talking offers."""

from __future__ import annotations

from typing import Any, Protocol

Array = Any


class Synchronizer(Protocol):
    """One rank's end of the conversation; calls are made by all ranks alike.

    Attributes:
        rank: this rank, from 0.
        size: number of ranks.
    """

    rank: int
    size: int

    def reduce(self, bucket: Array) -> None:
        """Replace *bucket* (contiguous, 1-D) by its sum over the ranks, on every rank.

        The sum goes on with the tree of :mod:`netspec.sync.tree`: partners at
        distance 1, then 2, then 4, so that the bits do not depend on :attr:`size`.
        """

    def broadcast(self, bucket: Array, root: int = 0) -> None:
        """Replace *bucket* by that of rank *root*."""

    def barrier(self) -> None:
        """Wait until every rank is here."""
