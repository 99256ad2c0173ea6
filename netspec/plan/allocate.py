"""Offsets for arrays in one block of memory: two that are never alive together share.

Greedy by size, the classic heuristic for interval packing: the largest array first,
each at the lowest offset that no array alive at the same time covers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netspec.plan.lifetime import Interval

ALIGNMENT = 64  # bytes: a cache line, and enough for any vector load


@dataclass(frozen=True)
class Slot:
    """Where one array lies in the block, in bytes."""

    interval: Interval
    offset: int
    size: int

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.offset + self.size


def allocate(
    intervals: Iterable[Interval], item_sizes: dict[str, int]
) -> dict[tuple[str, str], Slot]:
    """A slot for every interval; *item_sizes* gives bytes per element by dtype."""
    placed: list[Slot] = []
    sized = [(iv, _round_up(iv.elements * item_sizes[iv.dtype])) for iv in intervals]
    for interval, size in sorted(sized, key=lambda pair: -pair[1]):
        placed.append(Slot(interval, _lowest(interval, size, placed), size))
    return {slot.interval.key: slot for slot in placed}


def _lowest(interval: Interval, size: int, placed: list[Slot]) -> int:
    offset = 0
    alive = (s for s in placed if s.interval.meets(interval))
    for slot in sorted(alive, key=lambda s: s.offset):
        if offset + size <= slot.offset:
            break
        offset = max(offset, slot.end)
    return offset


def _round_up(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def block_size(slots: Iterable[Slot]) -> int:
    """Bytes of the block that holds all slots."""
    return max((slot.end for slot in slots), default=0)
