"""Places: of fields as written, after an upgrade, after a filter."""

from __future__ import annotations

import pytest

from netspec.errors import Place
from netspec.proto import TEST, NetParameter
from netspec.spec import Located, Places, filter_net, parse_net
from netspec.spec.read import parse_as_written

NET = """\
# a comment
name: "n"
layer {
  name: "data" type: "Input" top: "data" include { phase: TRAIN }
}
layer {
  name: "conv"
  convolution_param {
    kernel_size: [3, 5]
    weight_filler { type: "xavier" }
  }
  top: "a"
  top: "b"
}
"""


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("name",), 2, 1),
        (("layer", 0), 3, 1),
        (("layer", 0, "top", 0), 4, 30),
        (("layer", 1), 6, 1),
        (("layer", 1, "convolution_param"), 8, 3),
        (("layer", 1, "convolution_param", "kernel_size", 1), 9, 22),
        (("layer", 1, "convolution_param", "kernel_size"), 9, 19),
        (("layer", 1, "convolution_param", "weight_filler", "type"), 10, 21),
        (("layer", 1, "top", 1), 13, 3),
        (("layer", 1, "top", "1"), 13, 3),
        # What is not there has the place of what encloses it.
        (("layer", 1, "convolution_param", "group"), 8, 3),
        (("layer", 1, "pooling_param", "pool"), 6, 1),
        (("layer", 1, "top", 2), 6, 1),
        (("layer", 1, ""), 6, 1),
    ],
)
def test_places_of_fields(path, line, column):
    assert parse_net(NET, "n.prototxt").place(*path) == Place(
        "n.prototxt", line, column
    )


def test_what_stands_nowhere_has_the_file():
    net = parse_net(NET, "n.prototxt")
    assert net.place("layer", 7, "name") == Place("n.prototxt")
    assert net.place() == Place("n.prototxt")


def test_a_message_without_text_has_the_file():
    net = Located(NetParameter(), Places("n.caffemodel"))
    assert net.place("layer", 0, "name") == Place("n.caffemodel")


def test_places_follow_a_filter():
    net = filter_net(parse_net(NET, "n.prototxt"), TEST)
    assert [layer.name for layer in net.message.layer] == ["conv"]
    assert net.place("layer", 0, "top", 0).line == 12


V1 = """\
input: "data"
input_dim: [1, 3, 8, 9]
layers {
  name: "conv" type: CONVOLUTION bottom: "data" top: "conv"
  blobs_lr: 1
  blobs_lr: 2
  weight_decay: 0.5
  convolution_param { kernel_size: 3
    num_output: 4 }
}
layers { type: DATA
  data_param {
    mean_file: "m" } }
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("layer", 0), 1),
        (("layer", 0, "input_param", "shape", 0), 2),
        (("layer", 1), 3),
        (("layer", 1, "type"), 4),
        (("layer", 1, "param", 1, "lr_mult"), 6),
        (("layer", 1, "param", 0, "decay_mult"), 7),
        (("layer", 1, "convolution_param", "num_output"), 9),
        (("layer", 2, "transform_param", "mean_file"), 13),
    ],
)
def test_places_follow_an_upgrade_from_v1(path, line):
    assert parse_net(V1).place(*path).line == line


V0 = """\
input: "data" input_dim: [1, 3, 8, 9]
layers {
  layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "pad"
}
layers {
  layer { name: "conv" type: "conv"
    num_output: 4
    kernelsize: 3
    blobs_lr: 1
    blobs_lr: 2
    meanfile: "m"
  }
  bottom: "pad"
  top: "conv"
}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("layer", 1), 5),
        (("layer", 1, "type"), 6),
        (("layer", 1, "convolution_param", "num_output"), 7),
        (("layer", 1, "convolution_param", "kernel_size", 0), 8),
        (("layer", 1, "param", 1, "lr_mult"), 10),
        (("layer", 1, "transform_param", "mean_file"), 11),
        (("layer", 1, "bottom", 0), 13),
        # The padding came from another layer: its own reader is where it is.
        (("layer", 1, "convolution_param", "pad", 0), 6),
    ],
)
def test_places_follow_an_upgrade_from_v0(path, line):
    assert parse_net(V0).place(*path).line == line


def test_columns_count_characters():
    net = parse_as_written('name: "é😀" input: "x"', NetParameter())
    assert net.place("input", 0).column == 12
