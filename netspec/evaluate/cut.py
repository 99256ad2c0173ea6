"""The part of a net that computes some blobs from its pictures.

A net that was written to be trained reads a database, and computes losses and
accuracies beside its scores; to look at pictures one at a time, or to read a blob in
the middle, only the layers above that blob are of use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from netspec.data.feeds import known_shapes
from netspec.errors import UsageError
from netspec.evaluate.located import with_layers
from netspec.graph import Feeding, build_graph
from netspec.graph.graph import Graph
from netspec.layers import LAYERS
from netspec.proto import TEST, FillerParameter, LayerParameter, NetParameter
from netspec.registry import suggest
from netspec.shapes import Shape, describe
from netspec.spec import Located, filter_net


@dataclass(frozen=True)
class Cut:
    """A net of one input, the pictures, that ends in the blobs asked for.

    Attributes:
        net: its layers; the pictures come from an Input layer.
        input: the name of that blob.
        shape: one picture (C, H, W).
        blobs: those asked for.
        source: the layer that the pictures came from.
    """

    net: Located[NetParameter]
    input: str
    shape: Shape
    blobs: tuple[str, ...]
    source: LayerParameter


def cut(
    net: Located[NetParameter], blobs: Sequence[str], before: int | None = None
) -> Cut:
    """The part of a net that computes *blobs*.

    Args:
        net: of one phase, as :func:`netspec.spec.filter_net` gives it.
        before: leave out the layers from this one on.

    Raises:
        UsageError: no such blob, or one that depends on several inputs or on none.
        SpecError, DataError: the net or its source is wrong.
    """
    graph = _whole_graph(net)
    layers = list(net.message.layer)[:before]
    _check_made(layers, blobs)
    kept = _ancestors(layers, blobs)
    source = _source(layers, kept, blobs)
    top = _picture_top(layers, kept, source)
    shape = graph.blobs[top]
    if len(shape) != 4:
        raise UsageError(
            f"input {top!r} has shape {describe(shape)}.",
            "Pictures are N x C x H x W.",
        )
    shown = _input(layers[source], top, shape)
    pairs = [(i, shown if i == source else _bare(layers[i])) for i in kept]
    return Cut(with_layers(net, pairs), top, shape[1:], tuple(blobs), layers[source])


def _bare(layer: LayerParameter) -> LayerParameter:
    """A layer without rules, which were obeyed, and fillers, as weights are loaded."""
    bare = LayerParameter()
    bare.CopyFrom(layer)
    bare.ClearField("include")
    bare.ClearField("exclude")
    if LAYERS[layer.type].is_source:
        return bare
    for outer, message in bare.ListFields():
        if outer.name.endswith("_param"):
            for inner, _ in message.ListFields():
                if inner.message_type is FillerParameter.DESCRIPTOR:
                    message.ClearField(inner.name)
    return bare


def _check_made(layers: Sequence[LayerParameter], blobs: Sequence[str]) -> None:
    made = {top for layer in layers for top in layer.top}
    by_layer = {layer.name: layer.top for layer in layers}
    for name in blobs:
        if name not in made:
            tops = ", ".join(map(repr, by_layer.get(name, [])))
            remedy = f"The layer of that name makes {tops}." if tops else ""
            problem = f"the net has no blob {name!r}."
            raise UsageError(problem, remedy or suggest(name, made))


def _whole_graph(net: Located[NetParameter]) -> Graph:
    return build_graph(
        net, net.message.state.phase, net.message.state.level,
        feeding=Feeding(sources=known_shapes(net)),
    )  # fmt: skip


def _ancestors(layers: Sequence[LayerParameter], blobs: Iterable[str]) -> list[int]:
    """Indices of the layers that *blobs* follow from, in-place ones included."""
    needed, kept = set(blobs), []
    for i in reversed(range(len(layers))):
        if needed & set(layers[i].top):
            kept.append(i)
            needed.update(layers[i].bottom)
    return kept[::-1]


def _source(
    layers: Sequence[LayerParameter], kept: Sequence[int], blobs: Sequence[str]
) -> int:
    """The one layer that feeds the kept ones from outside."""
    fed = [i for i in kept if _is_fed(layers[i])]
    if len(fed) != 1:
        names = ", ".join(repr(layers[i].name) for i in fed) or "none"
        raise UsageError(
            f"{', '.join(map(repr, blobs))} depends on {len(fed)} inputs ({names}).",
            "A net that looks at pictures has one.",
        )
    return fed[0]


def _is_fed(layer: LayerParameter) -> bool:
    kind = LAYERS[layer.type]
    return kind.is_source and not kind.fills_itself


def _picture_top(
    layers: Sequence[LayerParameter], kept: Sequence[int], source: int
) -> str:
    """The top of the source that the kept layers read; the first, where none does."""
    tops = layers[source].top
    read = {b for i in kept for b in layers[i].bottom}
    used = [top for top in tops if top in read]
    if len(used) > 1:
        raise UsageError(
            f"layer {layers[source].name!r} feeds {len(used)} blobs to the net: "
            f"{', '.join(map(repr, used))}.",
            "A net that looks at pictures has one input.",
        )
    return used[0] if used else tops[0]


def _input(source: LayerParameter, top: str, shape: Shape) -> LayerParameter:
    layer = LayerParameter(name=source.name, type="Input", top=[top])
    layer.input_param.shape.add().dim.extend(shape)
    return layer


def in_test_phase(
    net: Located[NetParameter], level: int = 0, stages: Sequence[str] = ()
) -> Located[NetParameter]:
    """The net's layers in phase TEST."""
    return filter_net(net, TEST, level, stages)
