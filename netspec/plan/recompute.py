"""Trading time for memory: what forward computes between two cuts is dropped, and
computed once more just before the backward pass needs it.

A pass is cut between layers.  Of every part but the last, only what later parts read is
kept; when backward comes to the part, the layers whose results its backward reads are
run again.  They compute the same bits: random draws are keyed, not drawn in turn.

Source: Chen et al., Training Deep Nets with Sublinear Memory Cost (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from netspec.graph.graph import Node
from netspec.layers.base import Alias
from netspec.plan.lifetime import (
    Memory,
    fed,
    read_ahead,
    read_behind,
    scratch_of,
    told,
)
from netspec.plan.schedule import Step, backward_steps

Again = dict[int, tuple[Step, ...]]


def possible_cuts(memory: Memory, steps: Sequence[Step]) -> list[int]:
    """Positions between forward steps where no array is written on both sides."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for at, step in enumerate(steps):
        for root in writes(memory, step):
            first.setdefault(root, at)
            last[root] = at
    crossed = {c for root in first for c in range(first[root] + 1, last[root] + 1)}
    return [at for at in range(1, len(steps)) if at not in crossed]


def repeats(memory: Memory, steps: Sequence[Step], cuts: Sequence[int]) -> Again:
    """The steps to repeat, by the node before whose backward.

    Args:
        steps: forward ones.
        cuts: positions among them, in order.
    """
    bounds = [0, *cuts, len(steps)]
    parts = [_Part(memory, steps[a:b]) for a, b in pairwise(bounds)]
    kept = parts.pop().read_in_backward()
    kept |= {memory.data[name] for name in (*fed(memory.graph), *told(memory.graph))}
    again: Again = {}
    for part in reversed(parts):
        if part.start is not None:
            repeated = part.repeated(kept)
            if repeated:
                again[part.start] = repeated
            kept |= part.read_in_backward()
            kept |= {root for step in repeated for root in _reads(memory, step)}
    return again


class _Part:
    """The forward steps between two cuts."""

    def __init__(self, memory: Memory, steps: Sequence[Step]) -> None:
        self._memory, self._steps = memory, steps
        chains = {s.first: s.nodes[1:] for s in steps if s.last != s.first}
        own = {i for step in steps for i in step.nodes}
        behind = backward_steps(memory.graph, chains)
        self._backward = [step for step in behind if step.first in own]
        once = (step for step in steps if not _is_repeatable(memory, step))
        self._fixed = {root for step in once for root in writes(memory, step)}

    @property
    def start(self) -> int | None:
        """The node whose backward is the first here; None: nothing has one."""
        return self._backward[0].first if self._backward else None

    def read_in_backward(self) -> set[str]:
        """Storages of data that the backward of this part reads."""
        nodes = self._memory.graph.nodes
        read = (read_behind(nodes[s.first], nodes[s.last]) for s in self._backward)
        return {self._memory.data[name] for names in read for name in names}

    def repeated(self, kept: set[str]) -> tuple[Step, ...]:
        """The steps to repeat, in order.

        Args:
            kept: storages that stand when backward comes here: later parts read them.
        """
        needed, changed = self.read_in_backward(), set[str]()
        again: set[int] = set()
        before = -1
        while len(again) > before:
            before = len(again)
            for at in reversed(range(len(self._steps))):
                missing = needed - (kept - changed) - self._fixed
                missing |= self._written_before(at, again)
                if at not in again and self._must_repeat(self._steps[at], missing):
                    again.add(at)
                    reads = _reads(self._memory, self._steps[at])
                    needed |= reads
                    # What is changed in place must be made from its beginning.
                    changed |= reads & writes(self._memory, self._steps[at])
        return tuple(self._steps[at] for at in sorted(again))

    def _written_before(self, at: int, again: set[int]) -> set[str]:
        """Storages that repeated steps before a step leave as they were before it."""
        before = (self._steps[i] for i in again if i < at)
        return {root for step in before for root in writes(self._memory, step)}

    def _must_repeat(self, step: Step, missing: set[str]) -> bool:
        written = writes(self._memory, step)
        if written & self._fixed or not _is_repeatable(self._memory, step):
            return False
        return bool(written & missing) or any(map(self._fills_scratch, step.nodes))

    def _fills_scratch(self, index: int) -> bool:
        """Whether the layer's backward reads scratch that its forward fills."""
        node = self._memory.graph.nodes[index]
        place = self._memory.works_in_place(index)
        return node.needs_backward and bool(scratch_of(node, True, place))


def _is_repeatable(memory: Memory, step: Step) -> bool:
    """Whether a second run does nothing but compute the same again."""
    return not any(_acts(memory.graph.nodes[i]) for i in step.nodes)


def _acts(node: Node) -> bool:
    layer, shapes = node.layer, node.bottom_shapes
    lasting = any(s.lasting for s in layer.scratch(shapes, node.in_place).values())
    return lasting or layer.is_source or layer.runs_code or layer.resizes


def writes(memory: Memory, step: Step) -> set[str]:
    """Storages of data that a forward step fills or changes."""
    node = memory.graph.nodes[step.last]
    is_alias = node.layer.alias is not Alias.NONE
    return set() if is_alias else {memory.data[top] for top in node.tops}


def _reads(memory: Memory, step: Step) -> set[str]:
    return {memory.data[name] for name in read_ahead(memory.graph, step)}
