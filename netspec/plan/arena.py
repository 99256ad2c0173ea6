"""The parameter arena: where each parameter lies in one contiguous buffer.

Data, diff and every solver history are arrays of this one layout, so that an update is
one pass, a reduction takes contiguous buckets and a snapshot is a slice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netspec.graph.graph import Graph, Param
from netspec.shapes import Shape

ALIGNMENT = 16  # elements: every parameter starts on a cache line


@dataclass(frozen=True)
class Segment:
    """One parameter's range of the arena."""

    param: Param
    start: int

    @property
    def stop(self) -> int:
        """First element behind the parameter."""
        return self.start + self.param.size

    @property
    def slice(self) -> slice:
        """The parameter's range as a slice."""
        return slice(self.start, self.stop)

    @property
    def layer(self) -> str:
        """Name of the owning layer."""
        return self.param.layer

    @property
    def index(self) -> int:
        """Position among the layer's parameters."""
        return self.param.index

    @property
    def name(self) -> str:
        """Unique text: ``conv1/0``."""
        return self.param.key

    @property
    def shape(self) -> Shape:
        """Shape of the parameter."""
        return self.param.shape

    @property
    def lr_mult(self) -> float:
        """Factor on the learning rate; 0 is frozen."""
        return self.param.lr_mult

    @property
    def decay_mult(self) -> float:
        """Factor on the weight decay."""
        return self.param.decay_mult


@dataclass(frozen=True)
class Layout:
    """All segments in order, and the arena's length in elements."""

    segments: tuple[Segment, ...]
    size: int


def lay_out(params: Iterable[Param]) -> Layout:
    """Parameters one after the other, each aligned."""
    segments, start = [], 0
    for param in params:
        segments.append(Segment(param, start))
        start += -(-param.size // ALIGNMENT) * ALIGNMENT
    return Layout(tuple(segments), start)


def graph_layout(graph: Graph, borrowed: frozenset[int] = frozenset()) -> Layout:
    """Layout of a graph's own parameters; *borrowed* ones live in another net's."""
    own = [p for i, p in enumerate(graph.params) if i not in borrowed]
    return lay_out(own)
