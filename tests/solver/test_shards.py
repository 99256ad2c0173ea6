from __future__ import annotations

import pytest

from netspec.errors import SpecError
from netspec.graph import build_graph
from netspec.proto import TRAIN
from netspec.solver.shards import choose_cut, label_source
from netspec.spec import parse_net, parse_solver

DATA = """
  layer { name: "data" type: "MemoryData" top: "data" top: "label"
    memory_data_param { batch_size: BATCH channels: 3 height: 4 width: 5 } }
"""
SCORE = """
  layer { name: "score" type: "InnerProduct" bottom: "data" top: "score"
    inner_product_param { num_output: 4 } }
"""
LOSS = """
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "LABEL" top: "l"
    loss_param { IGNORE } }
"""
COUPLED = 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "data" }'
# Arithmetic on labels: they are no longer what the data layer gave.
COMPUTED = 'layer { name: "less" type: "Power" bottom: "label" top: "less" }'
TWICE = 'layer { name: "quiet" type: "Silence" bottom: "label" }'
INPUT = """
  layer { name: "data" type: "Input" top: "data" top: "label"
    input_param { shape { dim: 64 dim: 60 } shape { dim: 64 } } }
"""
OTHER_BATCH = """
  layer { name: "more" type: "DummyData" top: "more"
    dummy_data_param { shape { dim: 7 dim: 2 } data_filler { type: "constant" } } }
  layer { name: "quiet" type: "Silence" bottom: "more" }
"""


def net(*parts, batch=64, ignore="", label="label"):
    text = "".join(parts) + SCORE + LOSS
    text = text.replace("BATCH", str(batch)).replace("IGNORE", ignore)
    return build_graph(parse_net(text.replace("LABEL", label), "n.prototxt"), TRAIN)


def cut(graph, shards=None):
    text = "" if shards is None else f"\nshards: {shards}"
    return choose_cut(graph, parse_solver(f'net: "n"{text}', "s.prototxt"))


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("batch", "shards"),
    [
        *((256, 8), (128, 8), (127, 1), (64, 4), (96, 4), (48, 2), (40, 2), (32, 2)),
        *((31, 1), (16, 1), (1, 1), (100, 4), (1000, 8)),
    ],
)
def test_default_number_of_shards(batch, shards):
    assert cut(net(DATA, batch=batch)).shards == shards


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (net(DATA, COUPLED), "layer 'bn' (BatchNorm) couples the images of a batch"),
        (
            net(INPUT),
            "the program, not the solver, feeds its Input layers",
        ),
        (net(DATA, OTHER_BATCH), "its data layers have different batches"),
        (
            net(DATA, COMPUTED, ignore="ignore_label: 2", label="less"),
            "the labels of layer 'loss' are computed, and it counts them",
        ),
    ],
)
def test_what_is_not_cut_and_why(graph, reason):
    found = cut(graph)
    assert (found.shards, found.reason) == (1, reason)


def test_computed_labels_are_fine_where_nobody_counts_them():
    assert cut(net(DATA, COMPUTED, label="less")).shards == 4


def test_the_file_decides():
    assert cut(net(DATA, COUPLED), 2).shards == 2
    assert cut(net(DATA), 1).shards == 1
    assert cut(net(DATA, batch=24), 8).shards == 8


@pytest.mark.parametrize(
    ("graph", "shards", "problem"),
    [
        (net(DATA, batch=12), 8, "they do not divide the batch of 12"),
        (net(INPUT), 2, "the program, not the solver, feeds its Input layers"),
    ],
)
def test_shards_that_cannot_be(graph, shards, problem):
    with pytest.raises(SpecError) as caught:
        cut(graph, shards)
    assert str(caught.value) == (
        f"s.prototxt:2:1: {shards} shards are asked for; {problem}.\n"
        "  Choose shards: 1, or 0 for the default."
    )


def test_labels_are_found_through_splits():
    graph = net(DATA, TWICE, ignore="ignore_label: 2")
    loss = graph.node("loss")
    assert loss.bottoms[1] != "label"
    assert label_source(graph, loss) == "label"
