"""The scaling model against arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netspec.graph import build_graph
from netspec.plan.scale import (
    BUCKET,
    DEVICES,
    LINKS,
    Device,
    LayerTime,
    Link,
    measured,
    predict,
    reduction,
    roofline,
)
from netspec.proto import TRAIN
from netspec.spec import parse_net

NET = """
  layer { name: "data" type: "Input" top: "data" top: "label"
    input_param { shape { dim: 6 dim: 3 dim: 9 dim: 8 } shape { dim: 6 } } }
  layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
    convolution_param { num_output: 5 kernel_size: 3 } }
  layer { name: "first" type: "InnerProduct" bottom: "conv" top: "first"
    param { name: "w" } param { name: "b" }
    inner_product_param { num_output: 4 } }
  layer { name: "again" type: "InnerProduct" bottom: "conv" top: "again"
    param { name: "w" } param { name: "b" }
    inner_product_param { num_output: 4 } }
  layer { name: "sum" type: "Eltwise" bottom: "first" bottom: "again" top: "sum" }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "sum" bottom: "label" top: "l" }
"""
SLOW = Device("slow", flops=1e5, bandwidth=1e5, overhead=0.25)
WIRE = Link("wire", latency=0.5, bandwidth=1e3)


@pytest.fixture
def graph():
    return build_graph(parse_net(NET, "n.prototxt"), TRAIN)


@pytest.mark.smoke
def test_a_reduction_by_hand():
    """4 ranks: halves and quarters there and back, each with its latency, and added."""
    free = replace(SLOW, bandwidth=float("inf"))
    assert reduction(800, 4, free, WIRE) == pytest.approx(2 * (0.5 + 0.4 + 0.5 + 0.2))
    assert reduction(800, 1, free, WIRE) == 0
    adding = 3 * (400 + 200) / 1e5
    assert reduction(800, 4, SLOW, WIRE) == pytest.approx(2 * (1 + 0.6) + adding)


def test_ranks_beyond_a_power_of_two_cost_the_whole_bucket_twice():
    free = replace(SLOW, bandwidth=float("inf"))
    more = reduction(800, 5, free, WIRE) - reduction(800, 4, free, WIRE)
    assert more == pytest.approx(2 * (0.5 + 0.8))


def test_partners_in_a_machine_use_its_link_and_others_the_one_beyond():
    device = replace(DEVICES["h100"], bandwidth=float("inf"))
    inside, beyond = LINKS["nvlink"], LINKS["ib400"]
    sixteen = reduction(16 << 20, 16, device, inside)
    eight = reduction(16 << 20, 8, device, inside)
    last = 2 * (beyond.latency + (1 << 20) / beyond.bandwidth)
    assert sixteen - eight == pytest.approx(last)


def test_roofline_by_hand(graph):
    layers = {layer.name: layer for layer in roofline(graph, SLOW)}
    macs = 6 * 5 * 7 * 6 * 3 * 9
    moved = 4 * (6 * 3 * 9 * 8 + 6 * 5 * 7 * 6 + 5 * 3 * 9 + 5)
    assert 2 * macs / 1e5 > moved / 1e5
    assert layers["conv"].forward == pytest.approx(2 * macs / 1e5 + 0.25)
    # The gradient of the weights alone: nobody wants that of the data.
    assert layers["conv"].backward == pytest.approx(2 * macs / 1e5 + 0.25)
    assert layers["data"] == LayerTime("data", 0, 0, 0)
    moved = 4 * (3 * 6 * 4)
    assert layers["sum"].forward == pytest.approx(moved / 1e5 + 0.25)


def test_a_shared_gradient_ends_with_its_first_user(graph):
    layers = {layer.name: layer for layer in roofline(graph, SLOW)}
    assert layers["again"].gradient_bytes == 0
    assert layers["first"].gradient_bytes == 4 * (4 * 210 + 4)
    assert layers["conv"].gradient_bytes == 4 * (5 * 27 + 5)


def test_measured_times_are_scaled_by_images(graph):
    layers = measured(graph, {"conv": (0.2, 0.4)}, 3.0)
    conv = next(layer for layer in layers if layer.name == "conv")
    assert (conv.forward, conv.backward) == (pytest.approx(0.6), pytest.approx(1.2))
    assert sum(layer.forward for layer in layers) == conv.forward


def test_what_backward_does_not_hide_is_waited_for():
    """The last layer's sum starts at 4 s; the first's gradient is there at 6 s only."""
    free = replace(SLOW, bandwidth=float("inf"))
    layers = [LayerTime("a", 1, 2, 1000), LayerTime("b", 2, 1, 4000)]
    wire = replace(WIRE, latency=0)  # 4 s for b's bytes, 1 s for a's
    found = predict(layers, 1, 8, 2, free, wire)
    assert found.compute == 6
    assert found.communication == pytest.approx(5)
    assert found.wait == pytest.approx(4 + 4 + 1 - 6)
    assert found.hidden == pytest.approx(2 / 5)
    alone = predict(layers, 2, 16, 1, free, wire)
    assert (alone.compute, alone.wait, alone.total) == (12, 0, 12)


def test_large_gradients_travel_in_buckets():
    free = replace(SLOW, bandwidth=float("inf"))
    layers = [LayerTime("a", 0, 0, 3 * BUCKET + 8)]
    found = predict(layers, 1, 1, 2, free, replace(WIRE, bandwidth=float("inf")))
    assert found.communication == pytest.approx(4 * 2 * 0.5)
