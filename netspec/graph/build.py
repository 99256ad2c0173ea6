"""From a net's message to its graph: layers made, shapes inferred, faults located."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netspec.errors import NetspecError, OpenShapeError, SpecError
from netspec.graph.draft import Draft
from netspec.graph.gradients import Flow, mark_gradients
from netspec.graph.graph import Graph, Node
from netspec.graph.params import ParamTable
from netspec.graph.splits import insert_splits
from netspec.layers import LAYERS
from netspec.layers.base import Layer, Shapes
from netspec.layers.fillers import check_fillers
from netspec.layers.user_code import UserCode
from netspec.proto import TEST, TRAIN, LayerParameter, NetParameter
from netspec.shapes import Shape, describe
from netspec.spec import Located, filter_net
from netspec.spec.forks import fork_of_type

PHASES = {"train": TRAIN, "test": TEST}


@dataclass(frozen=True)
class Feeding:
    """What a caller knows about a net's sources that the file does not say.

    Attributes:
        inputs: shapes of Input tops, in place of the file's.
        sources: shapes of one batch of each data layer's tops, by layer name, found
            in its database.
        shards: equal parts that every source's batch is cut into.
    """

    inputs: Mapping[str, Shape] = field(default_factory=dict)
    sources: Mapping[str, Shapes] = field(default_factory=dict)
    shards: int = 1


def build_graph(
    net: Located[NetParameter],
    phase: int,
    level: int = 0,
    stages: Sequence[str] = (),
    feeding: Feeding | None = None,
    code: UserCode | None = None,
) -> Graph:
    """The graph of the layers that a net has in one phase.

    Args:
        code: leave to run the net's Python layers; see :mod:`netspec.layers.user_code`.

    Raises:
        SpecError: with file, line, column and layer, for whatever Caffe refuses when
            it builds a net.
        DataError: a file that a layer names and that decides no shape is broken.
    """
    net = filter_net(net, phase, level, stages)
    phase = net.message.state.phase
    drafts = insert_splits(_drafts(net), _losses(net))
    builder = _Builder(phase, feeding or Feeding(), net.file, code)
    for draft in drafts:
        try:
            builder.add(draft)
        except NetspecError as error:
            raise draft.explain(error) from None
    return builder.finish(net)


def check_structure(
    net: Located[NetParameter], phase: int, level: int = 0, stages: Sequence[str] = ()
) -> None:
    """Refuse what is wrong in a net whatever its shapes are.

    For nets whose data is not at hand: every layer's own message, names, and the
    numbers of bottoms and tops. What a Python layer takes, only its code knows.

    Raises:
        SpecError: with file, line, column and layer.
    """
    net = filter_net(net, phase, level, stages)
    for draft in insert_splits(_drafts(net), _losses(net)):
        if _kind_says(draft.proto, "runs_code"):
            continue
        try:
            layer = _make_layer(draft.proto, net.message.state.phase, net.file)
            layer.check_arity(len(draft.proto.bottom), _tops_wanted(layer))
        except SpecError as error:
            raise draft.explain(error) from None


def _drafts(net: Located[NetParameter]) -> list[Draft]:
    return [
        Draft(proto, net.place("layer", i), _locator(net, i))
        for i, proto in enumerate(net.message.layer)
    ]


def _locator(net: Located[NetParameter], index: int):  # type: ignore[no-untyped-def]
    return lambda *path: net.place("layer", index, *path)


def _losses(net: Located[NetParameter]) -> list[bool]:
    return [_kind_says(proto, "is_loss") for proto in net.message.layer]


def _kind_says(proto: LayerParameter, fact: str) -> bool:
    """A fact of the layer's type; what is wrong with the type is told elsewhere."""
    try:
        return bool(getattr(LAYERS[proto.type], fact))
    except SpecError:
        return False


@dataclass
class _Stage:
    """A layer with everything but its gradients decided."""

    draft: Draft
    layer: Layer
    tops: tuple[str, ...]
    bottom_shapes: Shapes
    top_shapes: Shapes
    params: tuple[int, ...]
    param_shapes: Shapes
    loss_weights: tuple[float, ...]


