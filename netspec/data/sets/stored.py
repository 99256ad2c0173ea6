"""What has been written of a set so far: to be remembered, and to be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from netspec.data.sets.resuming import State

_MOST_TOLD = 1000  # images that were left out, whose faults are remembered


@dataclass
class Stored:
    """What has been written.

    Attributes:
        done: files dealt with.
        labels: records of each class.
        colours: sum of mean pixels, blue, green, red.
        skipped: files left out, and what was wrong with the first of them.
        resumed: files that an earlier run had dealt with.
    """

    done: int = 0
    labels: Counter[int] = field(default_factory=Counter)
    colours: list[float] = field(default_factory=lambda: [0.0] * 3)
    skipped: int = 0
    faults: list[str] = field(default_factory=list)
    resumed: int = 0

    @property
    def count(self) -> int:
        """Records written."""
        return self.labels.total()

    @property
    def mean_pixel(self) -> list[float]:
        """Blue, green, red; every image counts alike."""
        return [value / self.count for value in self.colours]

    def state(self) -> State:
        """Itself in plain values."""
        labels = {str(label): n for label, n in self.labels.items()}
        return {
            "done": self.done,
            "labels": labels,
            "colours": self.colours,
            "skipped": self.skipped,
            "faults": self.faults,
        }

    @staticmethod
    def of(state: State) -> Stored:
        """What :meth:`state` gave."""
        labels = Counter({int(label): n for label, n in state["labels"].items()})
        return Stored(
            state["done"],
            labels,
            state["colours"],
            state["skipped"],
            state["faults"],
            state["done"],
        )

    def add(self, label: int, pixel: Sequence[float]) -> None:
        """Count a record."""
        self.done += 1
        self.labels[label] += 1
        self.colours = [a + b for a, b in zip(self.colours, pixel)]

    def leave_out(self, fault: str) -> None:
        """Count a file that is none."""
        self.done += 1
        self.skipped += 1
        if len(self.faults) < _MOST_TOLD:
            self.faults.append(fault)
