"""When has a metric stopped improving: a pure function of the recorded test results.

The paper divides its rate by 10 whenever the validation accuracy stops improving,
three times in all, and then ends (section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """The metric that one test found, before training that iteration."""

    iteration: int
    metric: float


@dataclass(frozen=True)
class Patience:
    """What counts as a stall, and what follows it.

    Attributes:
        tests: tests without improvement that make a stall.
        min_delta: an improvement is larger than this.
        drops: stalls that lower the rate; the next one stops training.
        higher: whether a higher metric is better.
    """

    tests: int
    min_delta: float = 0.0
    drops: int = 3
    higher: bool = True


@dataclass(frozen=True)
class Verdict:
    """What the record says: drops so far, whether to stop, and the best test."""

    drops: int = 0
    stop: bool = False
    best: Measured | None = None


def judge(record: Sequence[Measured], patience: Patience) -> Verdict:
    """The verdict on a record in order of iteration.

    A metric that is not a number never improves on anything.
    """
    best: Measured | None = None
    drops = stalled = 0
    for test in record:
        if improves(test.metric, best, patience):
            best, stalled = test, 0
            continue
        stalled += 1
        if stalled < patience.tests:
            continue
        if drops == patience.drops:
            return Verdict(drops, True, best)
        drops, stalled = drops + 1, 0
    return Verdict(drops, False, best)


def improves(metric: float, best: Measured | None, patience: Patience) -> bool:
    """Whether a metric is better than the best so far by more than ``min_delta``."""
    if math.isnan(metric):
        return False
    if best is None:
        return True
    gain = metric - best.metric if patience.higher else best.metric - metric
    return gain > patience.min_delta
