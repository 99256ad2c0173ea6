"""``caffe.draw``: nets as pictures, without pydot or Graphviz."""

from __future__ import annotations

from os import PathLike

from netspec.draw import Diagram, diagram_of, render, write
from netspec.draw.from_net import BLOB, COLOURS, IN_PLACE, OTHER
from netspec.draw.labels import LEARNING, layer_lines, output_label, rate_multipliers
from netspec.proto import LayerParameter, NetParameter, PoolingParameter
from netspec.pycaffe.faults import BadValueError
from netspec.spec import Located, Places
from netspec.spec.upgrade import upgrade_net

LAYER_STYLE_DEFAULT = {"shape": "record", "fillcolor": OTHER, "style": "filled"}
NEURON_LAYER_STYLE = {"shape": "record", "fillcolor": IN_PLACE, "style": "filled"}
BLOB_STYLE = {"shape": "octagon", "fillcolor": BLOB, "style": "filled"}


def get_pooling_types_dict() -> dict[int, str]:
    """Names of pooling methods by number."""
    return {number: name for name, number in PoolingParameter.PoolMethod.items()}


def get_edge_label(layer: LayerParameter) -> str:
    """What stands on the arrows from a layer."""
    return output_label(layer) or '""'


def get_layer_lr_mult(layer: LayerParameter) -> tuple[float, float]:
    """Multipliers of the learning rate, of weights and bias.

    Raises:
        BadValueError: a layer of another type than those with weights and bias.
    """
    if layer.type not in LEARNING:
        raise BadValueError(
            f"a {layer.type} layer has no weights and bias.",
            f"Ask for one of {', '.join(LEARNING)}.",
        )
    return rate_multipliers(layer)


def get_layer_label(
    layer: LayerParameter, rankdir: str, display_lrm: bool = False
) -> str:
    """What stands in a layer's box, in quotes, as Graphviz takes it."""
    separator = " " if rankdir in ("TB", "BT") else r"\n"
    return f'"{separator.join(layer_lines(layer, display_lrm))}"'


def choose_color_by_layertype(layertype: str) -> str:
    """The colour of a layer's box."""
    return COLOURS.get(layertype, OTHER)


class Graph:
    """A drawing with the methods of pydot's that programs use."""

    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram

    def to_string(self) -> str:
        """The graph in Graphviz's language."""
        return render(self.diagram, "dot").decode()

    def create(self, prog: str | None = None, format: str = "png") -> bytes:
        """A file's bytes; *prog* does not count."""
        return render(self.diagram, format)

    def write(
        self, path: str | PathLike[str], prog: str | None = None, format: str = "raw"
    ) -> bool:
        """Draw into a file; *prog* does not count, nor the end of the name."""
        write(self.diagram, path, format)
        return True

    def write_png(self, path: str | PathLike[str]) -> bool:
        """Draw into a PNG file."""
        return self.write(path, format="png")

    def write_svg(self, path: str | PathLike[str]) -> bool:
        """Draw into an SVG file."""
        return self.write(path, format="svg")


def get_pydot_graph(
    caffe_net: NetParameter,
    rankdir: str,
    label_edges: bool = True,
    phase: int | None = None,
    display_lrm: bool = False,
) -> Graph:
    """The drawing of a net.

    Args:
        caffe_net: old spellings are understood.
        rankdir: TB, BT, LR or RL: where data flows.
        label_edges: write on the arrows what layers make.
        phase: leave out layers that are not in it; None: draw all.
        display_lrm: write the multipliers of learning rates into the layers.
    """
    net = NetParameter()
    net.CopyFrom(caffe_net)
    upgrade_net(Located(net, Places("<net>")))
    return Graph(
        diagram_of(net, rankdir, labels=label_edges, phase=phase, rates=display_lrm)
    )


def draw_net(
    caffe_net: NetParameter,
    rankdir: str,
    ext: str = "png",
    phase: int | None = None,
    display_lrm: bool = False,
) -> bytes:
    """A net as a file's bytes in the format *ext*; the rest as get_pydot_graph."""
    graph = get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm)
    return graph.create(format=ext)


def draw_net_to_file(
    caffe_net: NetParameter,
    filename: str | PathLike[str],
    rankdir: str = "LR",
    phase: int | None = None,
    display_lrm: bool = False,
) -> None:
    """Draw a net into a file; the end of its name is the format.

    dot, svg and png need nothing else; any other format needs Graphviz.

    Raises:
        UsageError: an unknown direction or format.
        DataError: the file cannot be written.
    """
    graph = get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm)
    write(graph.diagram, filename)
