"""When each array of a net is alive, in steps of its schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from netspec.graph.graph import Graph, Node
from netspec.layers.base import Scratch
from netspec.plan.schedule import Kind, Step
from netspec.plan.storage import Part, Storages
from netspec.shapes import count

Key = tuple[str, str]
Span = tuple[int, int]


@dataclass(frozen=True)
class Interval:
    """One array: its size in elements and the steps between which it must stand.

    Attributes:
        spans: first and last step of each time, in order; what it holds in one is lost
            before the next.
    """

    key: Key
    elements: int
    spans: tuple[Span, ...]
    dtype: str = "float"

    @property
    def first(self) -> int:
        """The first step of all."""
        return self.spans[0][0]

    @property
    def last(self) -> int:
        """The last step of all."""
        return self.spans[-1][1]

    def meets(self, other: Interval) -> bool:
        """Whether both are alive in some step."""
        return any(a <= d and c <= b for a, b in self.spans for c, d in other.spans)

    def throughout(self, last: int) -> Interval:
        """The same, alive from step 0 to *last*."""
        return replace(self, spans=((0, last),))


@dataclass(frozen=True)
class Memory:
    """What decides which arrays there are.

    Attributes:
        data, diff: which blobs share memory.
        in_place: indices of the nodes that work in place though their files do not say
            so.
        parts: blobs whose data lies in another's.
    """

    graph: Graph
    backward: bool
    data: Storages
    diff: Storages
    in_place: frozenset[int]
    parts: Mapping[str, Part] = field(default_factory=dict)

    def works_in_place(self, index: int) -> bool:
        """Whether a node does, by its file or by this decision."""
        return index in self.in_place or self.graph.nodes[index].in_place


class _Uses:
    """Uses of arrays by step; becomes intervals."""

    def __init__(self) -> None:
        self.sizes: dict[Key, tuple[int, str]] = {}
        self.steps: dict[Key, list[int]] = {}
        self.starts: dict[Key, list[int]] = {}

    def add(self, key: Key, elements: int, step: int, dtype: str = "float") -> None:
        """The array must stand in a step."""
        self.sizes[key] = elements, dtype
        self.steps.setdefault(key, []).append(step)

    def start(self, key: Key, elements: int, step: int, dtype: str = "float") -> None:
        """A step fills the array, whatever it held."""
        self.add(key, elements, step, dtype)
        self.starts.setdefault(key, []).append(step)

    def intervals(self) -> Iterator[Interval]:
        """All arrays."""
        for key, steps in self.steps.items():
            elements, dtype = self.sizes[key]
            later = [s for s in self.starts.get(key, []) if s > min(steps)]
            bounds = [min(steps), *sorted(set(later)), max(steps) + 1]
            parts = [[s for s in steps if a <= s < b] for a, b in pairwise(bounds)]
            spans = tuple((min(part), max(part)) for part in parts)
            yield Interval(key, elements, spans, dtype)


def array_lifetimes(memory: Memory, steps: Sequence[Step]) -> list[Interval]:
    """Intervals of all data, diffs and scratch.

    Keys are ``("data", storage)``, ``("diff", storage)`` and ``("scratch",
    "INDEX/NAME")``.  What a caller fills or reads - the tops of sources, the net's
    outputs, the diffs that no layer writes - lives through the whole pass.
    """
    uses, last = _Uses(), len(steps) - 1
    for at, step in enumerate(steps):
        if step.kind is Kind.BACKWARD:
            _backward(memory, uses, step, at)
        else:
            _forward(memory, uses, step, at)
        _scratch(memory, uses, step, at, last)
    for name in (*fed(memory.graph), *told(memory.graph)):
        _add(uses, "data", memory.data, name, last)
    # A caller reads outputs after forward, too: they stand though they come again.
    forward = sum(step.kind is Kind.FORWARD for step in steps)
    for name in told(memory.graph):
        _add(uses, "data", memory.data, name, forward - 1)
    if memory.backward:
        _unwritten_diffs(memory, uses, last)
    return list(uses.intervals())


def _add(uses: _Uses, kind: str, storage: Storages, name: str, step: int) -> None:
    root = storage[name]
    uses.add((kind, root), storage.size[root], step)


def _forward(memory: Memory, uses: _Uses, step: Step, at: int) -> None:
    nodes = memory.graph.nodes
    names = read_ahead(memory.graph, step)
    for name in names:
        _add(uses, "data", memory.data, name, at)
    read = {memory.data[name] for name in names}
    for name in nodes[step.last].tops:
        root = memory.data[name]
        if nodes[step.first].layer.is_source:
            _add(uses, "data", memory.data, name, 0)  # filled before the pass
        elif root in read or name in memory.parts:
            _add(uses, "data", memory.data, name, at)
        else:
            uses.start(("data", root), memory.data.size[root], at)


def fed(graph: Graph) -> list[str]:
    """Blobs that a caller fills before a pass."""
    return [top for node in graph.sources for top in node.tops]


def told(graph: Graph) -> list[str]:
    """Blobs that a caller reads after a pass: outputs and weighted losses."""
    losses = [top for n in graph.nodes for top, w in zip(n.tops, n.loss_weights) if w]
    return [*graph.outputs, *losses]


def _backward(memory: Memory, uses: _Uses, step: Step, at: int) -> None:
    node, shown = (memory.graph.nodes[i] for i in (step.first, step.last))
    for name in read_behind(node, shown):
        _add(uses, "data", memory.data, name, at)
    wanted = [b for b, g in zip(node.bottoms, node.bottom_gradient) if g]
    for name in (*(wanted if node is shown else ()), *shown.tops):
        _add(uses, "diff", memory.diff, name, at)


def read_ahead(graph: Graph, step: Step) -> list[str]:
    """Blobs that a forward step reads."""
    return [*graph.nodes[step.first].bottoms, *added(graph, step)]


def added(graph: Graph, step: Step) -> list[str]:
    """Blobs that later layers of a step read, and that it does not make on its way."""
    made = {top for i in step.nodes for top in graph.nodes[i].tops}
    read = (name for i in step.nodes[1:] for name in graph.nodes[i].bottoms)
    return [name for name in read if name not in made]


def read_behind(node: Node, shown: Node) -> list[str]:
    """Blobs whose data a layer's backward reads; *shown* has the tops that it sees."""
    bottoms = node.bottoms if node.layer.backward_reads_bottom else ()
    return [*bottoms, *(shown.tops if node.layer.backward_reads_top else ())]


