"""Blobs that are made where a Concat joins them, so that it need not copy them.

Only in a net that does not go backward, and only what a convolution stores for the
Concat alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from netspec.graph.graph import Graph
from netspec.plan.lifetime import added, fed, told
from netspec.plan.schedule import Chains, Kind, Step
from netspec.plan.storage import Part, Storages


@dataclass(frozen=True)
class Joining:
    """What decides about it.

    Attributes:
        data: which blobs share memory.
        chains: indices of the layers that another computes.
        ops: the backend; None: one that stores no parts.
        dtype: the net's float type.
    """

    graph: Graph
    data: Storages
    chains: Chains
    ops: Any
    dtype: str

    def parts(self) -> dict[str, Part]:
        """Where blobs lie, by name."""
        found: dict[str, Part] = {}
        for index, node in enumerate(self.graph.nodes):
            if not node.layer.joins_channels(node.bottom_shapes):
                continue
            start, channels = 0, node.top_shapes[0][1]
            for name, shape in zip(node.bottoms, node.bottom_shapes):
                blobs = self.data.members(self.data[name])
                if self._suits(blobs, index):
                    part = Part(node.tops[0], channels, start)
                    found |= dict.fromkeys(blobs, part)
                start += shape[1]
        return found

    def _suits(self, blobs: Collection[str], index: int) -> bool:
        """Whether one step makes blobs, which node *index* alone reads."""
        if self.ops is None or {*fed(self.graph), *told(self.graph)} & set(blobs):
            return False
        nodes = self.graph.nodes
        runs = {i: head for head, those in self.chains.items() for i in those}
        heads = {
            runs.get(i, i)
            for i, node in enumerate(nodes)
            if i != index and {*node.bottoms, *node.tops} & set(blobs)
        }
        return len(heads) == 1 and self._stores(*heads)

    def _stores(self, head: int) -> bool:
        """Whether a layer can store its outputs as some of the channels of an array."""
        step = Step(Kind.FORWARD, (head, *self.chains.get(head, ())))
        first, last = (self.graph.nodes[i] for i in (step.first, step.last))
        is_plain = first.top_shapes == last.top_shapes and not added(self.graph, step)
        return is_plain and first.layer.parts_top(
            self.ops, first.bottom_shapes, self.dtype
        )
