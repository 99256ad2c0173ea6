"""The graph: layers, shapes and parameters of one net in one phase, without arrays.

A graph is a plain value.  Blob names are unique: where several layers read a blob a
Split stands between, and where a layer works in place its top has its bottom's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from netspec.errors import Place
from netspec.layers.base import Layer, Shapes
from netspec.proto import FillerParameter
from netspec.shapes import Shape, count


@dataclass(frozen=True)
class Param:
    """One learnable blob or statistic, owned by the first layer that declares it.

    Attributes:
        layer, index: the owner and its position among the owner's parameters.
        name: sharing name, or "".
        lr_mult, decay_mult: factors on the solver's rate and weight decay; lr_mult 0
            is frozen.
        trainable: False for statistics, which the layer itself updates.
    """

    layer: str
    index: int
    name: str
    shape: Shape
    filler: FillerParameter
    lr_mult: float
    decay_mult: float
    trainable: bool

    @property
    def key(self) -> str:
        """Unique text: ``conv1/0``."""
        return f"{self.layer}/{self.index}"

    @property
    def size(self) -> int:
        """Number of elements."""
        return count(self.shape)


@dataclass(frozen=True)
class Node:
    """One layer in its place.

    Attributes:
        params: indices into :attr:`Graph.params`; a shared parameter appears in
            several nodes.
        param_shapes: this layer's own view of each; a parameter shared with share_mode
            PERMISSIVE may have another shape at its owner.
        bottom_gradient: which bottoms get a gradient in backward.
        param_gradient: which parameters get a gradient in backward.
        loss_weights: weight of each top in the net's loss, 0 for most.
    """

    layer: Layer
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    bottom_shapes: Shapes
    top_shapes: Shapes
    params: tuple[int, ...]
    param_shapes: Shapes
    bottom_gradient: tuple[bool, ...]
    param_gradient: tuple[bool, ...]
    loss_weights: tuple[float, ...]
    place: Place

    @property
    def name(self) -> str:
        """The layer's name (not necessarily unique: Caffe allows two of a name)."""
        return self.layer.name

    @property
    def type(self) -> str:
        """The layer's type, as in the file."""
        return self.layer.type

    @property
    def needs_backward(self) -> bool:
        """Whether backward has anything to do here."""
        return any(self.bottom_gradient) or any(self.param_gradient)

    @property
    def in_place(self) -> bool:
        """Whether the layer overwrites its first bottom."""
        return bool(set(self.bottoms) & set(self.tops))


@dataclass(frozen=True)
class Graph:
    """All nodes in order of execution, with what they share.

    Attributes:
        name: the net's name from the file.
        file: the path messages show.
        nodes: in file order, Splits inserted.
        params: every distinct parameter, in order of first use.
        blobs: name to shape.
        inputs: tops of Input layers, which a caller must fill.
        outputs: tops that no layer reads, in alphabetical order, as Caffe lists them.
        shards: parts the files' batch is cut into; data layers here hold one part.
    """

    name: str
    file: str
    phase: int
    nodes: tuple[Node, ...]
    params: tuple[Param, ...]
    blobs: dict[str, Shape] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    shards: int = 1

    def node(self, name: str) -> Node:
        """The first node of that name; KeyError where there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    @property
    def sources(self) -> Iterator[Node]:
        """Nodes that are fed from outside: data layers and Inputs."""
        return (node for node in self.nodes if node.layer.is_source)

    @property
    def coupled(self) -> tuple[Node, ...]:
        """Nodes whose output for one image depends on the rest of the batch."""
        return tuple(n for n in self.nodes if n.layer.couples_batch(n.bottom_shapes))

    @property
    def parameter_count(self) -> int:
        """Elements over all parameters, shared ones counted once."""
        return sum(p.size for p in self.params)
