"""Sums over ranks by recursive halving and doubling.

With *r* ranks, a power of two, partners stand at distance 1, then 2, then 4.  Halving:
both have the same stretch of the bucket; each keeps one half of it, sends the other,
and adds what it receives.  After log2 r rounds a rank holds the finished sum of an r-th
of the bucket.  Doubling goes the same way back, passing finished parts on.  Every rank
sends and receives 2 (r - 1) / r of the bucket, the least there can be, and element by
element the sum is the binary tree of :mod:`netspec.sync.tree`.

Between the two, what follows from sums alone may be done to the finished part, and its
results passed on in place of the sums: each rank then updates an r-th of the weights.

Ranks of one machine read each other's buckets where they are, so that nothing is sent.
That one of them may not touch an array yet which another reads costs no further word:
with the second exchange of a round, its partner says that it is through with the first.
Only of what it reads last it says so of its own: :meth:`Port.settle`.

Of *r* ranks that are no power of two, those beyond the greatest power first hand their
buckets to a partner, and get the result back at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Array = Any

SMALL = 4096  # bytes: below, whole buckets travel, in half as many rounds
_NOTHING = slice(0, 0)


class Port(Protocol):
    """How parts of one rank's arrays come to another; calls wait, or queue their work
    on a device in order.

    Both partners make the same call, each with the part that it gets and the part that
    it gives, one of which may be empty.
    """

    rank: int
    size: int

    def swap(self, partner: int, values: Array, into: Array) -> None:
        """Send contiguous *values*, and receive as many as *into* holds."""

    def add(self, into: Array, values: Array) -> None:
        """Add *values* to *into*, element by element."""

    def add_part(
        self, partner: int, bucket: Array, spare: Array, get: slice, give: slice
    ) -> None:
        """Add a part of the partner's *bucket* to the same part of this rank's."""

    def copy_part(self, partner: int, values: Array, get: slice, give: slice) -> None:
        """Replace a part of *values* by what the partner has there."""

    def settle(self) -> None:
        """Wait until no partner looks at this rank's arrays any more."""


class Messages:
    """Parts of arrays as messages: a :class:`Port` of one that sends and receives."""

    def send(self, partner: int, values: Array) -> None:
        """Send contiguous *values*."""
        raise NotImplementedError

    def receive(self, partner: int, into: Array) -> None:
        """Receive as many values as *into* holds."""
        raise NotImplementedError

    def swap(self, partner: int, values: Array, into: Array) -> None:
        """See :class:`Port`."""
        raise NotImplementedError

    def add(self, into: Array, values: Array) -> None:
        """See :class:`Port`."""
        raise NotImplementedError

    def add_part(
        self, partner: int, bucket: Array, spare: Array, get: slice, give: slice
    ) -> None:
        """See :class:`Port`."""
        self._exchange(partner, bucket[give], spare[get])
        if len(bucket[get]):
            self.add(bucket[get], spare[get])

    def copy_part(self, partner: int, values: Array, get: slice, give: slice) -> None:
        """See :class:`Port`."""
        self._exchange(partner, values[give], values[get])

    def settle(self) -> None:
        """See :class:`Port`; what was sent is a copy."""

    def _exchange(self, partner: int, values: Array, into: Array) -> None:
        if not len(into):
            self.send(partner, values)
        elif not len(values):
            self.receive(partner, into)
        else:
            self.swap(partner, values, into)


def reduce_tree(
    port: Port,
    bucket: Array,
    spare: Array,
    then: Callable[[slice], None] = lambda part: None,
    result: Array | None = None,
) -> None:
    """Replace *bucket* by its sum over the ranks of *port*.

    Args:
        spare: scratch as long as the bucket.
        then: called with the part of the bucket that is summed.
        result: see :meth:`netspec.sync.Synchronizer.begin`.
    """
    part = _sum_part(port, bucket, spare)
    if result is None:
        share_parts(port, bucket)
        port.settle()
        then(slice(0, len(bucket)))
    else:
        then(part)
        share_parts(port, result)


def _sum_part(port: Port, bucket: Array, spare: Array) -> slice:
    """Replace a part of *bucket* by its sum.

    Returns:
        Which part, this rank's own; the rest holds anything.
    """
    core, whole = _core(port.size), slice(0, len(bucket))
    if port.rank >= core:
        port.add_part(port.rank - core, bucket, spare, _NOTHING, whole)
        return _NOTHING
    if port.rank + core < port.size:
        port.add_part(port.rank + core, bucket, spare, whole, _NOTHING)
    if bucket.nbytes <= SMALL:
        _double(port, core, bucket, spare)
        return whole
    mine = whole
    for partner, mine, other in _rounds(port.rank, core, len(bucket)):
        port.add_part(partner, bucket, spare, mine, other)
    return mine


def share_parts(port: Port, values: Array) -> None:
    """Complete *values* on all ranks, of which each has its own part.

    That is the one that :func:`reduce_tree` leaves to it of a bucket of this size.
    """
    core, whole = _core(port.size), slice(0, len(values))
    if port.rank >= core:
        port.copy_part(port.rank - core, values, whole, _NOTHING)
        return
    if values.nbytes > SMALL:
        for partner, mine, other in reversed(_rounds(port.rank, core, len(values))):
            port.copy_part(partner, values, other, mine)
    if port.rank + core < port.size:
        port.copy_part(port.rank + core, values, _NOTHING, whole)


def partners(rank: int, size: int) -> list[int]:
    """The ranks that a rank exchanges parts of arrays with."""
    core = _core(size)
    if rank >= core:
        return [rank - core]
    found = [partner for partner, *_ in _rounds(rank, core, core)]
    return found + ([rank + core] if rank + core < size else [])


def _core(size: int) -> int:
    """The greatest power of two of the ranks."""
    return 1 << size.bit_length() - 1


def _double(port: Port, core: int, bucket: Array, spare: Array) -> None:
    distance = 1
    while distance < core:
        port.swap(port.rank ^ distance, bucket, spare)
        port.add(bucket, spare)
        distance *= 2


def _rounds(rank: int, core: int, length: int) -> list[tuple[int, slice, slice]]:
    """Of each round of halving: the partner, the half to keep and the half to give."""
    mine, rounds, distance = slice(0, length), [], 1
    while distance < core:
        partner = rank ^ distance
        mine, other = _halves(mine, rank < partner)
        rounds.append((partner, mine, other))
        distance *= 2
    return rounds


def _halves(part: slice, lower: bool) -> tuple[slice, slice]:
    """The half to keep and the half to give."""
    middle = (part.start + part.stop) // 2
    low, high = slice(part.start, middle), slice(middle, part.stop)
    return (low, high) if lower else (high, low)
