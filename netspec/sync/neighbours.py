"""Arrays that ranks of one machine read from each other where they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from netspec.sync.base import Array
from netspec.sync.shared import Bytes, Offer, Segment, open_offer

SWITCH = "NETSPEC_SHARED_MEMORY"  # variable: 0 has neighbours send messages, as others

Gather = Callable[[bytes], list[bytes]]  # as many bytes of each rank, on every rank


@dataclass
class _Place:
    """Memory of this rank, and of those of its partners that can be read directly."""

    own: Bytes
    others: dict[int, Bytes] = field(default_factory=dict)


class Neighbours:
    """This rank's partners as far as they are on its machine.

    Args:
        partners: ranks that this one will ever talk to, see
            :func:`netspec.sync.doubling.partners`.
        gather: what all ranks give, in order; they call it alike.
    """

    def __init__(self, rank: int, partners: Iterable[int], gather: Gather) -> None:
        self._rank, self._partners, self._gather = rank, list(partners), gather
        self._places: list[_Place] = []

    def zeros(self, size: int, dtype: str) -> Array | None:
        """An array that partners may find with :meth:`of`; all ranks make the same
        ones.  None: this system has no such memory.
        """
        length = size * np.dtype(dtype).itemsize
        segment = _segment(length)
        offer = segment.offer if segment else Offer()
        offers = [Offer.unpack(data) for data in self._gather(offer.pack())]
        found = self._open(offers) if segment else {}
        mutual = self._agree(found, len(offers))
        if segment is None:
            return None
        segment.close()
        self._places.append(_Place(segment.bytes, {r: found[r] for r in mutual}))
        return segment.bytes.view(dtype)

    def _open(self, offers: list[Offer]) -> dict[int, Bytes]:
        """The memory of partners that have as much of it."""
        own = offers[self._rank].size
        same = [rank for rank in self._partners if offers[rank].size == own]
        opened = {rank: open_offer(offers[rank]) for rank in same}
        return {rank: values for rank, values in opened.items() if values is not None}

    def _agree(self, found: Iterable[int], size: int) -> list[int]:
        """Partners that can read this rank's memory as it can read theirs."""
        mine = np.zeros(size, np.uint8)
        mine[list(found)] = 1
        verdicts = self._gather(mine.tobytes())
        return [rank for rank in found if verdicts[rank][self._rank]]

    def of(self, partner: int, values: Array) -> Array | None:
        """What a partner has where this rank has *values*; None: it sends messages."""
        at = values.__array_interface__["data"][0]
        for place in self._places:
            first = at - place.own.ctypes.data
            if 0 <= first <= len(place.own) - values.nbytes:
                theirs = place.others.get(partner)
                if theirs is None:
                    return None
                return theirs[first : first + values.nbytes].view(values.dtype)
        return None


def _segment(length: int) -> Segment | None:
    if not length or os.environ.get(SWITCH) == "0":
        return None
    try:
        return Segment(length)
    except OSError:
        return None
