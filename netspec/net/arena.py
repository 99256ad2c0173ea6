"""Arrays of the parameter arena; the layout is :mod:`netspec.plan.arena`'s."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netspec.graph import Graph, Param
from netspec.layers.fillers import fill
from netspec.net.blob import Blob
from netspec.plan import Segment, graph_layout
from netspec.random import Key

Array = Any
Room = Callable[[int, str], Array | None]


class Arena:
    """The parameters that a net owns: one buffer for data, one for gradients.

    Args:
        ops: of the device that they lie on.
        room: makes the arrays, see :class:`netspec.Net`.
    """

    def __init__(
        self,
        graph: Graph,
        borrowed: frozenset[int],
        dtype: str,
        ops: Any,
        room: Room | None = None,
    ) -> None:
        layout = graph_layout(graph, borrowed)
        self.segments: tuple[Segment, ...] = layout.segments
        self._ops = ops
        self.data, self.diff = (
            _zeros(room, ops, layout.size, dtype) for _ in ("data", "diff")
        )

    def blob(self, segment: Segment) -> Blob:
        """Views of one parameter."""
        data, diff = self.data[segment.slice], self.diff[segment.slice]
        return Blob(data.reshape(segment.shape), diff.reshape(segment.shape))

    def fill(self, seed: int) -> None:
        """Draw every parameter from its filler; the draw depends on its name alone."""
        for segment in self.segments:
            key = Key(seed, f"{segment.name}/filler")
            with self._ops.on_host(self.blob(segment).data) as values:
                fill(segment.param.filler, values, key)


def _zeros(room: Room | None, ops: Any, size: int, dtype: str) -> Array:
    found = room(size, dtype) if room else None
    return ops.zeros(size, dtype) if found is None else found


def make_params(
    graph: Graph,
    dtype: str,
    seed: int,
    lent: dict[int, Blob],
    ops: Any,
    room: Room | None = None,
) -> tuple[Arena, list[Blob]]:
    """A graph's parameters: those in *lent* as they are, the rest filled anew."""
    arena = Arena(graph, frozenset(lent), dtype, ops, room)
    arena.fill(seed)
    own = map(arena.blob, arena.segments)
    blobs = [lent[i] if i in lent else next(own) for i in range(len(graph.params))]
    for node in graph.nodes:
        if lent.keys().isdisjoint(node.params):
            node.layer.start(ops, [blobs[p].data for p in node.params])
    return arena, blobs


def borrow(params: list[Param], owner: Graph, blobs: list[Blob]) -> dict[int, Blob]:
    """Blobs of *owner* for those *params* whose layer it has too, with that shape.

    Caffe's ShareTrainedLayersWith: a test net computes with the train net's weights.
    """
    at = {p.key: i for i, p in enumerate(owner.params)}
    return {
        i: blobs[at[p.key]]
        for i, p in enumerate(params)
        if p.key in at and owner.params[at[p.key]].shape == p.shape
    }