def _unwritten_diffs(memory: Memory, uses: _Uses, last: int) -> None:
    written = written_diffs(memory.graph, memory.diff)
    for key in [k for k in uses.steps if k[0] == "diff" and k[1] not in written]:
        elements, _ = uses.sizes[key]
        uses.add(key, elements, 0)
        uses.add(key, elements, last)


def written_diffs(graph: Graph, diff: Storages) -> set[str]:
    """Diff storages that some layer's backward fills."""
    return {
        diff[name]
        for node in graph.nodes
        for name, wanted in zip(node.bottoms, node.bottom_gradient)
        if wanted and diff[name] not in {diff[top] for top in node.tops}
    }


def _scratch(memory: Memory, uses: _Uses, step: Step, at: int, last: int) -> None:
    for i in step.nodes:
        node = memory.graph.nodes[i]
        keep = memory.backward and node.needs_backward
        wanted = scratch_of(node, keep, memory.works_in_place(i))
        for name, array in wanted.items():
            key, size = ("scratch", f"{i}/{name}"), count(array.shape)
            if array.lasting:
                uses.add(key, size, 0, array.dtype)
                uses.add(key, size, last, array.dtype)
            elif step.kind is Kind.BACKWARD:
                uses.add(key, size, at, array.dtype)
            else:
                uses.start(key, size, at, array.dtype)


def scratch_of(node: Node, backward: bool, in_place: bool) -> dict[str, Scratch]:
    """The scratch a node needs, by name."""
    wanted = node.layer.scratch(node.bottom_shapes, in_place)
    return {name: s for name, s in wanted.items() if backward or not s.training}
