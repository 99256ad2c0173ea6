"""Buckets of the gradient arena: what is summed over ranks as one.

Backward finishes the gradients of the last layers first, so buckets are cut from the
arena's end, and each is summed while earlier layers are still in backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from netspec.net import Net
from netspec.plan.scale import BUCKET, FLOAT, LEAST_BUCKET
from netspec.solver.running import Runner
from netspec.sync import Synchronizer, TreeSum

LEAST, MOST = LEAST_BUCKET // FLOAT, BUCKET // FLOAT  # elements of a bucket


@dataclass(frozen=True)
class Bucket:
    """A stretch of the arena.

    Attributes:
        ready: index of the backward step after which its gradients are complete.
    """

    slice: slice
    ready: int


def cut_buckets(net: Net, least: int = LEAST, most: int = MOST) -> list[Bucket]:
    """The arena in buckets: whole parameters, or pieces of them; the last first."""
    found: list[Bucket] = []
    ready, end = -1, len(net.arena.diff)
    stop = end
    finished = _finishing_steps(net)
    for i in reversed(range(len(net.arena.segments))):
        segment = net.arena.segments[i]
        ready = max(ready, finished.get(i, -1))
        if stop - segment.start >= least or i == 0:
            found.extend(_pieces(segment.start, stop, most, ready))
            stop = segment.start
    return found


def _finishing_steps(net: Net) -> dict[int, int]:
    """The last backward step that adds to each parameter's gradient."""
    steps = enumerate(node for node, _ in net.backward_steps)
    return {p: k for k, node in steps for p in node.params}


def _pieces(start: int, stop: int, most: int, ready: int) -> Iterator[Bucket]:
    pieces = -(-(stop - start) // most)
    for i in reversed(range(pieces)):
        a, b = (start + (stop - start) * j // pieces for j in (i, i + 1))
        yield Bucket(slice(a, b), ready)


class Overlap:
    """The backward pass of a rank's last leaf, with sums over ranks under way.

    Args:
        tree: holds the rank's own leaves before the last.
    """

    def __init__(self, net: Net, sync: Synchronizer, tree: TreeSum) -> None:
        self._net, self._sync, self._tree = net, sync, tree
        self.buckets = cut_buckets(net)

    def backward(
        self, runner: Runner, then: Callable[[slice], None], updates: bool
    ) -> None:
        """Run backward.

        Args:
            then: called with each stretch of the arena that is summed: each bucket, or
                where it *updates* the weights, this rank's own part of each.
        """
        waiting = list(reversed(self.buckets))
        self._begin(waiting, -1, then, updates)
        for k, (node, run) in enumerate(self._net.backward_steps):
            runner.backward_step(self._net, node, run)
            self._begin(waiting, k, then, updates)

    def skip(self, then: Callable[[slice], None], updates: bool) -> None:
        """Take part in the sums without a gradient: this one is not finite."""
        end = len(self._net.backward_steps)
        self._begin(list(reversed(self.buckets)), end, then, updates)

    def _begin(
        self,
        waiting: list[Bucket],
        step: int,
        then: Callable[[slice], None],
        updates: bool,
    ) -> None:
        arena = self._net.arena
        while waiting and waiting[-1].ready <= step:
            at = waiting.pop().slice
            self._tree.complete(at)
            summed = partial(_within, at, then)
            self._sync.begin(
                arena.diff[at], summed, arena.data[at] if updates else None
            )

    def complete(self, history: Any) -> None:
        """Give all ranks all of an array of the arena's layout, of which each has
        filled what it has updated."""
        for bucket in self.buckets:
            self._sync.complete(history[bucket.slice])


def _within(at: slice, then: Callable[[slice], None], part: slice) -> None:
    """Call with a part of a stretch."""
    then(slice(at.start + part.start, at.start + part.stop))
