"""Who is lost: what rank 0 concludes from the beats of the others.

Every rank says about once a second what it is at and since when.  A rank that says
nothing is stopped, or its machine is gone; one that goes on saying that it is busy,
while another has waited for too long, is stuck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WAITING = "waiting"


@dataclass
class Beat:
    """What one rank said last.

    Attributes:
        heard: when it was heard.
        activity: what it was at; :data:`WAITING`: for other ranks.
        since: seconds that it had been at that.
    """

    heard: float
    activity: str = "starting"
    since: float = 0.0


class Watch:
    """Judges the ranks that one rank hears.

    Args:
        names: of all ranks.
        heard: ranks that send beats to this one, itself included if it is to be judged.
        limit: seconds of silence, or of waiting, that are too many.
        now: seconds on any clock.
    """

    def __init__(
        self, names: Sequence[str], heard: Sequence[int], limit: float, now: float
    ) -> None:
        self._names, self.limit = names, limit
        self.beats = {rank: Beat(now) for rank in heard}

    def hear(self, rank: int, activity: str, since: float, now: float) -> None:
        """Take in a beat."""
        self.beats[rank] = Beat(now, activity, since)

    def excuse(self, pause: float) -> None:
        """Leave out seconds in which this rank itself was stopped and heard nobody."""
        for beat in self.beats.values():
            beat.heard += pause

    def verdict(self, now: float) -> str:
        """Who is lost, in one sentence; empty: nobody."""
        silent = [r for r, b in self.beats.items() if now - b.heard > self.limit]
        if silent:
            return (
                f"{self._list(silent)} {_have(silent)} not been heard of for "
                f"{self.limit:g} s: the process is stopped, or its machine is gone."
            )
        waits = [b for b in self.beats.values() if b.activity == WAITING]
        if not any(b.since > self.limit for b in waits):
            return ""
        return self._stuck()

    def _stuck(self) -> str:
        busy = {r: b for r, b in self.beats.items() if b.activity != WAITING}
        if not busy:
            return (
                f"all ranks have waited for each other for {self.limit:g} s: messages "
                "between them are lost."
            )
        each = ", ".join(
            f"{self._names[r]} (at {b.activity} for {b.since:.0f} s)"
            for r, b in busy.items()
        )
        return f"the other ranks have waited for {self.limit:g} s for {each}."

    def _list(self, ranks: Sequence[int]) -> str:
        return ", ".join(self._names[rank] for rank in ranks)


def _have(ranks: Sequence[int]) -> str:
    return "has" if len(ranks) == 1 else "have"
