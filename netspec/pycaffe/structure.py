"""Names and numbers of a net's layers and blobs, in pycaffe's forms."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, TypeVar

from netspec.graph import Graph, Node
from netspec.layers import LAYERS
from netspec.layers.python import Python
from netspec.net import Net as CoreNet
from netspec.pycaffe.blob import Blob, ParamBlob
from netspec.pycaffe.faults import unknown

T = TypeVar("T")


class Named(OrderedDict[str, T]):
    """Things of a net by name, in its order; an unknown name suggests a known one."""

    kind = "thing"

    @classmethod
    def of(cls, kind: str, pairs: Iterable[tuple[str, T]]) -> Named[T]:
        """The pairs, called *kind* in errors."""
        made = cls(pairs)
        made.kind = kind
        return made

    def __missing__(self, name: object) -> T:
        raise unknown(self.kind, name, self)


class LayerView:
    """A layer of a net: its type and its parameters."""

    def __init__(self, type: str, blobs: list[Blob]) -> None:
        self.type, self.blobs = type, blobs

    def __repr__(self) -> str:
        return f"<Layer {self.type}>"


class Structure:
    """What never changes about a net, whatever its shapes.

    Attributes:
        layer_names, blob_names: in order; Splits are layers too.
        layers: views of the layers.
        params: parameters of each layer that has any.
    """

    def __init__(self, core: CoreNet) -> None:
        nodes = core.graph.nodes
        self.layer_names = [node.name for node in nodes]
        self.blob_names = list(core.graph.blobs)
        self.layers = [_view(core, node) for node in nodes]
        pairs = zip(self.layer_names, self.layers)
        self.params: Named[list[Blob]] = Named.of(
            "parameters of layer", ((n, view.blobs) for n, view in pairs if view.blobs)
        )
        self._ids = {name: i for i, name in enumerate(self.blob_names)}
        self._nodes = nodes

    def layer(self, name: str) -> int:
        """Number of the first layer of that name.

        Raises:
            UnknownNameError: there is none.
        """
        if name not in self.layer_names:
            raise unknown("layer", name, self.layer_names)
        return self.layer_names.index(name)

    def blob(self, name: str) -> int:
        """Number of a blob."""
        return self._ids[name]

    def tops(self) -> Named[list[str]]:
        """Names of each layer's tops."""
        return Named.of("layer", ((n.name, list(n.tops)) for n in self._nodes))

    def bottoms(self) -> Named[list[str]]:
        """Names of each layer's bottoms."""
        return Named.of("layer", ((n.name, list(n.bottoms)) for n in self._nodes))


def _view(core: CoreNet, node: Node) -> Any:
    """A layer as programs see it: where its class is theirs, the object itself."""
    pairs = zip(node.params, node.param_shapes)
    blobs: list[Blob] = [ParamBlob(core, index, shape) for index, shape in pairs]
    if not isinstance(node.layer, Python):
        return LayerView(node.type, blobs)
    for own, blob in zip(node.layer.user.blobs, blobs):
        own.show(blob.data, blob.diff)
    return node.layer.user


def loss_weights(graph: Graph) -> Named[float]:
    """The weight of every blob in the net's loss."""
    weights = dict.fromkeys(graph.blobs, 0.0)
    for node in graph.nodes:
        weights.update({t: w for t, w in zip(node.tops, node.loss_weights) if w})
    return Named.of("blob", weights.items())


def layer_type_list() -> list[str]:
    """Every layer type that a net may use."""
    return list(LAYERS)
