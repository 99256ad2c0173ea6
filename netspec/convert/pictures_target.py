"""The targets that are pictures of a net: DOT, SVG, PNG and Mermaid."""

from __future__ import annotations

from netspec.convert.mermaid import to_mermaid
from netspec.convert.request import Outcome, Request, target
from netspec.convert.source import Kind, kind_of, read_any_net
from netspec.draw import Diagram, diagram_of, render
from netspec.errors import NetspecError
from netspec.files import replacing
from netspec.graph import PHASES, build_graph
from netspec.proto import NetParameter
from netspec.shapes import Shape
from netspec.spec import Located, filter_net


def _diagram(request: Request) -> Diagram:
    """The net in TEST, or as an ONNX file has it, with shapes where they are known."""
    if kind_of(request.source) is Kind.ONNX:
        from netspec.convert.from_onnx import import_onnx

        net = import_onnx(request.source, request.shapes).net
    else:
        net = read_any_net(request.source)
    net = filter_net(net, PHASES["test"], request.level, request.stages)
    return diagram_of(net.message, shapes=_shapes(net))


def _shapes(net: Located[NetParameter]) -> dict[str, Shape]:
    """Shapes of the blobs; none where only the data would tell them."""
    try:
        return build_graph(net, PHASES["test"]).blobs
    except NetspecError:
        return {}


def _write(request: Request, data: bytes) -> Outcome:
    with replacing(request.out) as temporary:
        temporary.write_bytes(data)
    return Outcome((request.out,))


@target("dot", "a graph for Graphviz")
def convert_to_dot(request: Request) -> Outcome:
    """Write DOT."""
    return _write(request, render(_diagram(request), "dot"))


@target("svg", "a picture of the net, to be scaled")
def convert_to_svg(request: Request) -> Outcome:
    """Write SVG."""
    return _write(request, render(_diagram(request), "svg"))


@target("png", "a picture of the net")
def convert_to_png(request: Request) -> Outcome:
    """Write PNG."""
    return _write(request, render(_diagram(request), "png"))


@target("mermaid", "a graph for Markdown that draws Mermaid")
def convert_to_mermaid(request: Request) -> Outcome:
    """Write Mermaid."""
    return _write(request, to_mermaid(_diagram(request)).encode())
