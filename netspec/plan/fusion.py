"""Layers that are computed as the last steps of another, not in a pass of their own.

A convolution may normalise, scale, add to, rectify and pool what it computes before it
stores it, a sum may rectify.  Where a backward pass follows, three are fused:

* a sum with what an earlier layer has made: its backward needs none of the numbers;
* a ReLU, in place: the sign of its output tells all that its own backward needs;
* a maximum pooling: it keeps the places of the maxima, and what it pooled need not
  stand in memory.  Only maxima get gradients, so the ReLU before it goes backward on
  them alone, and does so first: see :func:`netspec.plan.schedule.backward_steps`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netspec.graph.graph import Graph, Node
from netspec.layers.base import Alias, Stage
from netspec.plan.lifetime import told
from netspec.plan.schedule import Chains
from netspec.plan.storage import Storages

POOLED_SUM = {Stage.ADD, Stage.POOL}  # which no backend makes


@dataclass(frozen=True)
class Fusing:
    """What decides about fusion.

    Attributes:
        backward: whether a backward pass may follow.
        data: which blobs share memory.
        ops: the backend; None: one that can neither add nor pool as part of a
            convolution.
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
        stages: list[int] = [0]
        at = head
        while (next_one := self._reader(at, last.tops[0])) is not None:
            node = self.graph.nodes[next_one]
            own = node.layer.stage(node.bottom_shapes)
            if own is None or own <= stages[-1] or {own, *stages} >= POOLED_SUM:
                return
            if own is Stage.ADD and not self._stands(head, next_one, last.tops[0]):
                return
            if not self._suits(first, last, node, own):
                return
            if self.backward and not self._comes_back(first, last, next_one, own):
                return
            yield next_one
            stages.append(own)
            last, at = node, next_one

    def _reader(self, maker: int, blob: str) -> int | None:
        """The next layer that reads a blob: the only one that sees this version."""
        for i in range(maker + 1, len(self.graph.nodes)):
            if blob in self.graph.nodes[i].bottoms:
                return i
        return None

    def _suits(self, head: Node, before: Node, node: Node, stage: Stage) -> bool:
        bottoms = 2 if stage is Stage.ADD else 1
        if any(before.loss_weights) or len(node.tops) > 1:
            return False
        if len(node.bottoms) != bottoms:
            return False
        if not head.layer.absorbs(stage, head.bottom_shapes):
            return False
        return stage is not Stage.POOL or self._pools(head, node)

    def _stands(self, head: int, index: int, own: str) -> bool:
        """Whether the other bottom of a sum is complete when a head is run."""
        if self.ops is None or not self.ops.adds_to_convolution():
            return False
        others = (b for b in self.graph.nodes[index].bottoms if b != own)
        roots = {self.data[name] for name in others}
        between = self.graph.nodes[head:index]
        makers = (node for node in between if node.layer.alias is Alias.NONE)
        return not any(self.data[t] in roots for node in makers for t in node.tops)

    def _pools(self, head: Node, pooling: Node) -> bool:
        if self.ops is None:
            return False
        return self.ops.pools_convolution(
            head.layer.geometry(head.bottom_shapes),
            pooling.layer.geometry(pooling.bottom_shapes),
            self.dtype,
            self.backward and pooling.needs_backward,
        )

    def _comes_back(self, head: Node, before: Node, index: int, stage: Stage) -> bool:
        """Whether backward finds all that it reads, though a layer is fused."""
        node = self.graph.nodes[index]
        if stage is Stage.RECTIFY:
            return self.data[before.tops[0]] == self.data[node.tops[0]]
        if stage is Stage.ADD:
            return True
        if stage is not Stage.POOL:
            return False
        if not node.needs_backward:
            return not (head.needs_backward or before.needs_backward)
        if not (head.needs_backward and node.bottom_gradient[0]):
            return False
        return before is head or (before.bottom_gradient[0] and self._lends_top(index))

    def _lends_top(self, index: int) -> bool:
        """Whether a layer's top and its diff are its own until its backward, so that
        another may go backward on them."""
        others = [n for i, n in enumerate(self.graph.nodes) if i != index]
        changed = [t for n in others if n.layer.alias is Alias.NONE for t in n.tops]
        roots = {self.data[name] for name in (*changed, *told(self.graph))}
        return self.data[self.graph.nodes[index].tops[0]] not in roots
