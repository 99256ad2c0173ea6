"""Nets as pictures."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from netspec.draw import Arrow, Box, Diagram, diagram_of, render, write
from netspec.draw.layout import lay_out, size_of
from netspec.errors import DataError, NetspecError, UsageError
from netspec.proto import TEST, TRAIN, NetParameter

TEXT = """
name: "two <phases>"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  data_param { batch_size: 64 } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  data_param { batch_size: 50 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { lr_mult: 0.5 } param { lr_mult: 3 }
  convolution_param { num_output: 7 kernel_h: 3 kernel_w: 5 stride: 2 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "all" type: "Pooling" bottom: "pool" top: "all"
  pooling_param { global_pooling: true } }
layer { name: "score" type: "InnerProduct" bottom: "all" top: "score"
  inner_product_param { num_output: 10 } }
layer { name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label"
  top: "accuracy" exclude { phase: TRAIN } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label"
  top: "loss" }
"""


@pytest.fixture
def net():
    return text_format.Parse(TEXT, NetParameter())


def ends(diagram):
    return {(a.tail, a.head): a.label for a in diagram.arrows}


@pytest.mark.smoke
def test_layers_blobs_and_arrows(net):
    diagram = diagram_of(net, rates=True)
    boxes, arrows = diagram.boxes, ends(diagram)
    assert boxes["conv_Convolution"].lines == (
        "conv",
        "(Convolution)",
        "kernel size: 3x5",
        "stride: 2",
        "pad: 0",
        "lr mult: 0.5, 3.0",
    )
    assert boxes["pool_Pooling"].lines[1:3] == ("(Pooling AVE)", "kernel size: 3")
    assert boxes["all_Pooling"].lines[2:] == ("kernel size: all",)
    assert boxes["score_InnerProduct"].lines[2:] == ("lr mult: 1.0, 1.0",)
    assert boxes["conv_blob"] == Box(("conv",), "#E0E0E0", corners=True)
    assert arrows["conv_Convolution", "conv_blob"] == "7"
    assert arrows["data_Data", "label_blob"] == "Batch 64 / Batch 50"
    # In place: there and back again.
    assert {("conv_blob", "relu_ReLU"), ("relu_ReLU", "conv_blob")} <= arrows.keys()


def test_one_phase(net):
    train, test = diagram_of(net, phase=TRAIN), diagram_of(net, phase=TEST)
    assert "accuracy_Accuracy" not in train.boxes
    assert "accuracy_Accuracy" in test.boxes
    assert ends(train)["data_Data", "data_blob"] == "Batch 64"
    assert ends(test)["data_Data", "data_blob"] == "Batch 50"


def test_shapes_in_place_of_labels(net):
    diagram = diagram_of(net, labels=False, shapes={"conv": (64, 7, 9, 8)})
    assert ends(diagram)["conv_Convolution", "conv_blob"] == "64x7x9x8"
    assert ends(diagram)["score_InnerProduct", "score_blob"] == ""


def test_dot():
    diagram = Diagram('a "name"', "LR")
    diagram.boxes = {
        "x": Box(("one", "back\\slash"), "#123456"),
        "y": Box(("b",), "#FFFFFF", True),
    }
    diagram.arrows = [Arrow("x", "y", "5"), Arrow("y", "x")]
    assert render(diagram, "dot").decode() == (
        'digraph "a \\"name\\"" {\n'
        "rankdir=LR;\n"
        '"x" [label="one\\nback\\\\slash", shape=box, style=filled, '
        'fillcolor="#123456"];\n'
        '"y" [label="b", shape=octagon, style=filled, fillcolor="#FFFFFF"];\n'
        '"x" -> "y" [label="5"];\n'
        '"y" -> "x";\n'
        "}\n"
    )


@pytest.mark.parametrize("direction", ["TB", "BT", "LR", "RL"])
def test_svg_holds_every_text_inside_its_picture(net, direction):
    root = ET.fromstring(render(diagram_of(net, direction), "svg"))
    space = "{http://www.w3.org/2000/svg}"
    width, height = float(root.get("width")), float(root.get("height"))
    texts = [t.text for t in root.iter(f"{space}text")]
    assert root.find(f"{space}title").text == "two <phases>"
    assert {"conv", "(Convolution)", "kernel size: 3x5", "7", "label"} <= set(texts)
    for shape in root.iter(f"{space}polygon"):
        for x, y in re.findall(r"([-\d.]+),([-\d.]+)", shape.get("points")):
            assert 0 <= float(x) <= width
            assert 0 <= float(y) <= height


def flow(layout, net_direction):
    sign = -1 if net_direction in ("BT", "RL") else 1
    axis = 0 if net_direction in ("LR", "RL") else 1
    first, last = (layout.places[k].centre[axis] for k in ("data_Data", "loss_blob"))
    return sign * (last - first)


@pytest.mark.parametrize("direction", ["TB", "BT", "LR", "RL"])
def test_data_flows_where_it_is_told_to(net, direction):
    layout = lay_out(diagram_of(net, direction))
    assert flow(layout, direction) > 300
    sideways = direction in ("LR", "RL")
    assert (layout.size[0] > layout.size[1]) == sideways


def overlap(a, b):
    near = [
        abs(p - q) * 2 < s + t for p, q, s, t in zip(a.centre, b.centre, a.size, b.size)
    ]
    return all(near)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=30),
    st.sampled_from(["TB", "LR"]),
)
def test_no_two_boxes_overlap(pairs, direction):
    diagram = Diagram("any", direction)
    for i in range(15):
        diagram.boxes[str(i)] = Box(("x" * (i % 4 + 1),) * (i % 3 + 1), "#FFFFFF")
    diagram.arrows = [Arrow(str(a), str(b)) for a, b in pairs if a != b]
    layout = lay_out(diagram)
    places = list(layout.places.values())
    assert [p.size for p in places] == [size_of(b) for b in diagram.boxes.values()]
    for i, place in enumerate(places):
        assert not any(overlap(place, other) for other in places[:i])
        for axis in (0, 1):
            assert place.size[axis] / 2 <= place.centre[axis] + 1e-6
            assert place.centre[axis] + place.size[axis] / 2 <= layout.size[axis] + 1e-6
    render(diagram, "svg")


def test_png_shows_the_colours(net):
    image = Image.open(io.BytesIO(render(diagram_of(net, "LR"), "png")))
    pixels = np.asarray(image).reshape(-1, 3)
    for colour in ("FF5050", "FF9900", "CC33FF", "90EE90", "E0E0E0"):
        wanted = list(bytes.fromhex(colour))
        assert (pixels == wanted).all(axis=1).sum() > 500, colour


def test_a_huge_picture_is_made_smaller(monkeypatch, net):
    monkeypatch.setattr("netspec.draw.png._MOST_PIXELS", 20_000)
    image = Image.open(io.BytesIO(render(diagram_of(net), "png")))
    assert image.width * image.height <= 22_000


def test_the_end_of_the_name_is_the_format(net, tmp_path):
    for name in ("a.svg", "b.PNG", "c.dot", "d.gv"):
        write(diagram_of(net), tmp_path / name)
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    assert (tmp_path / "b.PNG").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "c.dot").read_text() == (tmp_path / "d.gv").read_text()


def test_other_formats_are_graphvizs(net, monkeypatch, tmp_path):
    program = tmp_path / "dot"
    program.write_text(
        '#!/bin/sh\nif [ "$1" = -Tps ]; then echo "drawn $1"; cat\n'
        "else echo no such thing >&2; exit 1; fi\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    assert render(diagram_of(net), "ps").startswith(b"drawn -Tps\ndigraph")
    with pytest.raises(UsageError, match="Graphviz cannot draw 'pfd': no such thing"):
        render(diagram_of(net), "pfd")


def test_what_cannot_be_drawn(net, monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda name: None)
    both = text_format.Parse(
        'layer { name: "a" type: "ReLU" '
        'include { phase: TEST } exclude { stage: "b" } }',
        NetParameter(),
    )
    refused = [
        (
            lambda: render(diagram_of(net), "pdf"),
            "a diagram cannot be drawn as 'pdf'.\n"
            "  Choose from dot, gv, raw, svg, png, or install Graphviz, which draws "
            "more.",
        ),
        (
            lambda: diagram_of(net, "LT"),
            "unknown direction 'LT'.\n  Known are: BT, LR, RL, TB.",
        ),
        (
            lambda: diagram_of(both, phase=TEST),
            "layer 'a' (ReLU): it has include rules and exclude rules.\n"
            "  Keep one kind.",
        ),
    ]
    for act, text in refused:
        with pytest.raises(NetspecError) as caught:
            act()
        assert str(caught.value) == text
    with pytest.raises(DataError, match="no folder"):
        write(diagram_of(net), tmp_path / "no" / "a.svg")


def test_a_net_without_layers():
    for kind in ("svg", "png", "dot"):
        assert render(diagram_of(NetParameter()), kind)


@pytest.mark.parametrize("direction", ["LR", "RL", "TB"])
def test_labels_find_room_between_their_boxes(direction):
    long = "16x1024x128x128"
    boxes = {key: Box((key,), "#FFFFFF") for key in "abc"}
    arrows = [Arrow("a", "b", long), Arrow("a", "c", long)]
    layout = lay_out(Diagram("d", direction, boxes, arrows))
    (ax, _), (bx, _), (cx, _) = (layout.places[key].centre for key in "abc")
    room = len(long) * 6  # narrower than the font is
    if direction == "TB":
        assert abs(bx - cx) / 2 > room
    else:
        assert abs(ax - bx) - size_of(boxes["a"])[0] > room
