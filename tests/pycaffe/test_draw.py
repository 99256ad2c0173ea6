"""``caffe.draw``."""

from __future__ import annotations

import pytest
from google.protobuf import text_format

from netspec.pycaffe import draw
from netspec.pycaffe.proto import caffe_pb2

NET = text_format.Parse(
    """
    layer { name: "in" type: "Input" top: "in" }
    layer { name: "conv" type: "Convolution" bottom: "in" top: "conv"
      param { lr_mult: 0.5 } convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
    layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv"
      include { phase: TRAIN } }
    """,
    caffe_pb2.NetParameter(),
)
CONV = NET.layer[1]


def test_labels_as_graphviz_takes_them():
    assert draw.get_layer_label(CONV, "TB") == (
        '"conv (Convolution) kernel size: 3 stride: 1 pad: 1"'
    )
    assert draw.get_layer_label(CONV, "LR", display_lrm=True) == (
        r'"conv\n(Convolution)\nkernel size: 3\nstride: 1\npad: 1\nlr mult: 0.5, 1.0"'
    )
    assert (draw.get_edge_label(CONV), draw.get_edge_label(NET.layer[0])) == ("4", '""')
    assert draw.get_layer_lr_mult(CONV) == (0.5, 1.0)
    with pytest.raises(ValueError, match="a Dropout layer has no weights"):
        draw.get_layer_lr_mult(NET.layer[2])


def test_colours_and_styles():
    assert draw.choose_color_by_layertype("Pooling") == "#FF9900"
    assert draw.choose_color_by_layertype("Else") == "#6495ED"
    assert draw.LAYER_STYLE_DEFAULT["fillcolor"] == "#6495ED"
    assert draw.NEURON_LAYER_STYLE["fillcolor"] == "#90EE90"
    assert draw.BLOB_STYLE["shape"] == "octagon"
    assert draw.get_pooling_types_dict() == {0: "MAX", 1: "AVE", 2: "STOCHASTIC"}


@pytest.mark.smoke
def test_drawing_to_files_and_strings(tmp_path):
    draw.draw_net_to_file(NET, str(tmp_path / "net.svg"), "TB", caffe_pb2.TEST)
    text = (tmp_path / "net.svg").read_text()
    assert "conv" in text
    assert "drop" not in text
    assert draw.draw_net(NET, "LR").startswith(b"\x89PNG")
    graph = draw.get_pydot_graph(NET, "LR", label_edges=False)
    assert '"conv_Convolution" -> "conv_blob";' in graph.to_string()
    assert graph.create(format="dot").decode() == graph.to_string()
    for name, kind in (("a", "raw"), ("b", "png"), ("c", "svg")):
        write = graph.write if kind == "raw" else getattr(graph, f"write_{kind}")
        assert write(str(tmp_path / name))
    assert (tmp_path / "a").read_text() == graph.to_string()
    assert (tmp_path / "b").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "c").read_text().startswith("<svg")


def test_every_net_of_caffe_can_be_drawn(shared_data):
    folder = shared_data / "prototxt" / "bvlc_all"
    nets = [p for p in sorted(folder.glob("*.prototxt")) if "solver" not in p.name]
    assert len(nets) > 20
    for path in nets:
        net = text_format.Parse(path.read_text(), caffe_pb2.NetParameter())
        before = net.SerializeToString()
        assert draw.draw_net(net, "LR", "svg")
        assert net.SerializeToString() == before
