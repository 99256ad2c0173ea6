"""The Python interface of a net: inputs, outputs, blobs, parameters, reshape."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import NetspecError, SpecError
from netspec.net import Blob, Net
from netspec.spec import parse_net

TEXT = """
name: "small"
layer { name: "x" type: "Input" top: "x"
  input_param { shape { dim: 2 dim: 3 dim: 7 dim: 9 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
  convolution_param { num_output: 5 kernel_size: 3 pad: 1
    weight_filler { type: "xavier" } bias_filler { type: "constant" value: 0.25 } } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "d" type: "Convolution" bottom: "c" top: "d"
  convolution_param { num_output: 4 kernel_size: 3
    weight_filler { type: "gaussian" std: 0.2 } } }
layer { name: "a" type: "TanH" bottom: "d" top: "a" }
layer { name: "b" type: "Sigmoid" bottom: "d" top: "b" }
layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "s" }
"""
LOSS = """
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 2 } } }
layer { name: "f" type: "InnerProduct" bottom: "s" top: "f"
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "loss" }
"""
X = np.random.default_rng(5).normal(size=(2, 3, 7, 9)).astype(np.float32)


def net(text: str = TEXT, **options) -> Net:
    return Net(parse_net(text, "small.prototxt"), **options)


@pytest.mark.smoke
def test_forward_returns_copies_of_the_outputs() -> None:
    small = net()
    assert (small.inputs, small.outputs) == (["x"], ["s"])
    first = small.forward(x=X)["s"]
    assert first.shape == (2, 4, 5, 7)
    second = small.forward(x=-X)["s"]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(small.blobs["s"].data, second)


@pytest.mark.smoke
@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_lean_and_observed_plans_compute_the_same(device: str) -> None:
    results = []
    for lean in (False, True):
        one = net(TEXT + LOSS, phase="train", device=device, lean=lean)
        outputs = one.forward(x=X, label=[3, 5])
        one.clear_param_diffs()
        one.backward()
        results.append((outputs, {n: p.diff.copy() for n, p in _flat(one)}))
    np.testing.assert_equal(results[0], results[1])


def _flat(one: Net):
    return [(f"{n}/{i}", p) for n, ps in one.params.items() for i, p in enumerate(ps)]


def test_lean_shares_memory() -> None:
    assert net(lean=True).plan.bytes < net(lean=False).plan.bytes


def test_a_lean_net_shows_only_what_it_keeps() -> None:
    assert set(net(lean=True).blobs) == {"x", "s"}


def test_reshape_keeps_parameters_and_equals_a_net_of_that_shape() -> None:
    small = net()
    small.reshape(x=(1, 3, 12, 6))
    assert small.blobs["s"].shape == (1, 4, 10, 4)
    back = small.forward(x=np.ones((1, 3, 12, 6)))["s"]
    small.reshape(x=(2, 3, 7, 9))
    np.testing.assert_array_equal(small.forward(x=X)["s"], net().forward(x=X)["s"])
    assert back.shape == (1, 4, 10, 4)


def test_a_shape_that_a_layer_cannot_take_leaves_the_net_as_it_was() -> None:
    small = net()
    with pytest.raises(SpecError, match="does not fit"):
        small.reshape(x=(1, 3, 2, 2))
    assert small.forward(x=X)["s"].shape == (2, 4, 5, 7)


def test_parameters_are_writable_in_place() -> None:
    small = net()
    small.params["d"][0].data[...] = 0
    small.params["d"][1].data[...] = 0
    np.testing.assert_array_equal(small.forward(x=X)["s"], np.full((2, 4, 5, 7), 0.5))


def test_backward_with_a_given_diff_gives_the_inputs_gradient() -> None:
    forced = net("force_backward: true\n" + TEXT)
    forced.forward(x=X)
    diff = forced.backward(s=np.ones((2, 4, 5, 7)))["x"]
    assert diff.shape == X.shape
    assert np.abs(diff).max() > 0


def test_a_test_net_computes_with_the_train_nets_parameters() -> None:
    train = net(seed=3)
    test = net(share_with=train)
    train.params["c"][0].data[...] *= 2
    np.testing.assert_array_equal(test.forward(x=X)["s"], train.forward(x=X)["s"])


def test_a_net_shares_the_values_of_another_but_not_its_gradients() -> None:
    owner, other = net(TEXT + LOSS, phase="train", seed=3), net(phase="train", seed=4)
    other.share_params(owner)
    owner.params["c"][0].data[...] *= 2
    expected = owner.forward(x=X, label=[1, 2])
    np.testing.assert_array_equal(other.forward(x=X)["s"], owner.blobs["s"].data)
    assert expected["loss"] > 0
    owner.backward()
    assert np.abs(owner.params["c"][0].diff).max() > 0
    assert not other.params["c"][0].diff.any()
    other.reshape(x=(1, 3, 7, 9))
    half = other.forward(x=X[:1])["s"]
    np.testing.assert_array_equal(half, owner.blobs["s"].data[:1])


def test_steps_run_one_by_one_as_a_pass_does() -> None:
    one, two = net(TEXT + LOSS, phase="train"), net(TEXT + LOSS, phase="train")
    one.forward(x=X, label=[3, 5])
    one.backward_pass()
    two.feed("x", X)
    two.feed("label", [3, 5])
    for step in two.forward_steps:
        two.run_forward(*step)
    for step in two.backward_steps:
        two.run_backward(*step)
    assert one.loss == two.loss
    np.testing.assert_array_equal(one.arena.diff, two.arena.diff)


def test_inputs_may_lie_in_the_callers_memory_across_reshapes() -> None:
    small = net("force_backward: true\n" + TEXT + LOSS, phase="train")
    x = np.zeros((1, 3, 7, 9), np.float32)
    label = np.zeros(3, np.float32)  # of a shape that does not come: passed over
    small.lend({"x": Blob(x, np.zeros_like(x)), "label": Blob(label, None)})
    small.reshape(x=x.shape, label=(1,))
    x[...] = X[1:]
    given = small.forward()["loss"]
    same = net(TEXT + LOSS, phase="train")
    same.reshape(x=x.shape, label=(1,))
    assert given == same.forward(x=X[1:], label=[0])["loss"]
    assert small.backward()["x"].any()
    assert np.shares_memory(small.blobs["x"].data, x)
    assert not np.shares_memory(small.blobs["label"].data, label)


def test_the_first_layers_alone_may_take_another_shape() -> None:
    small = net(TEXT + LOSS, phase="train")
    x = np.random.default_rng(6).normal(size=(1, 3, 9, 12)).astype(np.float32)
    stop = [node.name for node, _ in small.forward_steps].index("f")
    small.reshape_first(stop, {"x": Blob(x, None)})
    for step in small.forward_steps[:stop]:
        small.run_forward(*step)
    alone = net()
    alone.reshape(x=x.shape)
    np.testing.assert_array_equal(small.blobs["s"].data, alone.forward(x=x)["s"])
    assert small.blobs["f"].shape == (2, 6)
    with pytest.raises(SpecError, match="layer 'f'"):
        small.reshape_first(stop + 1, {"x": Blob(x, None)})
    small.reshape()
    assert small.forward(x=X, label=[0, 1])["loss"] > 0


def test_blobs_that_fill_themselves_can_be_reshaped() -> None:
    dummy = 'layer { name: "x" type: "DummyData" top: "x" dummy_data_param {'
    own = dummy + " shape { dim: 2 dim: 3 dim: 7 dim: 9 } } }"
    small = net(own + TEXT[TEXT.index('layer { name: "c"') :])
    assert small.inputs == []
    small.reshape(x=(3, 3, 6, 8))
    assert small.forward()["s"].shape == (3, 4, 4, 6)


def test_fillers_depend_on_the_seed_and_the_name_alone() -> None:
    a, b, c = net(seed=1), net(TEXT + LOSS, seed=1), net(seed=2)
    np.testing.assert_array_equal(a.params["d"][0].data, b.params["d"][0].data)
    assert not np.array_equal(a.params["d"][0].data, c.params["d"][0].data)


REFUSED = {
    "unknown input": (
        lambda n: n.forward(y=X),
        "no input 'y'.\n  Known are: x.",
    ),
    "unequal parameters": (
        lambda n: n.share_params(net(TEXT.replace("num_output: 5", "num_output: 6"))),
        "parameter 'c/0' is 5x3x3x3 here and 6x3x3x3 in the other net.\n"
        "  Nets share the parameters of layers that have one name and one shape.",
    ),
    "wrong shape": (
        lambda n: n.forward(x=X[:1]),
        "input 'x' takes shape 2x3x7x9, and was given 1x3x7x9.\n"
        "  Call net.reshape(x=(1, 3, 7, 9)) first, or change the array.",
    ),
    "unknown output": (
        lambda n: n.backward(t=X),
        "no output 't'.\n  Known are: s.",
    ),
    "no gradient": (
        lambda n: n.backward(s=np.ones((2, 4, 5, 7))),
        "no gradient flows from output 's' in this net.\n"
        "  Set force_backward: true in the net, or build it for phase train.",
    ),
    "unknown phase": (
        lambda n: net(phase="trian"),
        "unknown phase 'trian'.\n  Did you mean 'train'?",
    ),
    "paper and a rename": (
        lambda n: n.load("w.caffemodel", paper=True, rename={"a": "b"}),
        "the paper's transplant is asked for, and a rename or a treatment of "
        "mismatches as well.\n  It takes layers by name and refuses what does not fit: "
        "leave the others out.",
    ),
    "unknown device": (
        lambda n: net(device="cpx"),
        "unknown device 'cpx'.\n  Did you mean 'cpu'?",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str) -> None:
    act, message = REFUSED[case]
    with pytest.raises(NetspecError) as caught:
        act(net())
    assert str(caught.value) == message
