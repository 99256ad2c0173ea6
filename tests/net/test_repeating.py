"""Passes that repeat what was recorded compute what passes that are asked compute."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.cpu import CpuOps, threads
from netspec.backends.reference.repetition import RepetitionOps
from netspec.layers.base import LAYERS
from netspec.layers.convolution import Convolution
from netspec.net import Net
from netspec.net.save import save_caffemodel
from netspec.spec import parse_net

TEXT = """
layer { name: "x" type: "Input" top: "x" top: "label"
  input_param { shape { dim: 4 dim: 3 dim: 12 dim: 12 } shape { dim: 4 } } }
layer { name: "c1" type: "Convolution" bottom: "x" top: "c1"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 bias_term: false
    weight_filler { type: "msra" } } }
layer { name: "n1" type: "BatchNorm" bottom: "c1" top: "c1"
  batch_norm_param { use_global_stats: GLOBAL } }
layer { name: "s1" type: "Scale" bottom: "c1" top: "c1"
  scale_param { bias_term: true } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2"
  convolution_param { num_output: 8 kernel_size: 1 weight_filler { type: "msra" } } }
layer { name: "e" type: "Eltwise" bottom: "c1" bottom: "c2" top: "e" }
layer { name: "l" type: "LRN" bottom: "e" top: "l" }
layer { name: "p" type: "Pooling" bottom: "l" top: "p"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "c3" type: "Convolution" bottom: "p" top: "c3"
  convolution_param { num_output: 6 kernel_size: 5 pad: 2 stride: 2
    weight_filler { type: "msra" } } }
layer { name: "both" type: "Concat" bottom: "c3" bottom: "c3" top: "both" }
layer { name: "d" type: "Dropout" bottom: "both" top: "d" }
layer { name: "f" type: "InnerProduct" bottom: "d" top: "f"
  inner_product_param { num_output: 5 weight_filler { type: "msra" } } }
layer { name: "prob" type: "Softmax" bottom: "f" top: "prob" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "loss" }
"""


class Asked(CpuOps):
    """Never repeats."""

    recorded = RepetitionOps.recorded


def net_of(ops, phase, lean, stored=True, frozen=False):
    text = TEXT.replace("GLOBAL", str(stored).lower())
    net = Net(
        parse_net(text, "net.prototxt"), phase=phase, device=ops, lean=lean,
        frozen=frozen, seed=3,
    )  # fmt: skip
    for i, blob in enumerate(net.param_blobs):
        blob.data[...] += np.random.default_rng(i).uniform(0.1, 0.3, blob.shape)
    return net


def run(net, number):
    """One pass with new data and changed weights; everything that it computes."""
    rng = np.random.default_rng(number)
    net.feed("x", rng.standard_normal((4, 3, 12, 12)))
    net.feed("label", rng.integers(0, 5, 4))
    net.begin_pass(iteration=number)
    net.clear_param_diffs()
    for blob in net.param_blobs:
        blob.data[...] *= 1.01
    found = [net.forward_pass(), *(net.blobs[name].data for name in net.outputs)]
    if net.plan.backward:
        net.backward_pass()
        found += [blob.diff for blob in net.param_blobs]
    return [np.array(each) for each in found]


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("phase", ["train", "test"])
def test_repeated_passes_have_the_same_bits(phase, lean, stored):
    asked, repeating = (net_of(ops(), phase, lean, stored) for ops in (Asked, CpuOps))
    for number in range(5):
        for mine, other in zip(run(asked, number), run(repeating, number), strict=True):
            np.testing.assert_array_equal(mine, other)


def test_layers_are_asked_twice(monkeypatch):
    asked = []
    forward = Convolution.forward

    def listening(self, ops, run):
        asked.append(self.name)
        forward(self, ops, run)

    net = net_of(CpuOps(), "test", lean=True)
    monkeypatch.setattr(Convolution, "forward", listening)
    for number in range(4):
        run(net, number)
    assert sorted(asked) == ["c1", "c1", "c2", "c2", "c3", "c3"]


def test_other_arrays_are_seen():
    owner, net = (net_of(CpuOps(), "test", lean=True) for _ in range(2))
    for number in range(3):
        run(net, number)
    for blob in owner.param_blobs:
        blob.data[...] *= 1.5
    net.share_params(owner)
    mine, theirs = (each.forward()["prob"] for each in (net, owner))
    assert not np.array_equal(mine, theirs)  # other data
    owner.feed("x", net.blobs["x"].data)
    np.testing.assert_array_equal(net.forward()["prob"], owner.forward()["prob"])
    net.reshape(x=(2, 3, 12, 12), label=(2,))
    assert net.forward(x=np.ones((2, 3, 12, 12), "f"))["prob"].shape == (2, 5)


def test_a_layer_of_somebody_elses_is_asked_every_time():
    class Counting(Convolution):
        def forward(self, ops, run):
            super().forward(ops, run)

    class Named(Convolution):
        pass

    assert Convolution.repeats
    assert Named.repeats
    assert not Counting.repeats
    assert not LAYERS["Python"].repeats


def test_a_frozen_net_sees_what_it_loads(tmp_path):
    other = net_of(CpuOps(), "test", lean=True)
    for blob in other.param_blobs:
        blob.data[...] *= 1.5
    save_caffemodel(other, tmp_path / "other.caffemodel")
    nets = [net_of(CpuOps(), "test", True, frozen=frozen) for frozen in (True, False)]
    for net in nets:
        for _ in range(4):
            before = net.forward(x=np.ones((4, 3, 12, 12), "f"))["prob"]
        net.load(tmp_path / "other.caffemodel")
    for _ in range(4):
        mine, theirs = (net.forward()["prob"] for net in nets)
        np.testing.assert_array_equal(mine, theirs)
        assert not np.array_equal(mine, before)


def test_a_frozen_net_launches_less(monkeypatch):
    launched = []
    run_all = threads.Crew.run_all

    def listening(self, launches, alone):
        launched.extend(launch.kernel.__name__ for launch in launches)
        run_all(self, launches, alone)

    nets = [net_of(CpuOps(), "test", True, frozen=frozen) for frozen in (True, False)]
    for net in nets:
        for _ in range(3):
            net.forward(x=np.ones((4, 3, 12, 12), "f"))
    monkeypatch.setattr(threads.Crew, "run_all", listening)
    found = []
    for net in nets:
        launched.clear()
        prob = net.forward()["prob"]
        found.append((sorted(launched), prob))
    (less, mine), (more, theirs) = found
    np.testing.assert_array_equal(mine, theirs)
    assert sorted([*less, "_divide", "_fill", "_fill", "_fill"]) == sorted(more)
