"""One iteration's gradient: every shard forward and backward, added up in the tree."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from netspec.graph import Node
from netspec.layers.base import Run
from netspec.net import Net
from netspec.solver.events import Output
from netspec.solver.feeding import Rows
from netspec.solver.outputs import OutputSum
from netspec.solver.shards import batch_of, label_source, losses_that_count
from netspec.sync import Leaves, Synchronizer, TreeSum


class Source(Protocol):
    """Gives the samples of a stretch."""

    def read(self, first: int, count: int) -> Rows:
        """Samples *first* to *first + count - 1* since training began, by blob name."""


class Callback(Protocol):
    """What else is to happen in an iteration; Caffe's Solver::Callback."""

    def on_start(self) -> None:
        """Before the first forward pass of an iteration."""

    def on_gradients_ready(self) -> None:
        """When the gradients of the whole iteration stand in the net's arena."""


class Runner(Protocol):
    """How a net is run; debugging listens in here."""

    def forward(self, net: Net) -> float:
        """Run forward; returns the loss."""

    def backward(self, net: Net) -> None:
        """Run backward."""

    def forward_step(self, net: Net, node: Node, run: Run) -> None:
        """Run one step of :meth:`forward`."""

    def backward_step(self, net: Net, node: Node, run: Run) -> None:
        """Run one step of :meth:`backward`."""


class PlainRunner:
    """The net's own passes."""

    def forward_step(self, net: Net, node: Node, run: Run) -> None:
        """See :meth:`Net.run_forward`."""
        net.run_forward(node, run)

    def backward_step(self, net: Net, node: Node, run: Run) -> None:
        """See :meth:`Net.run_backward`."""
        net.run_backward(node, run)

    def forward(self, net: Net) -> float:
        """See :meth:`Net.forward_pass`."""
        return net.forward_pass()

    def backward(self, net: Net) -> None:
        """See :meth:`Net.backward_pass`."""
        net.backward_pass()


@dataclass
class Clock:
    """Seconds by what they were spent on."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, what: str, call: Callable[..., Any], *args: Any) -> Any:
        """Call and note how long it took."""
        start = time.perf_counter()
        result = call(*args)
        took = time.perf_counter() - start
        self.seconds[what] = self.seconds.get(what, 0.0) + took
        return result


@dataclass(frozen=True)
class Iterated:
    """What an iteration's passes gave.

    Attributes:
        losses: of each pass, over its whole batch.
        outputs: of the last pass; empty unless asked for.
    """

    losses: tuple[float, ...]
    outputs: tuple[Output, ...]

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
        self._loaded = (0, 0)
        self._tree = TreeSum(net.arena.diff)
        self._samples = make_samples(net, source, self.rows)

    @property
    def batch(self) -> int:
        """Images of one pass, all shards and ranks together."""
        return self.rows * self.shards

    @property
    def images(self) -> int:
        """Images of one iteration."""
        return self.batch * self.passes

    def run(self, iteration: int, clock: Clock, wants_outputs: bool) -> Iterated:
        """Compute an iteration's gradient, summed over its passes.

        It stops at the first loss that is not finite, with the net as it was then.
        """
        losses = np.zeros(self.leaves.total)
        outputs = OutputSum(self.net)
        self._tree.reset()
        for leaf in self.leaves.owned:
            if self.leaves.opens_group(leaf):
                self.net.arena.diff[...] = 0
            clock.time("data", self.load, iteration, leaf)
            losses[leaf] = clock.time("forward", self.runner.forward, self.net)
            if not np.isfinite(losses[leaf]):
                break
            if wants_outputs and leaf >= self.leaves.total - self.shards:
                outputs.join(self.net)
            clock.time("backward", self.runner.backward, self.net)
            if self.leaves.closes_group(leaf):
                self._tree.add(last=leaf == self.leaves.owned[-1])
        return Iterated(self._reduce(losses), outputs.summed())

    def peek(self, iteration: int) -> float:
        """The loss of an iteration's first pass; nothing else comes of it."""
        losses = np.zeros(self.leaves.total)
        arena = self.net.arena
        fixed = [s.slice for s in arena.segments if not s.param.trainable]
        statistics = [arena.data[at].copy() for at in fixed]
        for leaf in self.leaves.owned:
            if leaf < self.shards:
                self.load(iteration, leaf)
                losses[leaf] = self.net.forward_pass()
        for at, values in zip(fixed, statistics):
            arena.data[at] = values
        self.sync.reduce(losses)
        return float(sum(losses.tolist()))

    def load(self, iteration: int, leaf: int) -> None:
        """Put one leaf's samples into the net."""
        self._loaded = (iteration, leaf)
        number = iteration * self.leaves.total + leaf
        rows, counts = self._samples(number)
        for name, values in rows.items():
            self.net.feed(name, values)
        self.net.begin_pass(iteration, leaf * self.rows, counts)

    def load_again(self) -> None:
        """Put the samples that were loaded last into the net once more."""
        self.load(*self._loaded)

    def _reduce(self, losses: np.ndarray) -> tuple[float, ...]:
        """Sum the gradient and the losses over the ranks."""
        self.sync.reduce(self.net.arena.diff)
        self.sync.reduce(losses)
        passes = losses.reshape(self.passes, self.shards)
        return tuple(float(sum(shards.tolist())) for shards in passes)


Samples = Callable[[int], tuple[Rows, Mapping[str, float]]]


def make_samples(net: Net, source: Source, rows: int) -> Samples:
    """What gives a shard's samples by its number since training began, and the counts
    of labels of the batch that it is a part of, where a loss divides by them."""
    shards = net.graph.shards
    losses = losses_that_count(net.graph) if shards > 1 else []
    if losses:
        tops = {node.name: label_source(net.graph, node) or "" for node in losses}
        layers = {node.name: node.layer for node in losses}
        return _WholeBatches(source, rows, shards, layers, tops).shard
    return lambda number: (source.read(number * rows, rows), {})


class _WholeBatches:
    """Reads whole batches and hands out their shards, so that labels can be counted."""

    def __init__(
        self,
        source: Source,
        rows: int,
        shards: int,
        layers: Mapping[str, Any],
        tops: Mapping[str, str],
    ) -> None:
        self._source, self._rows, self._shards = source, rows, shards
        self._layers, self._tops = layers, tops
        self._held = -1
        self._batch: Rows = {}
        self._counts: dict[str, float] = {}

    def shard(self, number: int) -> tuple[Rows, Mapping[str, float]]:
        """Samples of one shard, and the counts of its whole batch."""
        batch, shard = divmod(number, self._shards)
        if batch != self._held:
            self._read(batch)
        part = slice(shard * self._rows, (shard + 1) * self._rows)
        return {top: values[part] for top, values in self._batch.items()}, self._counts

    def _read(self, batch: int) -> None:
        count = self._shards * self._rows
        self._batch = self._source.read(batch * count, count)
        self._counts = {
            name: float(layer.valid_count(self._batch[self._tops[name]]))
            for name, layer in self._layers.items()
        }
        self._held = batch
