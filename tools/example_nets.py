"""Examples of layers as nets that can be built and run."""

from __future__ import annotations

import sys
from types import ModuleType

from google.protobuf import text_format

from netspec.graph import PHASES, Feeding, Graph, build_graph
from netspec.layers import LAYERS
from netspec.layers.user_code import UserCode
from netspec.proto import LayerParameter, NetParameter
from netspec.shapes import describe
from netspec.spec import Located, parse_net, to_text
from tools.layer_examples import Double, Example, Shape

PYTHON_MODULE = "my_layers"


def blobs(text: str) -> dict[str, Shape | None]:
    """Names and shapes out of ``x 2x3x8x8, label 2``; None where none is given."""
    found: dict[str, Shape | None] = {}
    for part in filter(None, text.split(", ")):
        name, _, shape = part.partition(" ")
        found[name] = tuple(map(int, shape.split("x"))) if shape else None
    return found


def layer_of(type: str, example: Example) -> LayerParameter:
    """The layer's message; it is called as its type, in small letters."""
    layer = LayerParameter(name=type.lower(), type=type)
    layer.bottom.extend(blobs(example.bottoms))
    layer.top.extend(blobs(example.tops))
    text_format.Merge(example.body, layer)
    return layer


def net_of(type: str, example: Example) -> Located[NetParameter]:
    """The layer behind an Input for each bottom."""
    net = NetParameter(name=type)
    for name, shape in blobs(example.bottoms).items():
        source = net.layer.add(name=name, type="Input", top=[name])
        source.input_param.shape.add(dim=shape)
    net.layer.append(layer_of(type, example))
    return parse_net(to_text(net), f"<{type}>")


def feeding_of(type: str, example: Example) -> Feeding:
    """The shapes that a source's data would tell."""
    shapes = tuple(blobs(example.tops).values())
    given = {type.lower(): shapes} if None not in shapes and shapes else {}
    return Feeding(sources=given)  # type: ignore[arg-type]


def graph_of(type: str, example: Example) -> Graph:
    """The example's graph."""
    code = None
    if LAYERS[type].runs_code:
        module = ModuleType(PYTHON_MODULE)
        module.Double = Double  # type: ignore[attr-defined]
        sys.modules[PYTHON_MODULE] = module
        code = UserCode()
    phase, feeding = PHASES[example.phase], feeding_of(type, example)
    return build_graph(net_of(type, example), phase, feeding=feeding, code=code)


def shown(type: str, example: Example) -> str:
    """The layer as prototxt, under comments with the shapes around it."""
    graph = graph_of(type, example)
    node = next(n for n in graph.nodes if n.layer.name == type.lower())
    given = blobs(example.bottoms).items()
    bottoms = ", ".join(f"{name} {describe(shape or ())}" for name, shape in given)
    tops = ", ".join(f"{t} {describe(s)}" for t, s in zip(node.tops, node.top_shapes))
    params = ", ".join(map(describe, node.param_shapes))
    facts = {"bottoms": bottoms, "tops": tops, "parameters": params}
    head = "".join(f"# {what}: {text}\n" for what, text in facts.items() if text)
    layer = to_text(NetParameter(layer=[layer_of(type, example)]))
    return head + layer
