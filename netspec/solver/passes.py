"""One iteration's gradient: every shard forward and backward, added up in the tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from netspec.net import Net
from netspec.solver.buckets import Overlap
from netspec.solver.events import Output
from netspec.solver.outputs import Values, gather_shards, values_of
from netspec.solver.running import Callback, Clock, PlainRunner, Runner
from netspec.solver.samples import Course, Samples, Source
from netspec.solver.shards import batch_of
from netspec.solver.signals import Wish
from netspec.solver.statistics import Statistics
from netspec.solver.tally import RankSeconds, Tally
from netspec.sync import Leaves, Synchronizer, TreeSum

__all__ = ["Callback", "Clock", "Iterated", "Passes", "PlainRunner", "Runner"]

Update = Callable[[slice], None]  # of a stretch of the arena


@dataclass(frozen=True)
class Iterated:
    """What an iteration's passes gave.

    Attributes:
        losses: of each pass, over its whole batch.
        outputs: of the last pass; empty unless asked for.
        wish: what a signal to any rank asked for before.
        seconds: where each rank's time went in the iteration before.
        updated: whether the parameters have been updated as well.
    """

    losses: tuple[float, ...]
    outputs: tuple[Output, ...]
    wish: Wish = Wish.NONE
    seconds: Sequence[RankSeconds] = ()
    updated: bool = False

    @property
    def loss(self) -> float:
        """Mean over the passes."""
        return sum(self.losses) / len(self.losses)


class Passes:
    """The passes of one rank over a training net.

    Args:
        net: built for one shard; its arena's diff receives the gradient, summed over
            all shards and passes.
        source: of the samples, numbered since training began.
        passes: passes an iteration: iter_size.
    """

    def __init__(
        self, net: Net, source: Source, passes: int, sync: Synchronizer, runner: Runner
    ) -> None:
        self.net, self.sync, self.runner = net, sync, runner
        self.passes = passes
        self.shards = net.graph.shards
        self.rows = batch_of(net.graph)
        self.leaves = Leaves(passes * self.shards, sync.rank, sync.size)
        self.wish = Wish.NONE
        self._bad = 0
        self._iteration = 0
        self._spent = RankSeconds()
        self._tree = TreeSum(net.arena.diff)
        self._overlap = Overlap(net, sync, self._tree) if sync.size > 1 else None
        self._statistics = Statistics(net, self.leaves, sync)
        course = Course.of(net.graph, self.leaves)
        self._samples = Samples(net.graph, source, course, sync)

    @property
    def batch(self) -> int:
        """Images of one pass, all shards and ranks together."""
        return self.rows * self.shards

    @property
    def images(self) -> int:
        """Images of one iteration."""
        return self.batch * self.passes

    def run(
        self,
        iteration: int,
        clock: Clock,
        wants_outputs: bool,
        update: Update | None = None,
    ) -> Iterated:
        """Compute an iteration's gradient, summed over its passes.

        It stops at the first loss that is not finite, with the net as it was then.

        Args:
            update: where there are several ranks, called with each stretch of the
                arena as soon as its gradient is complete; on another thread.
        """
        tally = self._begin(iteration, clock)
        shown: dict[int, Values] = {}
        for leaf in self.leaves.owned:
            if not self._forward(leaf, tally, clock):
                break
            if wants_outputs and leaf >= self.leaves.total - self.shards:
                shown[leaf % self.shards] = values_of(self.net)
            if leaf != self.leaves.owned[-1]:
                clock.time("backward", self.runner.backward, self.net)
                if self.leaves.closes_group(leaf):
                    self._tree.add()
        updated = self._complete(tally, clock, update)
        outputs = (
            gather_shards(self.net, shown, self.shards, self.sync)
            if wants_outputs and tally.finite
            else ()
        )
        self._bad = int(np.isfinite(tally.losses).argmin())
        losses = self._of_passes(tally)
        return Iterated(losses, outputs, tally.wished, tally.seconds, updated)

    def _begin(self, iteration: int, clock: Clock) -> Tally:
        self._iteration = iteration
        tally = Tally(self.leaves.total, self.sync.rank, self.sync.size)
        tally.wish(self.wish)
        tally.spent(self._spent)
        self.wish = Wish.NONE
        self._tree.reset()
        self._statistics.begin()
        clock.time("data", self._samples.begin, iteration)
        return tally

    def _forward(self, leaf: int, tally: Tally, clock: Clock) -> bool:
        """Run a leaf forward; whether its loss is finite."""
        if self.leaves.opens_group(leaf):
            self.net.arena.diff[...] = 0
        clock.time("data", self._load, leaf)
        forward = self._statistics.forward
        tally.losses[leaf] = clock.time("forward", forward, self.runner, leaf)
        return bool(np.isfinite(tally.losses[leaf]))

    def _complete(self, tally: Tally, clock: Clock, update: Update | None) -> bool:
        """Run the last leaf backward, and sum over the ranks as its gradients come."""
        own = tally.finite
        if self._overlap is None:
            if own:
                clock.time("backward", self.runner.backward, self.net)
                self._tree.complete()
            return False

        def then(part: slice) -> None:
            if update and tally.finite:
                update(part)

        busy = self.sync.busy
        self.sync.begin(tally.values, lambda: None)  # the others' losses come first
        if own:
            clock.time("backward", self._overlap.backward, self.runner, then)
        else:
            self._overlap.skip(then)
        clock.time("wait", self.sync.finish)
        clock.add("communication", self.sync.busy - busy)
        if tally.finite:
            self._statistics.exchange()
        return update is not None

    def spent(self, clock: Clock) -> None:
        """Note where an iteration's time went, to tell the other ranks."""
        seconds = clock.seconds
        compute = sum(seconds.get(k, 0.0) for k in ("forward", "backward", "update"))
        self._spent = RankSeconds(
            seconds.get("data", 0.0), compute, seconds.get("wait", 0.0)
        )

    def peek(self, iteration: int) -> float:
        """The loss of an iteration's first pass; nothing else comes of it."""
        losses = np.zeros(self.leaves.total)
        arena = self.net.arena
        fixed = [s.slice for s in arena.segments if not s.param.trainable]
        statistics = [arena.data[at].copy() for at in fixed]
        self._iteration = iteration
        self._samples.begin(iteration)
        for leaf in self.leaves.owned:
            if leaf < self.shards:
                self._load(leaf)
                losses[leaf] = self.net.forward_pass()
        for at, values in zip(fixed, statistics):
            arena.data[at] = values
        self.sync.reduce(losses)
        return float(sum(losses.tolist()))

    def _load(self, leaf: int) -> None:
        """Put one leaf's samples into the net."""
        rows, counts = self._samples.leaf(leaf)
        for name, values in rows.items():
            self.net.feed(name, values)
        self.net.begin_pass(self._iteration, leaf * self.rows, counts)

    def load_bad(self) -> None:
        """Put the samples of the first loss that was not finite into the net again."""
        self._load(self._bad)

    def _of_passes(self, tally: Tally) -> tuple[float, ...]:
        passes = tally.losses.reshape(self.passes, self.shards)
        return tuple(float(sum(shards.tolist())) for shards in passes)
