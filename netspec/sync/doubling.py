"""Sums over ranks by recursive halving and doubling.

With *r* ranks, a power of two, partners stand at distance 1, then 2, then 4.  Halving:
both have the same stretch of the bucket; each keeps one half of it, sends the other,
and adds what it receives.  After log2 r rounds a rank holds the finished sum of an r-th
of the bucket.  Doubling goes the same way back, passing finished parts on.  Every rank
sends and receives 2 (r - 1) / r of the bucket, the least there can be, and element by
element the sum is the binary tree of :mod:`netspec.sync.tree`.

Between the two, what follows from sums alone may be done to the finished part, and its
results passed on in place of the sums: each rank then updates an r-th of the weights.

Of *r* ranks that are no power of two, those beyond the greatest power first hand their
buckets to a partner, and get the result back at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Array = Any

SMALL = 4096  # bytes: below, whole buckets travel, in half as many rounds


class Port(Protocol):
    """How one rank sends arrays to another and receives them; calls wait, or queue
    their work on a device in order."""

    rank: int
    size: int

    def send(self, partner: int, values: Array) -> None:
        """Send contiguous *values*."""

    def receive(self, partner: int, into: Array) -> None:
        """Receive as many values as *into* holds."""

    def swap(self, partner: int, values: Array, into: Array) -> None:
        """Send and receive at once."""

    def add(self, into: Array, values: Array) -> None:
        """Add *values* to *into*, element by element."""


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
        then(slice(0, len(bucket)))
    else:
        then(part)
        share_parts(port, result)


def _sum_part(port: Port, bucket: Array, spare: Array) -> slice:
    """Replace a part of *bucket* by its sum.

    Returns:
        Which part, this rank's own; the rest holds anything.
    """
    core = _core(port)
    if port.rank >= core:
        port.send(port.rank - core, bucket)
        return slice(0, 0)
    if port.rank + core < port.size:
        port.receive(port.rank + core, spare)
        port.add(bucket, spare)
    if bucket.nbytes <= SMALL:
        _double(port, core, bucket, spare)
        return slice(0, len(bucket))
    mine = slice(0, len(bucket))
    for partner, mine, other in _rounds(port.rank, core, len(bucket)):
        port.swap(partner, bucket[other], spare[mine])
        port.add(bucket[mine], spare[mine])
    return mine


def share_parts(port: Port, values: Array) -> None:
    """Complete *values* on all ranks, of which each has its own part.

    That is the one that :func:`reduce_tree` leaves to it of a bucket of this size.
    """
    core = _core(port)
    if port.rank >= core:
        port.receive(port.rank - core, values)
        return
    if values.nbytes > SMALL:
        for partner, mine, other in reversed(_rounds(port.rank, core, len(values))):
            port.swap(partner, values[mine], values[other])
    if port.rank + core < port.size:
        port.send(port.rank + core, values)


def _core(port: Port) -> int:
    """The greatest power of two of the ranks."""
    return 1 << port.size.bit_length() - 1


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
