"""Which layers of a lean net work in place though their file gives them a top apart,
and which sums lie where what they add to a convolution lay.

Only where nobody could tell: no other layer reads the bottom, forward or backward, and
no caller does.
"""

from __future__ import annotations

from netspec.graph.graph import Graph, Node
from netspec.plan.lifetime import added, fed, told
from netspec.plan.schedule import Chains, Kind, Step
from netspec.plan.storage import data_storage


def in_place_nodes(graph: Graph, backward: bool) -> frozenset[int]:
    """Indices of the layers that a plan may let work in place."""
    found: set[int] = set()
    for i, node in enumerate(graph.nodes):
        if _can(node, backward) and _unobserved(graph, i, backward, found):
            found.add(i)
    return frozenset(found)


def sums_in_place(
    graph: Graph, in_place: frozenset[int], chains: Chains
) -> dict[int, str]:
    """Of the sums that another layer computes, those that may be written over what is
    added, which that layer reads element by element: this bottom's name, by index.

    Of a net that does not go backward.
    """
    found: dict[int, str] = {}
    for head, those in chains.items():
        step = Step(Kind.FORWARD, (head, *those))
        for name in added(graph, step):
            index = next(i for i in those if name in graph.nodes[i].bottoms)
            blobs = _lying_with(graph, name, in_place, found)
            if not _needed(graph, blobs, head, index, chains):
                found[index] = name
    return found


def _lying_with(
    graph: Graph, name: str, in_place: frozenset[int], found: dict[int, str]
) -> set[str]:
    storage = data_storage(graph, in_place, found)
    return set(storage.members(storage[name]))


def _needed(
    graph: Graph, blobs: set[str], head: int, index: int, chains: Chains
) -> bool:
    """Whether anybody but sum *index* reads or writes blobs when *head* is run, or
    afterwards."""
    if blobs & {*fed(graph), *told(graph)}:
        return True
    runs = {i: first for first, those in chains.items() for i in those}
    return any(
        blobs & {*node.bottoms, *node.tops}
        for i, node in enumerate(graph.nodes)
        if i != index and runs.get(i, i) >= head
    )


def _can(node: Node, backward: bool) -> bool:
    """Whether the layer itself loses nothing."""
    layer = node.layer
    plain = layer.allows_in_place and not (layer.runs_code or layer.resizes)
    if not plain or len(node.bottoms) != 1 or len(node.tops) != 1 or node.in_place:
        return False
    if node.bottom_shapes != node.top_shapes:
        return False
    if not backward:
        return True
    own, shared = (layer.scratch(node.bottom_shapes, way) for way in (False, True))
    keeps_nothing = own.keys() == shared.keys()
    reads_bottom = node.needs_backward and layer.backward_reads_bottom
    passes_all = node.bottom_gradient[0] == node.needs_backward
    return keeps_nothing and passes_all and not reads_bottom


def _unobserved(graph: Graph, index: int, backward: bool, found: set[int]) -> bool:
    """Whether nobody else reads the bottom as it was."""
    node = graph.nodes[index]
    storage = data_storage(graph, found)
    made = {name for before in graph.nodes[:index] for name in before.tops}
    here = made & set(storage.members(storage[node.bottoms[0]]))
    if here & _seen_by_callers(graph, node, backward):
        return False
    others = [n for i, n in enumerate(graph.nodes) if i != index]
    readers = (n for n in others if here & set(n.bottoms) and not here & set(n.tops))
    if any(readers):
        return False
    return not backward or not any(_reads_in_backward(n, here) for n in others)


def _seen_by_callers(graph: Graph, node: Node, backward: bool) -> set[str]:
    seen = {*fed(graph), *told(graph)}
    # Whose diff a caller sets must keep it, where backward would write over it.
    kept = backward and node.needs_backward and node.tops[0] in seen
    return seen | set(node.bottoms) if kept else seen


def _reads_in_backward(node: Node, blobs: set[str]) -> bool:
    if not node.needs_backward:
        return False
    bottoms = blobs & set(node.bottoms) if node.layer.backward_reads_bottom else set()
    tops = blobs & set(node.tops) if node.layer.backward_reads_top else set()
    return bool(bottoms or tops)
