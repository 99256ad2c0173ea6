"""Which samples a rank reads, and how many labels their batches hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count as count_up
from typing import Any, Protocol

import numpy as np

from netspec.data.prefetch import Range
from netspec.graph import Graph
from netspec.solver.feeding import Rows
from netspec.solver.shards import batch_of, label_source, losses_that_count
from netspec.sync import Leaves, Synchronizer


class Source(Protocol):
    """Gives the samples of a stretch."""

    def read(self, first: int, count: int) -> Rows:
        """Samples *first* to *first + count - 1* since training began, by blob name."""


@dataclass(frozen=True)
class Course:
    """What one rank reads, iteration by iteration.

    Attributes:
        leaves: the rank's.
        rows: images of a leaf.
        shards: leaves of a pass.
        counts: whether a loss counts the labels of its whole batch, so that all of a
            pass's leaves that a rank owns are read before the first is used.
    """

    leaves: Leaves
    rows: int
    shards: int
    counts: bool

    @classmethod
    def of(cls, graph: Graph, leaves: Leaves) -> Course:
        """The course of a training graph that is built for one shard."""
        counts = graph.shards > 1 and bool(losses_that_count(graph))
        return cls(leaves, batch_of(graph), graph.shards, counts)

    @property
    def divided(self) -> bool:
        """Whether the leaves of a pass are shared out over ranks."""
        size, total = self.leaves.size, self.leaves.total
        return any(rank * total // size % self.shards for rank in range(size))

    @cached_property
    def spans(self) -> list[range]:
        """The leaves that are read together."""
        owned = self.leaves.owned
        if not self.counts:
            return [range(leaf, leaf + 1) for leaf in owned]
        passes = range(owned.start // self.shards, -(-owned.stop // self.shards))
        return [
            range(
                max(owned.start, p * self.shards),
                min(owned.stop, (p + 1) * self.shards),
            )
            for p in passes
        ]

    def range(self, iteration: int, span: range) -> Range:
        """The samples of neighbouring leaves."""
        first = iteration * self.leaves.total + span.start
        return first * self.rows, len(span) * self.rows

    def beginning(self, first: int, count: int) -> Iterator[Range]:
        """A given range, and endless ones that this rank reads after it."""
        start = first // (self.rows * self.leaves.total)
        every = (self.range(i, span) for i in count_up(start) for span in self.spans)
        yield first, count
        yield from (each for each in every if each[0] > first)


class Samples:
    """Gives a rank's samples leaf by leaf, with the counts of their whole batches.

    Args:
        source: of the samples, numbered since training began.
    """

    def __init__(
        self, graph: Graph, source: Source, course: Course, sync: Synchronizer
    ) -> None:
        self._source, self._course, self._sync = source, course, sync
        losses = losses_that_count(graph) if course.counts else []
        self._layers: dict[str, Any] = {node.name: node.layer for node in losses}
        self._tops = {node.name: label_source(graph, node) or "" for node in losses}
        self._held: dict[range, Rows] = {}
        self._counts: dict[int, Mapping[str, float]] = {}
        self._iteration = -1

    def begin(self, iteration: int) -> None:
        """Before an iteration's first leaf, on all ranks; counts labels with them."""
        self._held, self._counts, self._iteration = {}, {}, iteration
        if not (self._course.counts and self._course.divided):
            return
        passes = self._course.leaves.total // self._course.shards
        counts = np.zeros((passes, len(self._layers)))
        for span in self._course.spans:
            counts[span.start // self._course.shards] += self._count(self._read(span))
        self._sync.reduce(counts.reshape(-1))
        self._counts = {i: self._named(row) for i, row in enumerate(counts)}

    def leaf(self, leaf: int) -> tuple[Rows, Mapping[str, float]]:
        """Samples of one leaf, and the counts of the batch that it is a part of."""
        span = next((s for s in self._course.spans if leaf in s), None)
        if span is None:  # another rank's, looked at after it diverged
            rows = self._source.read(*self._at(range(leaf, leaf + 1)))
            return rows, self._counts.get(leaf // self._course.shards, {})
        rows = self._held[span] if span in self._held else self._read(span)
        counts = self._counts_of(leaf // self._course.shards, rows)
        if len(span) == 1:
            return rows, counts
        first = (leaf - span.start) * self._course.rows
        part = slice(first, first + self._course.rows)
        return {top: values[part] for top, values in rows.items()}, counts

    def _at(self, span: range) -> Range:
        return self._course.range(self._iteration, span)

    def _read(self, span: range) -> Rows:
        rows = self._source.read(*self._at(span))
        if self._course.counts:
            if not self._course.divided:
                self._held.clear()  # one pass at a time
            self._held[span] = rows
        return rows

    def _counts_of(self, pass_: int, rows: Rows) -> Mapping[str, float]:
        if self._layers and pass_ not in self._counts:
            self._counts[pass_] = self._named(self._count(rows))
        return self._counts.get(pass_, {})

    def _count(self, rows: Rows) -> Any:
        pairs = (
            (self._layers[name], np.asarray(rows[top]))
            for name, top in self._tops.items()
        )
        return np.array([float(layer.valid_count(labels)) for layer, labels in pairs])

    def _named(self, counts: Any) -> Mapping[str, float]:
        return dict(zip(self._layers, counts.tolist()))
