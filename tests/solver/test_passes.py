"""Shards and passes: what may change the bits of a run, and what may not."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.solver import passes
from netspec.solver.passes import Clock
from netspec.sync import Local

from .small import classifier, make, pictures, weights_of


def trained(folder, batch, settings, steps=3, **net):
    solver = make(folder, settings, classifier(batch, **net), pictures(57, seed=1))
    losses = solver.step(steps)
    return weights_of(solver), losses


@pytest.mark.smoke
def test_iter_size_equals_a_bigger_batch_of_as_many_shards(tmp_path):
    """To the last bit, dropout included: four leaves of eight images either way."""
    whole, losses = trained(tmp_path, 32, "shards: 4", dropout=True)
    cuts = ((16, "shards: 2 iter_size: 2"), (8, "shards: 1 iter_size: 4"))
    for batch, settings in cuts:
        parts, part_losses = trained(tmp_path, batch, settings, dropout=True)
        np.testing.assert_array_equal(parts, whole)
        np.testing.assert_allclose(part_losses, losses, rtol=1e-6)


@pytest.mark.parametrize("iter_size", [1, 3])
@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_shards_change_rounding_and_nothing_else(tmp_path, iter_size, device):
    data = pictures(57, seed=1)
    found = {}
    for shards in (1, 2, 4):
        settings = f"shards: {shards} iter_size: {iter_size}"
        net = classifier(24, dropout=True)
        solver = make(tmp_path, settings, net, data, device=device)
        found[shards] = solver.step(4), weights_of(solver)
    for losses, weights in found.values():
        np.testing.assert_allclose(losses, found[1][0], rtol=2e-6)
        # Sums of 24 float32 products in another order, over four steps.
        np.testing.assert_allclose(weights, found[1][1], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("ignored", [0, 2])
def test_ignored_labels_are_counted_over_the_whole_batch(tmp_path, ignored):
    """Shards hold unlike numbers of ignored labels; a shard's own count would show."""
    data, labels = pictures(36, seed=6)
    labels = labels.copy()
    labels[:10] = ignored
    loss = f"loss_param {{ ignore_label: {ignored} }}"
    found = []
    for shards in (1, 4):
        net = classifier(12, loss=loss)
        solver = make(tmp_path, f"shards: {shards}", net, (data, labels))
        found.append((solver.step(5), weights_of(solver)))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=2e-6)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=2e-5, atol=2e-6)


SHARED = """
  layer { name: "again" type: "InnerProduct" bottom: "conv" top: "score2"
    param { name: "w" } param { name: "b" }
    inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
  layer { name: "more" type: "SoftmaxWithLoss" bottom: "score2" bottom: "label"
    top: "more" }
"""


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_a_right_leaf_is_added_to_the_left_one(tmp_path, device, monkeypatch):
    """With the bits that both have when they are computed apart."""

    def train():
        net = classifier(32, dropout=True)
        solver = make(tmp_path, "shards: 4 iter_size: 2", net, device=device)
        cleared, fill = [], solver.net.ops.fill

        def watched(x, value):
            cleared.append(x is solver.net.arena.diff)
            fill(x, value)

        monkeypatch.setattr(solver.net.ops, "fill", watched)
        solver.step(2)
        return weights_of(solver), sum(cleared)

    together = train()
    monkeypatch.setattr(passes, "adds_each_once", lambda graph: False)
    apart = train()
    np.testing.assert_array_equal(together[0], apart[0])
    assert (together[1], apart[1]) == (8, 16)


def test_leaves_stay_apart_where_a_parameter_is_shared(tmp_path):
    named = 'bottom: "conv" top: "score"'
    net = classifier(8).replace(
        named, named + ' param { name: "w" } param { name: "b" }'
    )
    graphs = [make(tmp_path, net=text).net.graph for text in (net, net + SHARED)]
    assert [passes.adds_each_once(graph) for graph in graphs] == [True, False]


def test_outputs_of_shards_are_those_of_the_batch(tmp_path):
    """A loss adds up; scores are rows, one shard after the other."""
    outputs = []
    scores = 'layer { name: "look" type: "Softmax" bottom: "score" top: "prob" }'
    net = classifier(12) + scores
    for shards in (1, 2):
        solver = make(tmp_path, f"display: 1 shards: {shards}", net)
        events = []
        solver.listeners.append(events.append)
        solver.step(1)
        outputs.append({o.name: o.values for o in events[-1].outputs})
    assert len(outputs[0]["prob"]) == 12 * 3
    for name, values in outputs[0].items():
        np.testing.assert_allclose(outputs[1][name], values, rtol=1e-5)


class OneOf(Local):
    """A rank of several whose partners' sums are handed to it."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size
        self.given = []

    def reduce(self, bucket):
        self.given.append(bucket.copy())


@pytest.mark.parametrize("size", [2, 4, 8])
def test_ranks_that_go_on_with_the_tree_give_the_same_bits(tmp_path, size):
    def gradient(sync):
        settings = "shards: 4 iter_size: 2"
        solver = make(tmp_path, settings, classifier(16, dropout=True), sync=sync)
        solver.passes.run(0, Clock(), False)
        return solver.net.arena.diff.copy()

    alone = gradient(Local())
    parts = [gradient(OneOf(rank, size)) for rank in range(size)]
    while len(parts) > 1:
        parts = [a + b for a, b in zip(parts[::2], parts[1::2], strict=True)]
    np.testing.assert_array_equal(parts[0], alone)
