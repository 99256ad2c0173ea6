"""Running a test net: Caffe's number of batches, or the whole set exactly once.

Ranks take the batches in turn, and add up what they find in the order of the data, so
that a result does not depend on their number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netspec.data.feeds import Feeds
from netspec.data.prefetch import Range
from netspec.errors import LabelError, SpecError
from netspec.graph.batch import with_batch
from netspec.net import Net
from netspec.solver.events import Output
from netspec.solver.feeding import ReadAhead, Rows
from netspec.solver.labels import HostLabels
from netspec.solver.outputs import OutputSum, Packing, Values, begin_values
from netspec.solver.shards import batch_of
from netspec.sync import Local, Synchronizer

Result = Callable[[], tuple[Values, float]]


@dataclass(frozen=True)
class Scores:
    """What a test found.

    Attributes:
        outputs: means over the batches, or over the records of the whole set.
        loss: mean weighted loss.
        images: records seen.
        whole_set: whether they were the whole set, each once.
    """

    outputs: tuple[Output, ...]
    loss: float
    images: int
    seconds: float
    whole_set: bool


class Test:
    """A test net with its data.

    Args:
        net: built for TEST; where it computes with a training net's parameters, *owner*
            is that net.
        feeds: of its data layers.
        batches: batches a test; None: the whole set once.
        sync: the other ranks, if there are any.

    Raises:
        SpecError: the whole set is asked for, and the net reads none.
    """

    __test__ = False  # pytest: not a test class

    def __init__(
        self,
        net: Net,
        feeds: Feeds,
        batches: int | None,
        owner: Net | None = None,
        sync: Synchronizer | None = None,
    ) -> None:
        self.net, self.feeds, self.batches = net, feeds, batches
        self._sync = sync or Local()
        self._owner = owner
        self._labels: dict[int, HostLabels] = {}
        self.batch = batch_of(net.graph)
        if batches is None and not feeds.by_layer:
            raise SpecError(
                "a test net without test_iter sees its whole set once, and this one "
                "has no data layer.",
                "Give test_iter, the number of batches a test.",
            )

    @property
    def whole_set(self) -> bool:
        """Whether a test sees every record exactly once."""
        return self.batches is None or self.batches * self.batch == self.feeds.size

    def run(self, number: int = 0) -> Scores:
        """Test once.

        Args:
            number: tests done before: where test_iter is given, each goes on in the
                data where the last one ended, as in Caffe.
        """
        start = time.perf_counter()
        ranges = list(self._ranges(number))
        outputs, loss = OutputSum(self.net.graph, self._by_row(ranges)), 0.0
        own, raw = ranges[self._sync.rank :: self._sync.size], self.net.ops.transforms
        with ReadAhead(self.feeds, own, raw) as ahead:
            for (_, rows), (found, of_batch) in zip(
                ranges, self._results(ranges, ahead)
            ):
                loss += rows * of_batch
                outputs.add(found, rows)
        images = sum(rows for _, rows in ranges)
        seconds = time.perf_counter() - start
        means = outputs.summed(images)
        return Scores(means, loss / images, images, seconds, self.whole_set)

    def _results(
        self, ranges: list[Range], ahead: Iterator[Rows]
    ) -> Iterator[tuple[Values, float]]:
        """Outputs and loss of every batch, in order, whichever rank it was."""
        rank, size = self._sync.rank, self._sync.size
        begun = map(self._begin, ranges[rank::size], _or_nothing(ahead, self.feeds))
        own = _one_behind(begun)
        if size == 1:
            yield from own
            return
        for first in range(0, len(ranges), size):
            yield from self._exchange(own, min(size, len(ranges) - first))

    def _exchange(
        self, own: Iterator[tuple[Values, float]], batches: int
    ) -> Iterator[tuple[Values, float]]:
        """The results of one batch of each rank."""
        packing = Packing(self.net.graph)
        matrix = np.zeros((batches, 1 + packing.width))
        if self._sync.rank < batches:
            values, matrix[self._sync.rank, 0] = next(own)
            packing.pack(values, matrix[self._sync.rank, 1:])
        self._sync.reduce(matrix.reshape(-1))
        for row in matrix:
            yield packing.unpack(row[1:]), float(row[0])

    def _begin(self, stretch: Range, samples: Rows) -> Result:
        """Run one batch; what is returned waits for the device, and gives what came of
        it."""
        first, rows = stretch
        net = self.net if rows == self.batch else self._rest
        loss = self._pass(net, first, samples)
        values = begin_values(net)
        return lambda: (values(), loss())

    def _by_row(self, ranges: list[Range]) -> list[str]:
        """Outputs with a row an image, where batches of two sizes are averaged."""
        if ranges[-1][1] == self.batch:
            return []
        whole, rest = self.net.graph.blobs, self._rest.graph.blobs
        return [name for name in self.net.outputs if whole[name] != rest[name]]

    def _pass(self, net: Net, first: int, samples: Rows) -> Callable[[], float]:
        labels = self._labels_of(net)
        counts, checked = labels.counts(samples), labels.readers(samples)
        net.begin_pass(first // self.batch, normalizers=counts, checked=checked)
        try:
            labels.check(samples)
            for name, values in samples.items():
                net.feed(name, values)
            return net.begin_forward()
        except LabelError as error:
            raise error.found_in(self.feeds.describe(first + error.row)) from None

    def _labels_of(self, net: Net) -> HostLabels:
        if id(net) not in self._labels:
            self._labels[id(net)] = HostLabels(net)
        return self._labels[id(net)]

    def _ranges(self, number: int) -> Iterator[Range]:
        if self.batches is None:
            size = self.feeds.size or self.batch  # arrays that nobody has set: an error
            for first in range(0, size, self.batch):
                yield first, min(self.batch, size - first)
        else:
            for i in range(number * self.batches, (number + 1) * self.batches):
                yield i * self.batch, self.batch

    @cached_property
    def _rest(self) -> Net:
        """The same net for the last, smaller batch of the set."""
        net = self.net
        rows = (self.feeds.size or 0) % self.batch
        _, level, stages = net.state
        return Net(
            net.spec,
            phase="test",
            level=level,
            stages=stages,
            device=net.ops,
            lean=net.lean,
            seed=net.seed,
            dtype=net.dtype,
            feeding=with_batch(net.graph, rows),
            share_with=self._owner or net,
        )


def _one_behind(begun: Iterable[Result]) -> Iterator[tuple[Values, float]]:
    """The results of batches, each looked at when the next is under way."""
    before: Result | None = None
    for result in begun:
        if before:
            yield before()
        before = result
    if before:
        yield before()


def _or_nothing(stream: Iterable[Rows], feeds: Feeds) -> Iterable[Rows]:
    """The stream, or for a net that no feed fills, an endless row of nothing."""
    return stream if feeds.by_layer else iter(dict, None)
