"""What ranks say to each other: the one interface that every way of talking offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Array = Any
Zeros = Callable[[int, str], Array | None]  # of a length and type; None: none made


class Synchronizer(Protocol):
    """One rank's end of the conversation; calls are made by all ranks alike.

    Sums go on with the tree of :mod:`netspec.sync.tree`: partners at distance 1, then
    2, then 4, so that their bits do not depend on :attr:`size`.

    Attributes:
        rank: this rank, from 0.
        size: number of ranks.
        shared: makes arrays whose sums take less time, as neighbours read them where
            they are; all ranks make the same ones, in the same order.  None: none such.

    Every call may raise DeviceError: a rank is lost; it is named.
    """

    rank: int
    size: int

    @property
    def shared(self) -> Zeros | None:
        """See above."""

    @property
    def busy(self) -> float:
        """Seconds spent on the buckets of :meth:`begin` so far."""

    def reduce(self, bucket: Array) -> None:
        """Replace *bucket* (contiguous, 1-D) by its sum over the ranks, on all."""

    def begin(
        self, bucket: Array, then: Callable[[slice], None], result: Array | None = None
    ) -> None:
        """Start :meth:`reduce` of a bucket, and go on; buckets are summed in order.

        Nobody may touch the bucket until *then* is called, with the part of it that is
        summed, which may happen on another thread.  That is all of it, or where there
        is a *result*, an array as long, a part that is this rank's own: *then* fills
        the same part of *result*, and all ranks have all of that in the end.
        """

    def complete(self, values: Array) -> None:
        """Give all ranks all of *values*, of which each has the part that is its own in
        a *result* as long."""

    def finish(self) -> None:
        """Wait for all that was begun; raises what went wrong with it."""

    def broadcast(self, bucket: Array, root: int = 0) -> None:
        """Replace *bucket* by that of rank *root*."""

    def barrier(self) -> None:
        """Wait until every rank is here."""

    def note(self, activity: str) -> None:
        """Say what this rank is at, for whoever asks what it is stuck in."""
