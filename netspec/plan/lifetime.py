"""When each array of a net is alive, in steps of one pass.

With n nodes, forward of node *i* is step *i* and its backward is step *2n - 1 - i*; a
net without backward ends at step *n - 1*.  An interval includes both ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from netspec.graph.graph import Graph, Node
from netspec.layers.base import Scratch
from netspec.plan.storage import Storages, data_storage, diff_storage
from netspec.shapes import count


@dataclass(frozen=True)
class Interval:
    """One array: its size in elements and the steps between which it must stand."""

    key: tuple[str, str]
    elements: int
    first: int
    last: int
    dtype: str = "float"

    def meets(self, other: Interval) -> bool:
        """Whether both are alive in some step."""
        return self.first <= other.last and other.first <= self.last

    def covering(self, step: int) -> Interval:
        """The interval stretched to include a step."""
        first, last = min(self.first, step), max(self.last, step)
        return replace(self, first=first, last=last)


class _Intervals(dict[tuple[str, str], Interval]):
    """Intervals by key that grow as uses are seen."""

    def use(self, key: tuple[str, str], elements: int, step: int) -> None:
        known = self.get(key) or Interval(key, elements, step, step)
        self[key] = known.covering(step)


def array_lifetimes(graph: Graph, backward: bool) -> list[Interval]:
    """Intervals of all data, diffs and scratch.

    Keys are ``("data", storage)``, ``("diff", storage)`` and ``("scratch",
    "INDEX/NAME")``.  What a caller fills or reads - the tops of sources, the net's
    outputs, the diffs that no layer writes - lives through the whole pass.
    """
    intervals = _Intervals()
    last = 2 * len(graph.nodes) - 1 if backward else len(graph.nodes) - 1
    _data(graph, intervals, data_storage(graph), backward, last)
    if backward:
        _diffs(graph, intervals, diff_storage(graph), last)
    return [*intervals.values(), *_scratch(graph, backward, last)]


def _data(
    graph: Graph, out: _Intervals, storage: Storages, backward: bool, last: int
) -> None:
    def use(name: str, step: int) -> None:
        root = storage[name]
        out.use(("data", root), storage.size[root], step)

    for i, node in enumerate(graph.nodes):
        for name in (*node.bottoms, *node.tops):
            use(name, i)
        if node.layer.is_source:
            for name in node.tops:
                use(name, 0)
        if backward:
            for name in _read_in_backward(node):
                use(name, 2 * len(graph.nodes) - 1 - i)
    for name in _kept(graph):
        use(name, last)


def _kept(graph: Graph) -> list[str]:
    """Blobs that a caller reads after the pass: outputs and weighted losses."""
    losses = [top for n in graph.nodes for top, w in zip(n.tops, n.loss_weights) if w]
    return [*graph.outputs, *losses]


def _read_in_backward(node: Node) -> list[str]:
    if not node.needs_backward:
        return []
    bottoms = node.bottoms if node.layer.backward_reads_bottom else ()
    tops = node.tops if node.layer.backward_reads_top else ()
    return [*bottoms, *tops]


def _diffs(graph: Graph, out: _Intervals, storage: Storages, last: int) -> None:
    written = written_diffs(graph)
    for i, node in enumerate(graph.nodes):
        step = 2 * len(graph.nodes) - 1 - i
        wanted = [b for b, g in zip(node.bottoms, node.bottom_gradient) if g]
        for name in [*wanted, *(node.tops if node.needs_backward else ())]:
            root = storage[name]
            out.use(("diff", root), storage.size[root], step)
            if root not in written:
                out.use(("diff", root), storage.size[root], 0)
                out.use(("diff", root), storage.size[root], last)


def written_diffs(graph: Graph) -> set[str]:
    """Diff storages that some layer's backward fills."""
    storage = diff_storage(graph)
    return {
        storage[name]
        for node in graph.nodes
        for name, wanted in zip(node.bottoms, node.bottom_gradient)
        if wanted and name not in node.tops
    }


def _scratch(graph: Graph, backward: bool, last: int) -> list[Interval]:
    found = []
    for i, node in enumerate(graph.nodes):
        keep = backward and node.needs_backward
        for name, wanted in scratch_of(node, keep).items():
            first, end = i, 2 * len(graph.nodes) - 1 - i if keep else i
            if wanted.lasting:
                first, end = 0, last
            key, size = ("scratch", f"{i}/{name}"), count(wanted.shape)
            found.append(Interval(key, size, first, end, wanted.dtype))
    return found


def scratch_of(node: Node, backward: bool) -> dict[str, Scratch]:
    """The scratch a node needs, by name."""
    wanted = node.layer.scratch(node.bottom_shapes, node.in_place)
    return {name: s for name, s in wanted.items() if backward or not s.training}
