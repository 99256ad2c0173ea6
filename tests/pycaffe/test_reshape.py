"""Blobs given other shapes, and what becomes of arrays that a program holds."""

from __future__ import annotations

import numpy as np
import pytest

import netspec.pycaffe as caffe
from netspec.errors import NetspecError

from .small import DEPLOY, FORCED, LABELS, TRAIN_NET, X, write


@pytest.fixture
def net(tmp_path):
    return caffe.Net(write(tmp_path, FORCED + DEPLOY), caffe.TEST)


@pytest.mark.smoke
def test_an_input_takes_its_new_shape_at_once_and_the_rest_follows(net):
    kept = net.forward(data=X)["score"]
    net.blobs["data"].reshape(1, 3, 7, 9)
    assert net.blobs["data"].data.shape == (1, 3, 7, 9)
    assert net.blobs["conv"].shape == (2, 5, 3, 4)
    net.blobs["data"].data[...] = X[1]
    net.reshape()
    assert net.blobs["conv"].shape == (1, 5, 3, 4)
    np.testing.assert_array_equal(net.forward()["score"][0], kept[1])


def test_forward_reshapes_by_itself(net):
    net.blobs["data"].reshape(3, 3, 11, 8)
    out = net.forward(blobs=["conv"], data=np.ones((3, 3, 11, 8)))
    assert out["conv"].shape == (3, 5, 5, 3)
    assert net.backward(score=np.ones((3, 4)))["data"].shape == (3, 3, 11, 8)


def test_an_array_taken_after_the_reshape_stays_the_nets_input(net):
    net.blobs["data"].reshape(1, 3, 7, 9)
    mine = net.blobs["data"].data
    for row in X:
        mine[...] = row
        out = net.forward()["score"]
        np.testing.assert_array_equal(out, net.forward(data=row[None])["score"])
    assert np.shares_memory(mine, net.blobs["data"].data)


def test_an_input_whose_shape_stays_keeps_its_memory(tmp_path):
    net = caffe.Net(write(tmp_path, TRAIN_NET), caffe.TRAIN)
    labels = net.blobs["label"].data
    net.blobs["data"].reshape(2, 3, 8, 10)
    net.blobs["data"].data[...] = 0.3
    labels[...] = LABELS
    loss = net.forward()["loss"]
    expected = net.forward(data=np.full((2, 3, 8, 10), 0.3), label=LABELS)["loss"]
    assert loss == expected
    assert np.shares_memory(labels, net.blobs["label"].data)


def test_two_inputs_may_change_one_after_the_other(tmp_path):
    net = caffe.Net(write(tmp_path, TRAIN_NET), caffe.TRAIN)
    net.blobs["data"].reshape(5, 3, 7, 9)
    net.blobs["label"].reshape(5)
    assert net.forward(end="score")["score"].shape == (5, 4)


def test_an_array_taken_before_keeps_its_values(net):
    net.forward(data=X)
    before = net.blobs["conv"].data
    kept = before.copy()
    net.blobs["data"].reshape(1, 3, 5, 5)
    net.forward(data=X[:1, :, :5, :5])
    np.testing.assert_array_equal(before, kept)
    assert net.blobs["conv"].shape == (1, 5, 2, 2)


def test_values_stay_where_shapes_do(net):
    net.forward(data=X)
    params = net.params["conv"][0].data
    net.blobs["score"].diff[...] = 3
    net.blobs["data"].reshape(2, 3, 9, 9)
    net.reshape()
    assert np.all(net.blobs["score"].diff == 3)
    assert np.shares_memory(params, net.params["conv"][0].data)


def test_the_same_shape_changes_nothing(net):
    view = net.blobs["conv"].data
    net.blobs["data"].reshape(*net.blobs["data"].shape)
    net.forward(data=X)
    assert np.shares_memory(view, net.blobs["conv"].data)


def test_a_smaller_blob_keeps_its_first_values(net):
    net.blobs["data"].data[...] = X
    net.blobs["data"].reshape(2, 3, 7, 3)
    expected = X.ravel()[:126].reshape(2, 3, 7, 3)
    np.testing.assert_array_equal(net.blobs["data"].data, expected)
    net.blobs["data"].reshape(2, 3, 7, 4)
    assert not net.blobs["data"].data.any()


