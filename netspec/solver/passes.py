"""One iteration's gradient: every shard forward and backward, added up in the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from netspec.net import Net
from netspec.solver.buckets import Overlap
from netspec.solver.events import Output
from netspec.solver.labels import HostLabels
from netspec.solver.outputs import Values, begin_values, gather_shards
from netspec.solver.running import Callback, Clock, PlainRunner, Runner
from netspec.solver.samples import Course, Samples, Source
from netspec.solver.shards import adds_each_once, batch_of
from netspec.solver.signals import Wish
from netspec.solver.statistics import Statistics
from netspec.solver.tally import RankSeconds, Tally
from netspec.sync import Leaves, Synchronizer, TreeSum

__all__ = ["Callback", "Clock", "Iterated", "Passes", "PlainRunner", "Runner"]

Update = Callable[[slice], None]  # of a stretch of the arena


Losses = Callable[[], tuple[float, ...]]


@dataclass(frozen=True)
class Iterated:
    """What an iteration's passes gave.

    Attributes:
        read: gives the losses of each pass, over its whole batch; all ranks call it
            alike, as it waits for a device that runs ahead.
        outputs: of the last pass; empty unless asked for.
        wish: what a signal to any rank asked for before.
        seconds: where each rank's time went in the iteration before.
        updated: whether the parameters have been updated as well.
    """

    read: Losses
    outputs: tuple[Output, ...]
    wish: Wish = Wish.NONE
    seconds: Sequence[RankSeconds] = ()
    updated: bool = False

    def loss(self) -> float:
        """Mean over the passes; waits as :attr:`read` does."""
        losses = self.read()
        return sum(losses) / len(losses)


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
        onto = self.leaves.group_size == 1 and adds_each_once(net.graph)
        # Beside backward, workers are not asked: they would be lacking there.
        beside = sync.size > 1 and not net.ops.runs_ahead
        plus = np.add if beside else net.ops.add
        self._tree = TreeSum(net.arena.diff, plus, net.ops.copy, pairs=onto)
        self._overlap = Overlap(net, sync, self._tree) if sync.size > 1 else None
        self._statistics = Statistics(net, self.leaves, sync)
        course = Course.of(net.graph, self.leaves)
        self._samples = Samples(net.graph, source, course, sync)
        self._labels = HostLabels(net)
        self._later: dict[int, Callable[[], float]] = {}  # losses by leaf, not yet read

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

        It stops at the first loss that is not finite, with the net as it was then; a
        device that runs ahead goes on, and :meth:`Iterated.loss` tells of it later.

        Args:
            update: where there are several ranks, called with each stretch of the
                arena that this rank is to step, as soon as its gradient is complete, on
                another thread; all ranks get the weights, and :meth:`complete` what
                else was written.
        """
        tally = self._begin(iteration, clock)
        shown: dict[int, Callable[[], Values]] = {}
        for leaf in self.leaves.owned:
            if not self._forward(leaf, tally, clock):
                break
            if wants_outputs and leaf >= self.leaves.total - self.shards:
                shown[leaf % self.shards] = begin_values(self.net)
            if leaf != self.leaves.owned[-1]:
                clock.time("backward", self.runner.backward, self.net)
                if self.leaves.closes_group(leaf):
                    self._tree.add()
        updated = self._complete(tally, clock, update)
        outputs = (
            gather_shards(self.net, _read(shown), self.shards, self.sync)
            if wants_outputs and tally.finite
            else ()
        )
        read = partial(self._read, tally, self._later)
        return Iterated(read, outputs, tally.wished, tally.seconds, updated)

    def _read(
        self, tally: Tally, later: Mapping[int, Callable[[], float]]
    ) -> tuple[float, ...]:
        """The losses of an iteration's passes, those first that nobody has read yet."""
        if self.net.ops.runs_ahead:
            losses = np.zeros(self.leaves.total)
            for leaf, loss in later.items():
                losses[leaf] = loss()
            self.sync.reduce(losses)
            tally.losses[:] = losses
        self._bad = int(np.isfinite(tally.losses).argmin())
        return self._of_passes(tally)

    def _begin(self, iteration: int, clock: Clock) -> Tally:
        self._iteration = iteration
        tally = Tally(self.leaves.total, self.sync.rank, self.sync.size)
        tally.wish(self.wish)
        tally.spent(self._spent)
        self.wish = Wish.NONE
        self._later = {}
        self._tree.reset()
        self._statistics.begin()
        clock.time("data", self._samples.begin, iteration)
        return tally

    def _forward(self, leaf: int, tally: Tally, clock: Clock) -> bool:
        """Run a leaf forward; whether its loss is finite, as far as is known."""
        if self.leaves.opens_group(leaf) and not self._tree.is_right:
            self.net.ops.fill(self.net.arena.diff, 0.0)
        clock.time("data", self._load, leaf)
        if self.net.ops.runs_ahead:
            forward = self._statistics.forward
            self._later[leaf] = clock.time("forward", forward, self.runner, leaf)
            return True
        tally.losses[leaf] = clock.time("forward", self._loss_of, leaf)
        return bool(np.isfinite(tally.losses[leaf]))

    def _loss_of(self, leaf: int) -> float:
        return self._statistics.forward(self.runner, leaf)()

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
        self.sync.begin(tally.values, lambda _: None)  # the others' losses come first
        if own:
            backward = self._overlap.backward
            clock.time("backward", backward, self.runner, then, update is not None)
        else:
            self._overlap.skip(then, update is not None)
        clock.time("wait", self.sync.finish)
        clock.add("communication", self.sync.busy - busy)
        if tally.finite:
            self._statistics.exchange()
        return update is not None

    def complete(self, history: Any) -> None:
        """Give all ranks all of an array of the arena's layout, of which each has
        written what *update* was called with."""
        if self._overlap:
            self._overlap.complete(history)

    def spent(self, seconds: Mapping[str, float]) -> None:
        """Note where an iteration's time went, to tell the other ranks."""
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
        if self.shards == 1:
            counts = self._labels.counts(rows)
        checked = self._labels.readers(rows)
        self.net.begin_pass(self._iteration, leaf * self.rows, counts, checked)
        self._labels.check(rows)
        for name, values in rows.items():
            self.net.feed(name, values)

    def load_bad(self, iteration: int) -> None:
        """Put the samples of an iteration's first loss that was not finite into the net
        again; the iteration is the one whose losses were read last."""
        if iteration != self._iteration:
            self._iteration = iteration
            self._samples.begin(iteration)
        self._load(self._bad)

    def _of_passes(self, tally: Tally) -> tuple[float, ...]:
        passes = tally.losses.reshape(self.passes, self.shards)
        return tuple(float(sum(shards.tolist())) for shards in passes)


def _read(shown: Mapping[int, Callable[[], Values]]) -> dict[int, Values]:
    """The outputs of shards that were asked for, once the device has them."""
    return {shard: values() for shard, values in shown.items()}
