"""Which steps are computed again, and that what a caller reads is not lost by it."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.graph import PHASES, build_graph
from netspec.net import Net
from netspec.plan import make_plan
from netspec.plan.recompute import repeats
from netspec.plan.schedule import forward_steps
from netspec.spec import parse_net

HEAD = """
force_backward: true
layer { name: "x" type: "Input" top: "x"
  input_param { shape { dim: 2 dim: 8 dim: 20 dim: 16 } } }
"""
POOLED = (
    HEAD
    + """
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 8 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "sigmoid" type: "Sigmoid" bottom: "pool" top: "pool" }
layer { name: "score" type: "InnerProduct" bottom: "pool" top: "score"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
"""
)


@pytest.fixture
def plan():
    graph = build_graph(parse_net(POOLED, "net.prototxt"), PHASES["train"])
    return make_plan(graph, lean=True)


def test_what_is_written_again_is_changed_in_place_again(plan):
    """The pooling comes again for its places; the sum that stands is the sigmoid's."""
    names = [node.name for node in plan.graph.nodes]
    again = repeats(plan.memory, forward_steps(plan.graph, {}), [4])
    ((start, steps),) = again.items()
    assert names[start] == "sigmoid"
    assert [names[step.first] for step in steps] == ["conv", "pool", "sigmoid"]


def test_an_output_that_comes_again_stands_after_forward():
    """It is read before backward, which writes it once more."""
    text = (
        HEAD
        + """
layer { name: "drop" type: "Dropout" bottom: "x" top: "drop" }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 30 kernel_size: 3 } }
layer { name: "sigmoid" type: "Sigmoid" bottom: "conv" top: "conv" }
layer { name: "power" type: "Power" bottom: "conv" top: "power"
  power_param { power: 2 } }
layer { name: "lrn" type: "LRN" bottom: "power" top: "lrn" }
layer { name: "score" type: "InnerProduct" bottom: "lrn" top: "score"
  inner_product_param { num_output: 5 } }
"""
    )
    x = np.random.default_rng(2).normal(size=(2, 8, 20, 16)).astype(np.float32)
    found = []
    for options in ({}, {"lean": True, "recompute": True}):
        net = Net(parse_net(text, "net.prototxt"), phase="train", seed=4, **options)
        found.append(net.forward(x=x)["drop"].tobytes())
    again = [step.first for steps in net.plan.again.values() for step in steps]
    assert "drop" in [net.graph.nodes[i].name for i in again]
    assert found[0] == found[1]
