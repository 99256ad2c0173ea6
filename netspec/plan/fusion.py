"""Layers that are computed as the last steps of another, not in a pass of their own.

A convolution may normalise, scale, rectify and pool what it computes before it stores
it, a sum may rectify.  Where a backward pass follows, only a ReLU is fused, in place:
the sign of its output tells all that its own backward needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netspec.graph.graph import Graph, Node
from netspec.layers.base import Stage
from netspec.plan.storage import Storages

Chains = dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Fusing:
    """What decides about fusion.

    Attributes:
        backward: whether a backward pass may follow.
        data: which blobs share memory.
        ops: the backend; None: one that cannot pool as part of a convolution.
        dtype: the net's float type.
    """

    graph: Graph
    backward: bool
    data: Storages
    ops: Any
    dtype: str

    def chains(self) -> Chains:
        """For each layer that computes others, their indices in order."""
        found: Chains = {}
        taken: set[int] = set()
        for i in range(len(self.graph.nodes)):
            followers = () if i in taken else tuple(self._followers(i))
            if followers:
                found[i] = followers
                taken.update(followers)
        return found

    def _followers(self, head: int) -> Iterator[int]:
        first = last = self.graph.nodes[head]
        if len(first.tops) > 1 or first.in_place:
            return
        stage, at = 0, head
        while (next_one := self._reader(at, last.tops[0])) is not None:
            node = self.graph.nodes[next_one]
            own = node.layer.stage(node.bottom_shapes)
            if own is None or own <= stage or not self._suits(first, last, node, own):
                return
            yield next_one
            stage, last, at = own, node, next_one

    def _reader(self, maker: int, blob: str) -> int | None:
        """The next layer that reads a blob: the only one that sees this version."""
        for i in range(maker + 1, len(self.graph.nodes)):
            if blob in self.graph.nodes[i].bottoms:
                return i
        return None

    def _suits(self, head: Node, before: Node, node: Node, stage: Stage) -> bool:
        if any(before.loss_weights) or len(node.tops) > 1 or len(node.bottoms) > 1:
            return False
        if not head.layer.absorbs(stage, head.bottom_shapes):
            return False
        if self.backward:
            shared = self.data[before.tops[0]] == self.data[node.tops[0]]
            return stage is Stage.RECTIFY and shared
        return stage is not Stage.POOL or self._pools(head, node)

    def _pools(self, head: Node, pooling: Node) -> bool:
        if self.ops is None:
            return False
        return self.ops.pools_convolution(
            head.layer.geometry(head.bottom_shapes),
            pooling.layer.geometry(pooling.bottom_shapes),
            self.dtype,
        )
