"""Where to cut a pass whose activations are recomputed: a few ways to choose from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netspec.plan.lifetime import Memory
from netspec.plan.recompute import possible_cuts, writes
from netspec.plan.schedule import Step

Cuts = tuple[int, ...]

MOST_PARTS = 16


def cut_choices(memory: Memory, steps: Sequence[Step]) -> Iterator[Cuts]:
    """Cuts into parts that write about the same number of elements each.

    Args:
        steps: forward ones.
    """
    possible = set(possible_cuts(memory, steps))
    sizes = [_written(memory, step) for step in steps]
    seen: set[Cuts] = set()
    for parts in range(2, MOST_PARTS + 1):
        cuts = tuple(_cuts(sizes, possible, sum(sizes) / parts))
        if cuts and cuts not in seen:
            seen.add(cuts)
            yield cuts


def _cuts(sizes: Sequence[int], possible: set[int], limit: float) -> Iterator[int]:
    """Cut as soon as *limit* elements have been written and it is possible."""
    written = 0
    for at, size in enumerate(sizes):
        if written >= limit and at in possible:
            yield at
            written = 0
        written += size


def _written(memory: Memory, step: Step) -> int:
    return sum(memory.data.size[root] for root in writes(memory, step))
