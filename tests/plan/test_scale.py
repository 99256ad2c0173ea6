"""The scaling model against arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netspec.graph import build_graph
from netspec.net import Net
from netspec.plan.scale import (
    BUCKET,
    DEVICES,
    FLOAT,
    LINKS,
    Device,
    LayerTime,
    Link,
    _buckets,
    measured,
    predict,
    reduction,
    roofline,
)
from netspec.proto import TRAIN
from netspec.solver.buckets import cut_buckets
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
FREE = replace(SLOW, bandwidth=float("inf"))
WIRE = Link("wire", latency=0.5, bandwidth=1e3)


def seconds(size, ranks, device, link=WIRE):
    return reduction(size, ranks, device, link).seconds


@pytest.fixture
def graph():
    return build_graph(parse_net(NET, "n.prototxt"), TRAIN)


@pytest.mark.smoke
def test_a_reduction_by_hand():
    """4 ranks: halves and quarters there and back, each with its latency, and added."""
    assert seconds(800, 4, FREE) == pytest.approx(2 * (0.5 + 0.4 + 0.5 + 0.2))
    assert seconds(800, 4, SLOW) == pytest.approx(
        2 * (1 + 0.6) + 3 * (400 + 200) / 1e5 + 5 * 200 / 1e5
    )
    # Of two histories each is read and written; where sums were measured, adding is in.
    found = reduction(800, 4, SLOW, replace(WIRE, adds=True), histories=2)
    assert found.seconds == pytest.approx(2 * (1 + 0.6) + 7 * 200 / 1e5)
    assert found.taken == 0


def test_a_core_adds_updates_and_copies_in_the_place_of_something_else():
    core, memory = replace(SLOW, alone=True), replace(WIRE, in_memory=True)
    work, copies = 3 * (400 + 200) / 1e5 + 5 * 200 / 1e5, 2 * 0.6
    for device, link, taken in [
        (core, WIRE, work),
        (core, memory, work + copies),
        (SLOW, memory, copies),
    ]:
        found = reduction(800, 4, device, link)
        assert found.taken == pytest.approx(taken)
        assert found.seconds == pytest.approx(2 * 1 + copies + work)


def test_neighbours_add_what_they_read_and_copy_what_they_get():
    """Halves and quarters: two arrays read and one written; one read, one written."""
    core, near = replace(SLOW, alone=True), Link("near", 1, 0.0, in_memory=True)
    work = (3 + 2) * (400 + 200) / 1e5 + 5 * 200 / 1e5
    found = reduction(800, 4, core, near)
    assert found.taken == pytest.approx(work)
    assert found.seconds == pytest.approx(4 * near.latency + work)
    more = reduction(800, 5, core, near).taken - work  # and the whole bucket
    assert more == pytest.approx((3 + 2) * 800 / 1e5)


def test_ranks_beyond_a_power_of_two_cost_the_whole_bucket_twice():
    more = seconds(800, 5, FREE) - seconds(800, 4, FREE)
    assert more == pytest.approx(2 * (0.5 + 0.8))


def test_partners_in_a_machine_use_its_link_and_others_the_one_beyond():
    device = replace(DEVICES["h100"], bandwidth=float("inf"))
    inside, beyond = LINKS["nvlink"], LINKS["ib400"]
    more = seconds(16 << 20, 16, device, inside) - seconds(16 << 20, 8, device, inside)
    last = 2 * (beyond.latency + (1 << 20) / beyond.bandwidth)
    assert more == pytest.approx(last)


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


A, B = LayerTime("a", 1, 2, 1 << 22), LayerTime("b", 2, 1, 1 << 24)
QUICK = Link("quick", latency=0, bandwidth=1 << 22)  # 4 s for b's bytes, 1 s for a's


def test_what_backward_does_not_hide_is_waited_for():
    """The last layer's sum starts at 4 s; the first's gradient is there at 6 s only."""
    found = predict([A, B], 1, 8, 2, FREE, QUICK)
    assert found.compute == 6
    assert found.communication == pytest.approx(5)
    assert found.wait == pytest.approx(4 + 4 + 1 - 6)
    assert found.hidden == pytest.approx(2 / 5)
    alone = predict([A, B], 2, 16, 1, FREE, QUICK)
    assert (alone.compute, alone.wait, alone.total) == (12, 0, 12)


def test_what_a_core_does_itself_is_not_hidden():
    """b's copies take 4 s of backward, a's gradient is there at 10 s; then 1 s more."""
    late = replace(QUICK, latency=0.25, in_memory=True)
    found = predict([A, B], 1, 8, 2, FREE, late)
    assert (found.compute, found.slowed) == (6, pytest.approx(5))
    assert found.wait == pytest.approx(0.5)  # a's two latencies; b's were hidden
    assert found.communication == pytest.approx(6)
    assert found.total == pytest.approx(11.5)
    assert found.hidden == pytest.approx(0.5 / 6)


def test_leaves_are_zeroed_copied_and_added():
    device = replace(SLOW, bandwidth=1 << 20)
    small = LayerTime("a", 0, 0, 1 << 18)
    found = predict([small], 4, 8, 1, device, WIRE)
    # Of two pairs both are written, one is read and written, both are read and one is
    # written.
    assert found.compute == pytest.approx((2 + 2 + 3) / 4)
    assert found.update == pytest.approx((3 + 2) / 4)
    several = predict([small], 4, 8, 2, device, WIRE)
    assert several.compute == found.compute
    assert several.update == 0  # each updates its half between halving and doubling


def test_ranks_of_a_machine_share_its_memory():
    """100 bytes there and 300 back; of 4 ranks each has 25 bytes a second."""
    device = replace(SLOW, bandwidth=80, shared=100)
    layer = LayerTime("a", 2, 7, 0, forward_bytes=100, backward_bytes=300)
    memory = replace(WIRE, in_memory=True)
    for ranks, link, compute in [
        (1, memory, 2 + 7),
        (2, memory, 2 + 7),  # 2 s, and 6 s, at 50 bytes a second
        (4, memory, 4 + 12),
        (4, WIRE, 2 + 7),  # machines of their own
    ]:
        assert predict([layer], 1, 1, ranks, device, link).compute == compute
    enough = replace(device, shared=320)
    assert predict([layer], 1, 1, 4, enough, memory).compute == 9


def test_bytes_of_layers(graph):
    for layer in roofline(graph, SLOW), measured(graph, {"conv": (0.2, 0.4)}, 3.0):
        conv = next(found for found in layer if found.name == "conv")
        moved = 4 * (6 * 3 * 9 * 8 + 6 * 5 * 7 * 6 + 5 * 3 * 9 + 5)
        assert (conv.forward_bytes, conv.backward_bytes) == (moved, moved)
    hidden = next(x for x in measured(graph, {}, 1.0) if x.name == "sum")
    assert (hidden.forward_bytes, hidden.backward_bytes) == (0, 0)


def test_large_gradients_travel_in_buckets():
    layers = [LayerTime("a", 0, 0, 3 * BUCKET + 8)]
    found = predict(layers, 1, 1, 2, FREE, replace(WIRE, bandwidth=float("inf")))
    assert found.communication == pytest.approx(4 * 2 * 0.5)


def test_buckets_are_those_of_training():
    """Small gradients travel together, large ones in pieces."""
    sizes = (700, 1500, 2000, 40, 900, 5000, 3)
    text = 'layer { name: "d" type: "Input" top: "0" input_param { shape { dim: 1 '
    text += "dim: 999 } } } " + "".join(
        f'layer {{ name: "{i}" type: "InnerProduct" bottom: "{i}" top: "{i + 1}" '
        f"inner_product_param {{ num_output: {size} }} }} "
        for i, size in enumerate(sizes)
    )
    text += f'layer {{ name: "l" type: "Reduction" bottom: "{len(sizes)}" top: "l" '
    text += "loss_weight: 1 }"
    net = Net(parse_net(text, "n.prototxt"), phase="train", device="numpy")
    cut = [(b.slice.stop - b.slice.start) * FLOAT for b in cut_buckets(net)]
    steps = _buckets(roofline(net.graph, SLOW))
    ours = [size for _, those in steps for size in those]
    assert len(ours) == 5
    assert ours == pytest.approx(cut, abs=512)  # segments are aligned
