"""Sums over ranks by recursive halving and doubling.

With *r* ranks, a power of two, partners stand at distance 1, then 2, then 4.  Halving:
both have the same stretch of the bucket; each keeps one half of it, sends the other,
and adds what it receives.  After log2 r rounds a rank holds the finished sum of an r-th
of the bucket.  Doubling goes the same way back, passing finished parts on.  Every rank
sends and receives 2 (r - 1) / r of the bucket, the least there can be, and element by
element the sum is the binary tree of :mod:`netspec.sync.tree`.

Of *r* ranks that are no power of two, those beyond the greatest power first hand their
buckets to a partner, and get the sum back at the end.
"""

from __future__ import annotations

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


def reduce_tree(port: Port, bucket: Array, spare: Array) -> None:
    """Replace *bucket* by its sum over the ranks of *port*.

    Args:
        spare: scratch as long as the bucket.
    """
    core = 1 << port.size.bit_length() - 1
    if port.rank >= core:
        port.send(port.rank - core, bucket)
        port.receive(port.rank - core, bucket)
        return
    beyond = port.rank + core < port.size
    if beyond:
        port.receive(port.rank + core, spare)
        port.add(bucket, spare)
    if bucket.nbytes <= SMALL:
        _double(port, core, bucket, spare)
    else:
        _halve_and_double(port, core, bucket, spare)
    if beyond:
        port.send(port.rank + core, bucket)


def _double(port: Port, core: int, bucket: Array, spare: Array) -> None:
    distance = 1
    while distance < core:
        port.swap(port.rank ^ distance, bucket, spare)
        port.add(bucket, spare)
        distance *= 2


def _halve_and_double(port: Port, core: int, bucket: Array, spare: Array) -> None:
    mine, rounds, distance = slice(0, len(bucket)), [], 1
    while distance < core:
        partner = port.rank ^ distance
        mine, other = _halves(mine, port.rank < partner)
        port.swap(partner, bucket[other], spare[mine])
        port.add(bucket[mine], spare[mine])
        rounds.append((partner, mine, other))
        distance *= 2
    for partner, mine, other in reversed(rounds):
        port.swap(partner, bucket[mine], bucket[other])


def _halves(part: slice, lower: bool) -> tuple[slice, slice]:
    """The half to keep and the half to give."""
    middle = (part.start + part.stop) // 2
    low, high = slice(part.start, middle), slice(middle, part.stop)
    return (low, high) if lower else (high, low)
