"""From a net's message to its diagram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netspec.draw.diagram import DIRECTIONS, Arrow, Box, Diagram
from netspec.draw.labels import layer_lines, output_label
from netspec.errors import SpecError, UsageError
from netspec.proto import LayerParameter, NetParameter, NetStateRule
from netspec.registry import suggest
from netspec.shapes import Shape, describe

BLOB = "#E0E0E0"
IN_PLACE = "#90EE90"
OTHER = "#6495ED"
COLOURS = {
    "Convolution": "#FF5050",
    "Deconvolution": "#FF5050",
    "Pooling": "#FF9900",
    "InnerProduct": "#CC33FF",
}


def diagram_of(
    net: NetParameter,
    direction: str = "TB",
    *,
    labels: bool = True,
    phase: int | None = None,
    rates: bool = False,
    shapes: Mapping[str, Shape] | None = None,
) -> Diagram:
    """The diagram of a net: its layers, the blobs between them, and the arrows.

    Args:
        net: in today's spelling.
        labels: write on the arrows what layers make.
        phase: leave out layers that are not in it; None: draw all.
        rates: write the multipliers of learning rates into the layers.
        shapes: of the blobs; they are then written on the arrows to them.

    Raises:
        UsageError: an unknown direction.
        SpecError: a layer with include and exclude rules.
    """
    if direction not in DIRECTIONS:
        problem = f"unknown direction {direction!r}."
        raise UsageError(problem, suggest(direction, DIRECTIONS))
    diagram = Diagram(net.name or "Net", direction)
    for layer in net.layer:
        if phase is None or _is_in(layer, phase):
            _add(diagram, layer, labels, rates, shapes or {})
    return diagram


def _is_in(layer: LayerParameter, phase: int) -> bool:
    """Whether the phases of a layer's rules let it be in; other rules do not count."""
    if layer.include and layer.exclude:
        raise SpecError(
            "it has include rules and exclude rules.",
            "Keep one kind.",
            layer=(layer.name, layer.type),
        )
    if layer.include:
        return any(_may_be(rule, phase) for rule in layer.include)
    return not any(r.HasField("phase") and r.phase == phase for r in layer.exclude)


def _may_be(rule: NetStateRule, phase: int) -> bool:
    return not rule.HasField("phase") or rule.phase == phase


def _add(
    diagram: Diagram,
    layer: LayerParameter,
    labels: bool,
    rates: bool,
    shapes: Mapping[str, Shape],
) -> None:
    key = f"{layer.name}_{layer.type}"
    for name in layer.bottom:
        diagram.boxes.setdefault(f"{name}_blob", Box((name,), BLOB, True))
        _point(diagram, Arrow(f"{name}_blob", key))
    in_place = list(layer.bottom) == list(layer.top) and len(layer.top) == 1
    colour = IN_PLACE if in_place else COLOURS.get(layer.type, OTHER)
    diagram.boxes[key] = Box(layer_lines(layer, rates), colour)
    for name in layer.top:
        diagram.boxes.setdefault(f"{name}_blob", Box((name,), BLOB, True))
        label = output_label(layer) if labels else ""
        if name in shapes:  # in place the shape stays what it was
            label = "" if name in layer.bottom else describe(shapes[name])
        _point(diagram, Arrow(key, f"{name}_blob", label))


def _point(diagram: Diagram, arrow: Arrow) -> None:
    """Add an arrow; layers of one name in two phases are one box, with both labels."""
    for i, known in enumerate(diagram.arrows):
        if (known.tail, known.head) == (arrow.tail, arrow.head):
            labels = dict.fromkeys((*known.label.split(" / "), arrow.label))
            diagram.arrows[i] = replace(known, label=" / ".join(filter(None, labels)))
            return
    diagram.arrows.append(arrow)
