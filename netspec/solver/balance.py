"""What holds a run up: data, waiting for other ranks, or one slow rank."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from netspec.solver.events import Warned
from netspec.solver.tally import RankSeconds

WINDOW = 20  # iterations that a verdict is drawn from
FIRST = 2  # iterations that do not count: they compile
INPUT = 0.2  # share of time spent on data that is worth a word
WAIT = 0.25  # likewise for communication
SLOW = 1.25  # times the median of the others' computing that makes a rank slow
LEAST = 1e-3  # seconds an iteration below which nobody cares


class Balance:
    """Watches the first iterations of a run, and speaks once.

    Args:
        names: what each rank is called.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._seen: list[Sequence[RankSeconds]] = []
        self._skip = FIRST

    def see(self, ranks: Sequence[RankSeconds]) -> list[Warned]:
        """Take in one iteration; returns what is to be said of them all, once."""
        if self._skip:
            self._skip -= 1
            return []
        if len(self._seen) == WINDOW:
            return []
        self._seen.append(ranks)
        return self.judge() if len(self._seen) == WINDOW else []

    def judge(self) -> list[Warned]:
        """What holds the iterations up that were seen."""
        ranks = [
            _mean([ranks[r] for ranks in self._seen]) for r in range(len(self._names))
        ]
        total = max(r.data + r.compute + r.wait for r in ranks)
        if total < LEAST:
            return []
        found = [*_input(ranks, total), *self._slow(ranks)]
        return found or list(_communication(ranks, total))

    def _slow(self, ranks: Sequence[RankSeconds]) -> list[Warned]:
        found = []
        for i, rank in enumerate(ranks):
            others = [r.compute for j, r in enumerate(ranks) if j != i]
            if others and rank.compute > SLOW * median(others):
                more = 100 * (rank.compute / median(others) - 1)
                found.append(
                    Warned(
                        f"{self._names[i]} is {more:.0f} % slower than the others, "
                        "which wait for it.",
                        "Look for other work on its cores.",
                    )
                )
        return found


def _mean(seconds: Sequence[RankSeconds]) -> RankSeconds:
    """The median of each part, which one odd iteration does not move."""
    return RankSeconds(
        median(s.data for s in seconds),
        median(s.compute for s in seconds),
        median(s.wait for s in seconds),
    )


def _input(ranks: Sequence[RankSeconds], total: float) -> list[Warned]:
    share = max(r.data for r in ranks) / total
    if share < INPUT:
        return []
    return [
        Warned(
            f"training is input-bound: {100 * share:.0f} % of the time is spent on "
            "waiting for data.",
            "Raise the data layer's workers, store smaller images, or use a faster "
            "disk.",
        )
    ]


def _communication(ranks: Sequence[RankSeconds], total: float) -> list[Warned]:
    share = min(r.wait for r in ranks) / total
    if share < WAIT:
        return []
    return [
        Warned(
            f"training is bound by communication: {100 * share:.0f} % of the time is "
            "spent on waiting for sums over ranks.",
            "Use fewer ranks, a larger batch, or a faster link; 'netspec plan --ranks' "
            "predicts what helps.",
        )
    ]