class _Builder:
    """Adds layers one by one; holds the blobs and parameters known so far."""

    def __init__(
        self, phase: int, feeding: Feeding, file: str, code: UserCode | None
    ) -> None:
        self.phase, self.file, self.code = phase, file, code
        self.feeding = feeding
        self.blobs: dict[str, Shape] = {}
        self.unread: set[str] = set()
        self.inputs: list[str] = []
        self.table = ParamTable()
        self.stages: list[_Stage] = []

    def add(self, draft: Draft) -> None:
        proto = draft.proto
        layer = _make_layer(proto, self.phase, self.file, self.code)
        bottom = tuple(self.blobs[name] for name in proto.bottom)
        layer.check_arity(len(bottom), _tops_wanted(layer))
        self._check_names(layer)
        tops = self._top_shapes(layer, bottom)
        specs = layer.params(bottom)
        check_fillers(proto, specs)
        stage = _Stage(
            draft=draft,
            layer=layer,
            tops=_top_names(proto, len(tops)),
            bottom_shapes=bottom,
            top_shapes=tops,
            params=self.table.add_layer(proto, specs),
            param_shapes=tuple(spec.shape for spec in specs),
            loss_weights=_loss_weights(layer, len(tops)),
        )
        self._publish(stage)

    def _top_shapes(self, layer: Layer, bottom: Shapes) -> Shapes:
        if not layer.is_source:
            return layer.infer_shapes(bottom)
        told, names = self.feeding.inputs, layer.proto.top
        shapes = self._source_shapes(layer, bottom)
        shapes = tuple(told.get(name, shape) for name, shape in zip(names, shapes))
        return tuple(_cut(shape, self.feeding.shards) for shape in shapes)

    def _source_shapes(self, layer: Layer, bottom: Shapes) -> Shapes:
        given = self.feeding.sources.get(layer.name)
        if given is not None:
            return given
        try:
            return layer.infer_shapes(bottom)
        except OpenShapeError:
            told, names = self.feeding.inputs, layer.proto.top
            if not all(name in told for name in names):
                raise
            return tuple(told[name] for name in names)

    def _check_names(self, layer: Layer) -> None:
        """A top may only take the name of an existing blob where it overwrites it."""
        bottoms = list(layer.proto.bottom)
        for t, name in enumerate(layer.proto.top):
            if name in layer.proto.top[:t]:
                raise _twice(name, t)
            if name not in self.blobs:
                continue
            if t >= len(bottoms) or bottoms[t] != name:
                raise _twice(name, t)
            if not layer.allows_in_place:
                raise SpecError(
                    f"cannot write its top over its bottom {name!r}.",
                    "Give the top a name of its own.",
                    field=f"top.{t}",
                )

    def _publish(self, stage: _Stage) -> None:
        self.stages.append(stage)
        for name in stage.layer.proto.bottom:
            self.unread.discard(name)
        for name, shape in zip(stage.tops, stage.top_shapes):
            self.blobs[name] = shape
        self.unread.update(stage.layer.proto.top)
        if stage.layer.type == "Input":
            self.inputs.extend(stage.tops)

    def finish(self, net: Located[NetParameter]) -> Graph:
        flows = [self._flow(stage) for stage in self.stages]
        mark_gradients(flows, net.message.force_backward)
        return Graph(
            name=net.message.name,
            file=net.file,
            phase=self.phase,
            nodes=tuple(map(_node, self.stages, flows)),
            params=tuple(self.table.params),
            blobs=self.blobs,
            inputs=tuple(self.inputs),
            outputs=tuple(sorted(self.unread)),
            shards=self.feeding.shards,
        )

    def _flow(self, stage: _Stage) -> Flow:
        params = [self.table.params[i] for i in stage.params]
        proto = stage.layer.proto
        if len(proto.propagate_down) not in (0, len(proto.bottom)):
            raise stage.draft.explain(
                SpecError(
                    f"has {len(proto.propagate_down)} propagate_down entries for "
                    f"{len(proto.bottom)} bottoms.",
                    "Give none, or one for each bottom.",
                    field="propagate_down",
                )
            )
        return Flow(
            bottoms=tuple(proto.bottom),
            tops=stage.tops,
            allowed=[
                stage.layer.allows_force_backward(b) for b in range(len(proto.bottom))
            ],
            propagate_down=tuple(proto.propagate_down),
            learns=[p.lr_mult != 0 for p in params],
            trainable=[p.trainable for p in params],
            loss=any(stage.loss_weights),
            open=stage.layer.open_bottoms,
        )


def _make_layer(
    proto: LayerParameter, phase: int, file: str, code: UserCode | None = None
) -> Layer:
    try:
        kind = LAYERS[proto.type]
    except SpecError as error:
        error.field = "type"
        fork = fork_of_type(proto.type)
        if fork and proto.type not in LAYERS:
            error.remedy = f"It comes from {fork}; netspec does not have it."
        raise
    given: dict[str, Any] = {"code": code} if kind.runs_code else {}
    return kind(proto, phase, file, **given)


def _tops_wanted(layer: Layer) -> int:
    """A loss may leave out the tops it must have; they are made without a name."""
    return max(len(layer.proto.top), layer.tops.least if layer.is_loss else 0)


def _twice(name: str, top: int) -> SpecError:
    return SpecError(
        f"top {name!r} is made by an earlier layer too.",
        "Rename it; to work in place a layer must be the only reader of its bottom.",
        field=f"top.{top}",
    )


def _cut(shape: Shape, shards: int) -> Shape:
    if shards == 1:
        return shape
    if not shape or shape[0] % shards:
        raise SpecError(
            f"a batch of shape {describe(shape)} cannot be cut into {shards} shards.",
            "Choose a batch_size that shards divides.",
        )
    return (shape[0] // shards, *shape[1:])


def _top_names(proto, tops: int) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    """Names of the tops; a loss may leave its top out, and gets one of its own."""
    spare = (f"{proto.name}:{t}" for t in range(len(proto.top), tops))
    return (*proto.top, *spare)


def _loss_weights(layer: Layer, tops: int) -> tuple[float, ...]:
    given = tuple(layer.proto.loss_weight)
    if not given and not layer.is_loss:
        return (0.0,) * tops
    if not given and tops == 1:
        return (1.0,)
    if len(given) != tops:
        raise SpecError(
            f"has {len(given)} loss_weight entries for {tops} tops.",
            "Give none, or one for each top.",
            field="loss_weight" if given else "",
        )
    return given


def _node(stage: _Stage, flow: Flow) -> Node:
    return Node(
        layer=stage.layer,
        bottoms=tuple(stage.layer.proto.bottom),
        tops=stage.tops,
        bottom_shapes=stage.bottom_shapes,
        top_shapes=stage.top_shapes,
        params=stage.params,
        param_shapes=stage.param_shapes,
        bottom_gradient=tuple(flow.bottom),
        param_gradient=tuple(flow.param),
        loss_weights=stage.loss_weights,
        place=stage.draft.place,
    )
