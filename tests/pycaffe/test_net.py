"""``caffe.Net``: what it is made of, what it tells, whole and partial passes."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import netspec.pycaffe as caffe
from netspec.errors import NetspecError
from netspec.net import Net as CoreNet

from .small import BODY, DEPLOY, FORCED, HEAD, LABELS, TRAIN_NET, X, write


@pytest.fixture
def net(tmp_path):
    return caffe.Net(write(tmp_path, DEPLOY), caffe.TEST)


@pytest.fixture
def train(tmp_path):
    return caffe.Net(write(tmp_path, TRAIN_NET), caffe.TRAIN)


@pytest.fixture
def forced(tmp_path):
    return caffe.Net(write(tmp_path, FORCED + DEPLOY, "forced.prototxt"), caffe.TEST)


SPLIT = ["conv_relu_0_split_0", "conv_relu_0_split_1"]


@pytest.mark.smoke
def test_what_a_net_tells_of_its_layers_and_blobs(train):
    layers = ["data", "conv", "relu", "conv_relu_0_split", "left", "right", "sum"]
    layers += ["pool", "score", "label", "loss"]
    blobs = ["data", "conv", *SPLIT, "left", "right", "sum", "pool", "score", "label"]
    assert list(train._layer_names) == layers
    assert list(train._blob_names) == [*blobs, "loss"]
    assert list(train.blobs) == [*blobs, "loss"]
    assert [layer.type for layer in train.layers][1:4] == [
        "Convolution",
        "ReLU",
        "Split",
    ]
    assert list(train.layer_dict) == layers
    assert train.layer_dict["sum"].type == "Eltwise"
    assert train.inputs == ["data", "label"]
    assert train.outputs == ["loss"]
    assert train._inputs == [0, 9]
    assert train._outputs == [10]
    assert list(train.params) == ["conv", "score"]
    assert [p.shape for p in train.params["conv"]] == [(5, 3, 3, 3), (5,)]
    assert train.layers[1].blobs[1] is train.params["conv"][1]


def test_tops_and_bottoms_by_layer(train):
    assert isinstance(train.top_names, OrderedDict)
    assert train.top_names["relu"] == train.bottom_names["relu"] == ["conv"]
    assert train.bottom_names["sum"] == ["left", "right"]
    assert train.bottom_names["data"] == []
    assert train._bottom_ids(6) == [4, 5]
    assert train._top_ids(3) == [2, 3]


def test_loss_weights_of_blobs(train):
    weights = train.blob_loss_weights
    assert weights["loss"] == 0.5
    assert sum(weights.values()) == 0.5
    assert train._blob_loss_weights == list(weights.values())


def test_the_legacy_shape_of_a_blob(train):
    data, label = train.blobs["data"], train.blobs["label"]
    legacy = [data.num, data.channels, data.height, data.width]
    assert legacy == [2, 3, 7, 9]
    assert [label.num, label.channels, label.height, label.width] == [2, 1, 1, 1]
    assert data.count == 378
    assert tuple(data.shape) == data.data.shape == data.diff.shape
    assert data.data.dtype == data.diff.dtype == np.float32


FORMS = {
    "old": lambda f, w: caffe.Net(f, w, caffe.TEST),
    "named weights": lambda f, w: caffe.Net(f, caffe.TEST, weights=w),
    "all named": lambda f, w: caffe.Net(network_file=f, phase=1, weights=w),
    "level and stages": lambda f, w: caffe.Net(f, 1, level=2, stages=["a"], weights=w),
    "by place": lambda f, w: caffe.Net(f, 1, 2, ["a"], w),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_of_making_one_loads_the_weights(form, net, tmp_path):
    net.params["score"][0].data[...] = 0.125
    weights = str(tmp_path / "w")
    net.save(weights)
    other = FORMS[form](str(tmp_path / "net.prototxt"), weights)
    assert np.all(other.params["score"][0].data == 0.125)


def test_level_and_stages_choose_layers(tmp_path):
    rules = 'include { min_level: 1 } include { stage: "deploy" }'
    extra = 'layer { name: "p" type: "Softmax" bottom: "score" top: "p" RULES }'
    path = write(tmp_path, DEPLOY + extra.replace("RULES", rules))
    assert caffe.Net(path, caffe.TEST).outputs == ["score"]
    assert caffe.Net(path, caffe.TEST, level=1).outputs == ["p"]
    assert caffe.Net(path, caffe.TEST, stages=["deploy"]).outputs == ["p"]


@pytest.mark.smoke
def test_outputs_are_copies_and_blobs_are_views(net):
    view = net.blobs["score"].data
    first = net.forward(data=X)["score"]
    kept = first.copy()
    np.testing.assert_array_equal(view, first)
    net.forward(data=-X)
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(view, first)


def test_inputs_may_be_set_in_place(net):
    expected = net.forward(data=X)["score"]
    net.blobs["data"].data[...] = 0
    net.blobs["data"].data[1] = X[1]
    assert np.array_equal(net.forward()["score"][1], expected[1])


def test_more_blobs_may_be_returned(net):
    out = net.forward(blobs=["conv", "sum"], data=X)
    assert sorted(out) == ["conv", "score", "sum"]
    assert out["conv"].min() == 0  # after the ReLU that works in place


def test_a_forward_pass_in_two_parts_equals_the_whole(net):
    whole = net.forward(data=X)["score"]
    net.blobs["sum"].data[...] = 0
    top = net.forward(start="left", end="sum")
    assert list(top) == ["sum"]
    np.testing.assert_array_equal(net.forward(start="pool")["score"], whole)


def test_a_part_computes_with_what_a_program_put_before_it(net):
    net.forward(data=X)
    net.blobs["pool"].data[...] = np.arange(10).reshape(2, 5, 1, 1)
    weights, bias = (p.data for p in net.params["score"])
    expected = np.arange(10, dtype=np.float32).reshape(2, 5) @ weights.T + bias
    found = net.forward(start="score", end="score")["score"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_backward_pass_in_two_parts_equals_the_whole(forced):
    ones = np.linspace(-1, 1, 8).reshape(2, 4)
    forced.forward(data=X)
    whole = forced.backward(score=ones)["data"]
    weights = forced.params["score"][0].diff.copy()
    forced.clear_param_diffs()
    forced.blobs["data"].diff[...] = 0
    part = forced.backward(end="sum", score=ones)
    assert sorted(part) == ["left", "right"]
    assert not forced.blobs["data"].diff.any()
    np.testing.assert_array_equal(forced.backward(start="right")["data"], whole)
    np.testing.assert_array_equal(forced.params["score"][0].diff, weights)
    assert np.abs(whole).max() > 0


def test_backward_may_return_more_gradients(forced):
    forced.forward(data=X)
    grads = forced.backward(diffs=["pool"], score=np.ones((2, 4)))
    expected = np.tile(forced.params["score"][0].data.sum(0), (2, 1))
    np.testing.assert_allclose(grads["pool"].reshape(2, 5), expected, rtol=1e-5)


def test_gradients_of_parameters_add_up_until_cleared(train):
    train.forward(data=X, label=LABELS)
    train.backward()
    once = train.params["conv"][0].diff.copy()
    train.backward()
    np.testing.assert_allclose(train.params["conv"][0].diff, 2 * once, rtol=1e-6)
    train.clear_param_diffs()
    assert not train.params["conv"][0].diff.any()


def test_a_blob_without_gradient_shows_zeros(net):
    assert not net.blobs["conv"].diff.any()
    net.blobs["score"].diff[...] = 2
    assert np.all(net.blobs["score"].diff == 2)


def test_the_same_numbers_as_netspecs_own_net(net, tmp_path):
    core = CoreNet(tmp_path / "net.prototxt")
    np.testing.assert_array_equal(
        net.forward(data=X)["score"], core.forward(data=X)["score"]
    )


def test_the_loss_of_a_stretch(train):
    train.forward(data=X, label=LABELS)
    loss = 0.5 * float(train.blobs["loss"].data)
    assert train._forward(0, 10) == pytest.approx(loss)
    assert train._forward(0, 9) == 0
    train._backward(10, 0)


def test_callbacks_around_every_layer(train):
    calls = []
    for when in (
        "before_forward",
        "after_forward",
        "before_backward",
        "after_backward",
    ):
        getattr(train, when)(lambda layer, when=when: calls.append((when, layer)))
    train.forward(start="score", data=X, label=LABELS)
    train.backward(end="loss")
    forward = [(w, i) for i in (8, 9, 10) for w in ("before_forward", "after_forward")]
    assert calls == [*forward, ("before_backward", 10), ("after_backward", 10)]


def test_a_callback_may_change_what_comes_next(net):
    def silence(layer):
        if net._layer_names[layer] == "relu":
            net.blobs["conv"].data[...] = 0

    net.after_forward(silence)
    net.forward(data=X)
    np.testing.assert_allclose(net.blobs["sum"].data, 0.35)


@pytest.mark.smoke
def test_any_number_of_inputs_batch_by_batch(net):
    many = np.random.default_rng(3).normal(size=(5, 3, 7, 9)).astype(np.float32)
    out = net.forward_all(blobs=["pool"], data=many)
    assert out["score"].shape == (5, 4)
    assert out["pool"].shape == (5, 5, 1, 1)
    alone = net.forward(data=many[[4, 0]])["score"]
    np.testing.assert_array_equal(out["score"][[4, 0]], alone)


def test_any_number_forward_and_backward(forced):
    draw = np.random.default_rng(4).normal
    many, tops = draw(size=(3, 3, 7, 9)), draw(size=(3, 4))
    out, grads = forced.forward_backward_all(diffs=["pool"], data=many, score=tops)
    assert out["score"].shape == (3, 4)
    assert grads["data"].shape == (3, 3, 7, 9)
    forced.forward(data=many[:2])
    alone = forced.backward(score=tops[:2])["data"]
    np.testing.assert_array_equal(grads["data"][:2], alone)


def test_copying_and_saving_weights(net, tmp_path):
    expected = net.forward(data=X)["score"]
    for save, name in ((net.save, "a.h5x"), (net.save_hdf5, "b")):
        save(str(tmp_path / name))
        other = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
        other.params["conv"][0].data[...] = 0
        load = other.copy_from if name == "a.h5x" else other.load_hdf5
        load(str(tmp_path / name))
        np.testing.assert_array_equal(other.forward(data=X)["score"], expected)


def test_nets_that_share_parameters(net, tmp_path):
    other = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    other.share_with(net)
    net.params["score"][0].data[...] = 3
    assert np.all(other.params["score"][0].data == 3)
    expected = net.forward(data=X)["score"]
    np.testing.assert_array_equal(other.forward(data=X)["score"], expected)


def test_arrays_outlive_their_net(tmp_path):
    net = caffe.Net(write(tmp_path, TRAIN_NET), caffe.TRAIN)
    blobs = [*net.blobs.values(), *net.params["conv"], *net.params["score"]]
    views = [array for blob in blobs for array in (blob.data, blob.diff)]
    expected = net.params["conv"][0].data.copy()
    del net
    assert all(np.isfinite(array.sum()) for array in views)
    np.testing.assert_array_equal(blobs[-4].data, expected)


def test_random_layers_draw_anew_in_every_pass(tmp_path):
    drop = 'layer { name: "d" type: "Dropout" bottom: "data" top: "d" }'
    text = DEPLOY[: DEPLOY.index('layer { name: "conv"')] + drop
    net = caffe.Net(write(tmp_path, text), caffe.TRAIN)
    first = net.forward(data=X)["d"]
    assert not np.array_equal(net.forward()["d"], first)
    again = caffe.Net(write(tmp_path, text), caffe.TRAIN)
    np.testing.assert_array_equal(again.forward(data=X)["d"], first)


def test_dummy_data_keeps_what_a_program_writes_over_constants(tmp_path):
    source = """
    layer { name: "data" type: "DummyData" top: "data" top: "label"
      dummy_data_param { shape { dim: 2 dim: 3 dim: 7 dim: 9 } shape { dim: 2 }
        data_filler { type: "gaussian" std: 2 }
        data_filler { type: "constant" value: 2 } } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label"
      top: "loss" }
    """
    loss = source.index('layer { name: "loss"')
    text = source[:loss] + BODY + HEAD + source[loss:]
    net = caffe.Net(write(tmp_path, text), caffe.TRAIN)
    assert net.blobs["data"].data.any()
    assert list(net.blobs["label"].data) == [2, 2]
    net.blobs["label"].data[...] = LABELS
    net.forward()
    np.testing.assert_array_equal(net.blobs["label"].data, LABELS)
    drawn = net.blobs["data"].data.copy()
    net.forward()
    assert not np.array_equal(net.blobs["data"].data, drawn)


REFUSED = {
    "no phase": (
        lambda net: caffe.Net("net.prototxt"),
        "Net cannot be called with ('net.prototxt').\n"
        "  Call Net(file, phase), with weights=, level= or stages= as you need, or "
        "Net(file, weights, phase).",
    ),
    "strange phase": (
        lambda net: caffe.Net("net.prototxt", 7),
        "Net cannot be called with ('net.prototxt', 7).\n  Call Net(file, phase), with",
    ),
    "twice": (
        lambda net: caffe.Net("net.prototxt", "w", 1, weights="v"),
        "Net cannot be called with ('net.prototxt', 'w', 1, weights='v').\n",
    ),
    "unknown argument": (
        lambda net: caffe.Net("net.prototxt", 1, wieghts="v"),
        "Net cannot be called with ('net.prototxt', 1, wieghts='v').\n",
    ),
    "unknown blob": (
        lambda net: net.blobs["cnov"],
        "no blob 'cnov'.\n  Did you mean 'conv'?",
    ),
    "unknown blob to return": (
        lambda net: net.forward(blobs=["scroe"]),
        "no blob 'scroe'.\n  Did you mean 'score'?",
    ),
    "unknown layer": (
        lambda net: net.forward(start="rleu"),
        "no layer 'rleu'.\n  Did you mean 'relu'?",
    ),
    "unknown layer, backward": (
        lambda net: net.backward(end="pol"),
        "no layer 'pol'.\n  Did you mean 'pool'?",
    ),
    "unknown parameters": (
        lambda net: net.params["scor"],
        "no parameters of layer 'scor'.\n  Did you mean 'score'?",
    ),
    "unknown input": (
        lambda net: net.forward(dta=X),
        "no input of the net 'dta'.\n  Did you mean 'data'?",
    ),
    "unknown output": (
        lambda net: net.backward(sum=X),
        "no output of the net 'sum'.\n  Known are: score.",
    ),
    "other batch": (
        lambda net: net.forward(data=X[:1]),
        "input 'data' has shape 2x3x7x9, and is given 1x3x7x9.\n"
        "  Give an array of that shape, or reshape the blob first.",
    ),
    "other size": (
        lambda net: net.forward(data=X[:, :, :5]),
        "input 'data' has shape 2x3x7x9, and is given 2x3x5x9.\n",
    ),
    "no arrays": (
        lambda net: net.forward_all(),
        "no arrays are given, so that it is not known how many batches to run.\n"
        "  Give the net's inputs as keywords; a net with a data layer: forward().",
    ),
    "unequal numbers": (
        lambda net: net.forward_backward_all(data=X, score=np.ones((3, 4))),
        "the arrays have different numbers of rows: data 2, score 3.\n"
        "  Give one row of each for every item.",
    ),
    "parameter reshaped": (
        lambda net: net.params["conv"][1].reshape(6),
        "a parameter of shape 5 cannot become 6.\n"
        "  Its shape follows from the layer: change the net.",
    ),
    "no memory data": (
        lambda net: net.set_input_arrays(X, LABELS),
        "the first layer, 'data', is Input.\n"
        "  Only a net that begins with MemoryData takes arrays so.",
    ),
    "five axes": (
        lambda net: (net.blobs["data"].reshape(1, 1, 1, 1, 2), net.blobs["data"].num),
        "a blob of shape 1x1x1x1x2 has no num, channels, height and width.\n"
        "  Use its shape.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_mistakes_are_exceptions_that_tell(case, net):
    act, text = REFUSED[case]
    with pytest.raises(NetspecError) as caught:
        act(net)
    assert str(caught.value).startswith(text)


def test_one_input_of_two(train):
    with pytest.raises(ValueError, match="no array is given for input 'label'"):
        train.forward(data=X)


def test_a_missing_file_names_a_similar_one(net, tmp_path):
    with pytest.raises(NetspecError, match="Did you mean"):
        caffe.Net(str(tmp_path / "nte.prototxt"), caffe.TEST)


def test_weights_that_do_not_fit_name_the_layer(net, tmp_path):
    net.save(str(tmp_path / "w"))
    wider = DEPLOY.replace("num_output: 4", "num_output: 6")
    with pytest.raises(NetspecError, match="score"):
        caffe.Net(write(tmp_path, wider, "wider.prototxt"), str(tmp_path / "w"), 1)