def test_a_shape_that_a_layer_cannot_take_is_told_where_it_is_needed(net):
    expected = net.forward(data=X)["score"]
    net.blobs["data"].reshape(1, 3, 1, 9)
    with pytest.raises(NetspecError, match="layer 'conv'"):
        net.reshape()
    net.blobs["data"].reshape(2, 3, 7, 9)
    np.testing.assert_array_equal(net.forward(data=X)["score"], expected)


def test_a_blob_that_a_layer_makes_gets_its_shape_from_there(net):
    net.blobs["conv"].reshape(1, 2, 3)
    assert net.blobs["conv"].shape == (1, 2, 3)
    net.forward(data=X)
    assert net.blobs["conv"].shape == (2, 5, 3, 4)
    net.blobs["pool"].reshape(1, 5, 1, 1)
    with pytest.raises(NetspecError) as caught:
        net.forward(start="score")
    assert str(caught.value) == (
        "blob 'pool' was given the shape 1x5x1x1, and its layer makes it 2x5x1x1.\n"
        "  Reshape an input of the net, from which the other shapes follow."
    )


def test_an_extent_below_zero(net):
    with pytest.raises(ValueError, match="is given the shape 2x-3"):
        net.blobs["data"].reshape(2, -3)


def test_gradients_after_a_reshape_are_those_of_a_net_of_that_shape(net, tmp_path):
    net.blobs["data"].reshape(1, 3, 7, 9)
    net.forward(data=X[:1])
    found = net.backward(score=np.ones((1, 4)))["data"]
    text = (FORCED + DEPLOY).replace("dim: 2 dim: 3", "dim: 1 dim: 3")
    fresh = caffe.Net(write(tmp_path, text, "one.prototxt"), caffe.TEST)
    fresh.forward(data=X[:1])
    expected = fresh.backward(score=np.ones((1, 4)))["data"]
    np.testing.assert_array_equal(found, expected)


FIXED = """
layer { name: "fc" type: "InnerProduct" bottom: "sum" top: "fc"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "out" type: "Sigmoid" bottom: "fc" top: "out" }
"""


@pytest.mark.smoke
def test_a_pass_over_the_first_layers_takes_shapes_that_later_ones_cannot(tmp_path):
    """As deep dreams need it, on nets that end in fully connected layers."""
    text = FORCED + DEPLOY[: DEPLOY.index('layer { name: "pool"')]
    net = caffe.Net(write(tmp_path, text + FIXED, "fixed.prototxt"), caffe.TEST)
    free = caffe.Net(write(tmp_path, text, "free.prototxt"), caffe.TEST)
    free.share_with(net)
    for shape in ((1, 3, 12, 8), (3, 3, 5, 4), (1, 3, 20, 30)):
        image = np.random.default_rng(2).normal(size=shape).astype(np.float32)
        for each in (net, free):
            each.blobs["data"].reshape(*shape)
        mine = net.blobs["data"].data
        mine[...] = image
        expected = free.forward(data=image)["sum"]
        np.testing.assert_array_equal(net.forward(end="sum")["sum"], expected)
        net.blobs["sum"].diff[...] = expected
        net.backward(start="sum")
        gradient = free.backward(sum=expected)["data"]
        np.testing.assert_array_equal(net.blobs["data"].diff, gradient)
        assert np.shares_memory(mine, net.blobs["data"].data)
    for act in (net.forward, net.reshape, net.backward):
        with pytest.raises(NetspecError, match="would make parameter 'fc/0'"):
            act()
    net.blobs["data"].reshape(2, 3, 7, 9)
    assert net.forward(data=X)["out"].shape == (2, 2)


def test_a_layer_of_the_pass_itself_must_take_the_shape(tmp_path):
    text = DEPLOY[: DEPLOY.index('layer { name: "pool"')] + FIXED
    net = caffe.Net(write(tmp_path, text), caffe.TEST)
    expected = net.forward(data=X)["out"]
    net.blobs["data"].reshape(2, 3, 9, 9)
    with pytest.raises(NetspecError, match="would make parameter 'fc/0'"):
        net.forward(end="fc")
    assert net.blobs["conv"].shape == (2, 5, 3, 4)
    net.blobs["data"].reshape(2, 3, 7, 9)
    np.testing.assert_array_equal(net.forward(data=X)["out"], expected)
