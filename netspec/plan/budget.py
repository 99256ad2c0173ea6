"""How much memory a net will take, and the largest batch that fits into some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netspec.plan.arena import graph_layout
from netspec.plan.plan import Plan

FLOAT = 4  # bytes
MOST = 1 << 20  # no larger batch is tried


@dataclass(frozen=True)
class Need:
    """Bytes that a net takes.

    Attributes:
        parameters: weights.
        gradients: and histories, where it is trained.
        block: blobs, their diffs and scratch, as the plan lays them out.
    """

    parameters: int
    gradients: int
    block: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.parameters + self.gradients + self.block


def need_of(plan: Plan, histories: int = 1) -> Need:
    """Bytes of a planned net; *histories* is the number that the solver type keeps."""
    arena = FLOAT * graph_layout(plan.graph).size
    return Need(arena, (1 + histories) * arena if plan.backward else 0, plan.bytes)


def largest_batch(plan: Callable[[int], Plan], memory: int) -> int:
    """The largest batch whose net fits into *memory* bytes; 0: none does.

    Args:
        plan: makes the plan for a batch.
    """

    def fits(batch: int) -> bool:
        return need_of(plan(batch)).total <= memory

    if not fits(1):
        return 0
    good, bad = 1, 2
    while bad <= MOST and fits(bad):
        good, bad = bad, 2 * bad
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good
