"""Graphs from text: shapes, splits, sharing, and what is refused."""

from __future__ import annotations

import pytest

from netspec.errors import OpenShapeError, SpecError
from netspec.graph import Feeding, Graph, build_graph
from netspec.graph.batch import with_batch
from netspec.layers import LAYERS
from netspec.proto import TRAIN
from netspec.spec import parse_net
from netspec.spec.forks import FORKS_OF_TYPES

INPUT = (
    'layer { name: "x" type: "Input" top: "x" '
    "input_param { shape { dim: 6 dim: 3 dim: 9 dim: 11 } } }"
)


def graph(text: str, **options) -> Graph:
    return build_graph(parse_net(INPUT + "\n" + text, "n.prototxt"), TRAIN, **options)


def relu(bottom: str, top: str, name: str = "r") -> str:
    return f'layer {{ name: "{name}" type: "ReLU" bottom: "{bottom}" top: "{top}" }}\n'


def conv(bottom: str, top: str, more: str = "", name: str = "c") -> str:
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top}" '
        f"{more} convolution_param {{ num_output: 4 kernel_size: 3 }} }}\n"
    )


@pytest.mark.smoke
def test_shapes_and_parameters() -> None:
    built = graph(conv("x", "y") + relu("y", "y"))
    assert built.blobs == {"x": (6, 3, 9, 11), "y": (6, 4, 7, 9)}
    assert [p.key for p in built.params] == ["c/0", "c/1"]
    assert built.parameter_count == 4 * 3 * 9 + 4
    assert built.inputs == ("x",)
    assert built.outputs == ("y",)


def test_a_blob_read_twice_is_split_by_caffes_names() -> None:
    built = graph(relu("x", "a", "ra") + relu("x", "b", "rb"))
    split = built.node("x_x_0_split")
    assert split.tops == ("x_x_0_split_0", "x_x_0_split_1")
    assert [built.node(n).bottoms for n in ("ra", "rb")] == [
        ("x_x_0_split_0",),
        ("x_x_0_split_1",),
    ]


def test_in_place_first_and_then_read_by_two() -> None:
    built = graph(relu("x", "x", "r0") + relu("x", "a", "ra") + relu("x", "b", "rb"))
    assert [n.name for n in built.nodes] == ["x", "r0", "x_r0_0_split", "ra", "rb"]


def test_a_shared_parameter_is_one() -> None:
    share = 'param { name: "w" } param { name: "b" }'
    built = graph(conv("x", "y", share) + conv("x", "z", share, "d"))
    assert [p.key for p in built.params] == ["c/0", "c/1"]
    assert built.node("d").params == built.node("c").params


def test_no_type_is_told_to_be_missing_that_is_not() -> None:
    assert not set(FORKS_OF_TYPES) & set(LAYERS)


def test_sources_are_cut_into_shards() -> None:
    built = graph(relu("x", "y"), feeding=Feeding(shards=3))
    assert built.blobs["y"] == (2, 3, 9, 11)
    assert built.shards == 3


REFUSED = {
    "unknown bottom": (
        relu("xx", "y"),
        "n.prototxt:2:32: layer 'r' (ReLU): bottom 0 is blob 'xx', which no layer "
        "before it makes.\n  Did you mean 'x'?",
    ),
    "top made twice": (
        relu("x", "y") + relu("x", "y", "s"),
        "n.prototxt:3:44: layer 's' (ReLU): top 'y' is made by an earlier layer too.\n"
        "  Rename it; to work in place a layer must be the only reader of its bottom.",
    ),
    "unknown type": (
        'layer { name: "l" type: "Konvolution" bottom: "x" top: "y" }',
        "n.prototxt:2:19: layer 'l' (Konvolution): unknown layer type 'Konvolution'.\n"
        "  Did you mean 'Convolution'?",
    ),
    "type of a fork": (
        'layer { name: "l" type: "VideoData" bottom: "x" top: "y" }',
        "n.prototxt:2:19: layer 'l' (VideoData): unknown layer type 'VideoData'."
        "\n  It comes from the SSD fork (weiliu89/caffe); netspec does not have it.",
    ),
    "too many params": (
        conv("x", "y", "param {} param {} param {}"),
        "n.prototxt:2:78: layer 'c' (Convolution): has 3 param entries for 2 "
        "parameters.\n  Remove the surplus entries.",
    ),
    "two rates": (
        conv("x", "y", 'param { name: "w" lr_mult: 2 }')
        + conv("x", "z", 'param { name: "w" lr_mult: 3 }', "d"),
        "n.prototxt:3:78: layer 'd' (Convolution): lr_mult of shared parameter 'w' is "
        "3 here and 2 before.\n  A shared parameter has one rate: give it once.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    text, message = REFUSED[case]
    with pytest.raises(SpecError) as caught:
        graph(text)
    assert str(caught.value) == message


def test_another_batch_of_a_source_whose_size_only_its_data_tells():
    text = (
        'layer { name: "d" type: "Data" top: "x" top: "label" '
        'data_param { source: "absent" batch_size: 8 backend: LMDB } }'
    )
    net = parse_net(text + "\n" + relu("x", "y"), "n.prototxt")
    feeding = Feeding(sources={"d": ((8, 3, 5, 7), (8,))})
    whole = build_graph(net, TRAIN, feeding=feeding)
    rest = build_graph(net, TRAIN, feeding=with_batch(whole, 3))
    assert rest.blobs == {"x": (3, 3, 5, 7), "label": (3,), "y": (3, 3, 5, 7)}
    with pytest.raises(OpenShapeError):
        build_graph(net, TRAIN, feeding=Feeding(inputs={"x": (3, 3, 5, 7)}))
