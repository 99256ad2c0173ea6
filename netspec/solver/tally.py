"""What ranks tell each other in every iteration: one short vector, summed.

Each writes its own entries and leaves the others 0, so the sum is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netspec.solver.signals import Wish


@dataclass(frozen=True)
class RankSeconds:
    """Where one rank's seconds went in one iteration.

    Attributes:
        compute: forward, backward and update, as far as it was not hidden.
        wait: for sums over ranks that backward did not hide.
    """

    data: float = 0.0
    compute: float = 0.0
    wait: float = 0.0


class Tally:
    """The vector of one iteration.

    Attributes:
        losses: of each leaf.
    """

    def __init__(self, leaves: int, rank: int, size: int) -> None:
        self.values = np.zeros(leaves + len(Wish) + 3 * size)
        parts = np.split(self.values, [leaves, leaves + len(Wish)])
        self.losses, self._wishes = parts[:2]
        self._seconds = parts[2].reshape(size, 3)
        self._rank = rank

    def wish(self, wish: Wish) -> None:
        """What a signal to this rank asks for."""
        self._wishes[wish] += 1

    def spent(self, seconds: RankSeconds) -> None:
        """Where this rank's time went in the iteration before."""
        self._seconds[self._rank] = seconds.data, seconds.compute, seconds.wait

    @property
    def finite(self) -> bool:
        """Whether all losses are."""
        return bool(np.isfinite(self.losses).all())

    @property
    def wished(self) -> Wish:
        """The greatest wish of any rank."""
        return Wish(int(np.flatnonzero(self._wishes).max(initial=0)))

    @property
    def seconds(self) -> Sequence[RankSeconds]:
        """Where each rank's time went in the iteration before."""
        return [RankSeconds(*row) for row in self._seconds.tolist()]
