"""netspec draw: pictures of nets, with shapes on the arrows."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from netspec.cli.main import main

NET = """name: "drawn"
layer { name: "x" type: "Input" top: "x" include { phase: TEST }
  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 6 } } }
layer { name: "x" type: "DummyData" top: "x" include { phase: TRAIN }
  dummy_data_param { shape { dim: 5 dim: 3 dim: 8 dim: 6 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "w" type: "Parameter" top: "w"
  parameter_param { shape { dim: 7 } } include { stage: "extra" } }
"""
DATA = """layer { name: "d" type: "HDF5Data" top: "d"
  hdf5_data_param { source: "none.txt" batch_size: 2 } }
layer { name: "r" type: "InnerProduct" bottom: "d" top: "r"
  inner_product_param { num_output: 9 } }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "data.prototxt").write_text(DATA)
    return tmp_path


def labels(folder, *arguments: str) -> dict[tuple[str, str], str]:
    """Arrows and their labels, out of the DOT that a command writes."""
    assert main(["draw", *arguments, "out.dot"]) == 0
    arrow = re.compile(r'"(\S+)" -> "(\S+)"(?: \[label="(.*)"\])?;')
    found = arrow.findall((folder / "out.dot").read_text())
    return {(tail, head): label for tail, head, label in found}


@pytest.mark.smoke
def test_shapes_stand_on_the_arrows(folder, capsys):
    assert labels(folder, "net.prototxt") == {
        ("x_Input", "x_blob"): "2x3x8x6",
        ("x_blob", "c_Convolution"): "",
        ("c_Convolution", "c_blob"): "2x4x6x4",
        ("c_blob", "r_ReLU"): "",
        ("r_ReLU", "c_blob"): "",  # in place the shape stays
    }
    assert capsys.readouterr().out == "wrote out.dot: 3 layers\n"


def test_phase_and_stage_choose_the_layers(folder):
    train = labels(folder, "net.prototxt", "--phase", "train", "--stage", "extra")
    assert train["x_DummyData", "x_blob"] == "5x3x8x6"
    assert train["w_Parameter", "w_blob"] == "7"
    assert ("x_Input", "x_blob") not in train


def test_all_phases_show_the_shapes_that_they_share(folder):
    every = labels(folder, "net.prototxt", "--phase", "all", "--stage", "extra")
    assert {("x_Input", "x_blob"), ("x_DummyData", "x_blob")} < set(every)
    assert every["w_Parameter", "w_blob"] == "7"
    assert every["c_Convolution", "c_blob"] == "4"  # batches differ: channels alone


def test_without_shapes(folder):
    assert labels(folder, "net.prototxt", "--no-shapes")[
        "c_Convolution", "c_blob"
    ] == "4"  # fmt: skip


def test_a_layer_that_netspec_lacks_is_drawn_without_shapes(folder, capsys):
    text = NET.replace('"Convolution"', '"Convolution9"')
    (folder / "odd.prototxt").write_text(text)
    assert main(["draw", "odd.prototxt", "out.dot"]) == 3
    assert "unknown layer type 'Convolution9'" in capsys.readouterr().err
    found = labels(folder, "odd.prototxt", "--no-shapes")
    assert ("x_blob", "c_Convolution9") in found


def test_data_that_is_not_there_leaves_shapes_out(folder, capsys):
    found = labels(folder, "data.prototxt")
    assert found["r_InnerProduct", "r_blob"] == "9"
    said = capsys.readouterr().err
    assert said.startswith("netspec: no shapes of TEST: data.prototxt:2:21: layer 'd'")


def test_a_fault_of_the_net_is_told(folder, capsys):
    text = NET.replace("kernel_size: 3", "kernel_size: 9")
    (folder / "bad.prototxt").write_text(text)
    assert main(["draw", "bad.prototxt", "out.dot"]) == 3
    assert "kernel 9x9 does not fit" in capsys.readouterr().err
    assert not (folder / "out.dot").exists()


def test_svg_and_png(folder):
    assert main(["draw", "net.prototxt", "a.svg", "--rankdir", "LR"]) == 0
    texts = [e.text for e in ET.parse("a.svg").iter() if e.tag.endswith("text")]
    assert {"2x4x6x4", "c", "(Convolution)"} <= set(texts)
    assert main(["draw", "net.prototxt", "a.png", "--rankdir", "lr"]) == 0
    with Image.open("a.png") as image:
        assert image.width > 2 * image.height


def test_unknown_format_and_direction(folder, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert main(["draw", "net.prototxt", "a.pic"]) == 2
    assert "cannot be drawn as 'pic'" in capsys.readouterr().err
    assert main(["draw", "net.prototxt", "a.svg", "--rankdir", "up"]) == 2
    assert "unknown direction 'UP'" in capsys.readouterr().err
