"""A model that is to be carried elsewhere: deployed net, graph, weights, preprocessing.

Weights stay views of the mapped file wherever they can, so that a model of any size
costs no memory before it is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np

from netspec.convert.deploy import deploy
from netspec.convert.seeded import seeded_params
from netspec.data.feeds import known_shapes
from netspec.data.preprocess import Preprocess
from netspec.errors import DataError, Place
from netspec.graph import Feeding, Graph, Node, build_graph
from netspec.proto import TEST, NetParameter
from netspec.shapes import Shape
from netspec.spec import Located, filter_net, read_net
from netspec.spec.blobproto import StoredBlob
from netspec.weights import (
    LayerWeights,
    Status,
    Weights,
    plan_transplant,
    read_weights,
    target_of,
)

Array = Any
_UNTAKEN = (Status.MISSING, Status.SKIPPED, Status.REINITIALISED)


@dataclass(frozen=True)
class Model:
    """A net in phase TEST with a value for every parameter.

    Attributes:
        net: the deployed net.
        params: beside ``graph.params``; float32, perhaps unaligned and read-only.
        preprocess: what has to be done to images first, where it is known.
        files: what it was read from.
        notes: what was changed or assumed, one sentence each.
        has_weights: whether they are somebody's, not drawn.
        fold: what a folded model's input differs by; see :mod:`netspec.convert.fold`.
    """

    net: Located[NetParameter]
    graph: Graph
    params: tuple[Array, ...]
    preprocess: Preprocess | None = None
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    has_weights: bool = True
    fold: Any = None

    @property
    def name(self) -> str:
        """The net's name, or a word in its place."""
        return self.graph.name or "net"

    def arrays(self, node: Node) -> list[Array]:
        """The parameters of one layer, in the shapes it sees."""
        own = zip(node.params, node.param_shapes)
        return [self.params[p].reshape(shape) for p, shape in own]

    def as_weights(self) -> Weights:
        """The parameters as a weights file would hold them."""
        held = ((n.name, n.type, self.arrays(n)) for n in self.graph.nodes if n.params)
        layers = (
            LayerWeights(name, kind, tuple(map(StoredBlob, arrays)))
            for name, kind, arrays in held
        )
        return Weights(layers, self.files[0] if self.files else "")

    @cached_property
    def copies(self) -> frozenset[str]:
        """Tops of the Splits that the graph inserted: no blobs of the file."""
        written = {layer.name for layer in self.net.message.layer}
        inserted = (n for n in self.graph.nodes if n.name not in written)
        return frozenset(top for node in inserted for top in node.tops)

    @property
    def inputs(self) -> dict[str, Shape]:
        """Blobs that a caller sets, with the shapes of the file."""
        return {name: self.graph.blobs[name] for name in self.graph.inputs}

    def at(self, inputs: Mapping[str, Shape]) -> Graph:
        """The graph at other input shapes.

        Raises:
            SpecError: a layer cannot take them.
        """
        return build_graph(self.net, TEST, feeding=Feeding(inputs=inputs))

    def noted(self, *notes: str) -> Model:
        """The same with more notes."""
        return replace(self, notes=(*self.notes, *notes))


@dataclass(frozen=True)
class Opening:
    """How a model is opened.

    Attributes:
        level, stages: which layers of the file are in the net.
        batch: images of the deployed net's input; 0: as :func:`deploy` has it.
        shapes: of data tops that the file leaves open, without the batch.
        seed: of the weights, where there are none.
    """

    level: int = 0
    stages: Sequence[str] = ()
    batch: int = 0
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    seed: int = 0


def open_model(
    net: str | PathLike[str] | Located[NetParameter],
    weights: str | PathLike[str] | Weights | None = None,
    opening: Opening | None = None,
) -> Model:
    """A model from a net, as it is used, and its weights.

    Args:
        net: a prototxt or caffemodel, or a net already read.
        weights: a file of any format, or weights already read; None draws them.

    Raises:
        SpecError: the net cannot be used.
        DataError: the weights do not fit it, or leave a parameter open.
    """
    opening = opening or Opening()
    spec = net if isinstance(net, Located) else read_net(net)
    shapes = {top: (1, *shape) for top, shape in opening.shapes.items()}
    deployed = deploy(
        spec,
        opening.level,
        opening.stages,
        opening.batch,
        {**_stored_shapes(spec, opening), **shapes},
    )
    graph = build_graph(deployed.net, TEST)
    model = Model(deployed.net, graph, (), deployed.preprocess, (spec.file,))
    model = model.noted(*deployed.notes)
    return _with_weights(model, weights, opening.seed)


def _stored_shapes(spec: Located[NetParameter], opening: Opening) -> dict[str, Shape]:
    """Shapes of the data tops whose source is at hand, by name."""
    test = filter_net(spec, TEST, opening.level, opening.stages)
    known = known_shapes(test)
    tops = {layer.name: layer.top for layer in test.message.layer}
    return {
        top: shape
        for name, shapes in known.items()
        for top, shape in zip(tops[name], shapes)
    }


def _with_weights(
    model: Model, weights: str | PathLike[str] | Weights | None, seed: int
) -> Model:
    if not model.graph.params:
        return model
    if weights is None:
        drawn = tuple(seeded_params(model.graph, seed))
        note = f"no weights were given: they are drawn from seed {seed}."
        return replace(model, params=drawn, has_weights=False).noted(note)
    held = weights if isinstance(weights, Weights) else read_weights(weights)
    params = transplanted(model.graph, held)
    files = tuple(
        dict.fromkeys([*model.files, held.file] if held.file else model.files)
    )
    return replace(model, params=tuple(params), files=files)


def transplanted(graph: Graph, weights: Weights) -> list[Array]:
    """An array for each parameter of a graph, views of the file where possible.

    Raises:
        DataError: one does not fit, or is missing.
    """
    report = plan_transplant(target_of(graph), weights)
    missing = report.layers(*_UNTAKEN)
    if missing:
        names = ", ".join(map(repr, missing[:6]))
        raise DataError(
            f"there are no weights for {len(missing)} layer(s): {names}.",
            "Give weights of this net; what is converted must be complete.",
            place=Place(weights.file) if weights.file else None,
        )
    found = {
        (line.layer, line.index): line.values
        for line in report.lines
        if line.values is not None
    }
    return [_float32(found[p.layer, p.index], p.shape) for p in graph.params]


def _float32(values: Array, shape: Shape) -> Array:
    values = values.reshape(shape)
    return values if values.dtype == np.float32 else values.astype(np.float32)
