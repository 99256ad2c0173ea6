"""Layers that a program writes in Python."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest

import netspec.pycaffe as caffe
from netspec.errors import NetspecError
from netspec.pycaffe import layers as L

from .small import write


class Scale(caffe.Layer):
    """Multiplies by its param_str and by a parameter."""

    def setup(self, bottom, top):
        self.factor = float(self.param_str)
        self.blobs.add_blob(1)
        self.blobs[0].data[0] = 3

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * self.blobs[0].data[0] * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * self.blobs[0].data[0] * top[0].diff
        product = (top[0].diff * bottom[0].data).sum()
        self.blobs[0].diff[0] += self.factor * product


class Rows(caffe.Layer):
    """A data layer whose program hands it batches of any size."""

    def setup(self, bottom, top):
        self.waiting = [np.ones((2, 3))]
        top[0].reshape(2, 3)
        top[1].reshape(2)

    def reshape(self, bottom, top):
        pass

    def forward(self, bottom, top):
        rows = self.waiting.pop(0) if len(self.waiting) > 1 else self.waiting[0]
        top[0].reshape(*rows.shape)
        top[1].reshape(len(rows))
        top[0].data[...] = rows
        top[1].data[...] = self.phase

    def backward(self, top, propagate_down, bottom):
        pass


class Euclidean(caffe.Layer):
    """Half the squared distance, a row."""

    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise RuntimeError("two bottoms, please")

    def reshape(self, bottom, top):
        self.diff = np.zeros_like(bottom[0].data)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.diff[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.diff**2) / bottom[0].num / 2.0

    def backward(self, top, propagate_down, bottom):
        for i, sign in enumerate((1, -1)):
            if propagate_down[i]:
                bottom[i].diff[...] = sign * self.diff / bottom[i].num


@pytest.fixture(autouse=True)
def _allowed(monkeypatch):
    module = ModuleType("layers_of_mine")
    module.__dict__.update(Scale=Scale, Rows=Rows, Euclidean=Euclidean)
    monkeypatch.setitem(sys.modules, "layers_of_mine", module)
    caffe.allow_python()


def mine(*bottoms, layer, **options):
    return L.Python(*bottoms, module="layers_of_mine", layer=layer, **options)


@pytest.fixture
def scale(tmp_path):
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3]})
    n.scaled = mine(n.data, layer="Scale", param_str="0.5")
    return write(tmp_path, "force_backward: true\n" + str(n.to_proto()))


X = np.arange(6, dtype=np.float32).reshape(2, 3) + 1


@pytest.mark.smoke
def test_a_layer_of_ones_own(scale):
    net = caffe.Net(scale, caffe.TEST)
    assert net.params["scaled"][0].data == 3
    np.testing.assert_array_equal(net.forward(data=X)["scaled"], 1.5 * X)
    np.testing.assert_array_equal(net.backward(scaled=X + 1)["data"], 1.5 * (X + 1))
    assert net.params["scaled"][0].diff == 0.5 * (X * (X + 1)).sum()


def test_the_layer_is_the_programs_own_object(scale):
    net = caffe.Net(scale, caffe.TEST)
    layer = net.layers[1]
    assert isinstance(layer, Scale)
    assert net.layer_dict["scaled"] is layer
    assert (layer.type, layer.phase, layer.param_str) == ("Python", caffe.TEST, "0.5")
    layer.blobs[0].data[0] = 8  # before any pass: the net's own memory
    assert net.params["scaled"][0].data == 8
    layer.factor = -1
    np.testing.assert_array_equal(net.forward(data=X)["scaled"], -8 * X)
    net.blobs["data"].reshape(1, 3)
    net.reshape()
    assert net.layers[1] is layer
    np.testing.assert_array_equal(net.forward(data=X[:1])["scaled"], -8 * X[:1])


def test_its_parameters_are_saved_copied_and_shared(scale, tmp_path):
    net = caffe.Net(scale, caffe.TEST)
    net.params["scaled"][0].data[0] = 7
    net.save(str(tmp_path / "w"))
    net.layers[1].blobs[0].data[0] = 1
    net.copy_from(str(tmp_path / "w"))
    assert net.layers[1].blobs[0].data[0] == 7
    other = caffe.Net(scale, caffe.TEST)
    other.share_with(net)
    np.testing.assert_array_equal(other.forward(data=X)["scaled"], 3.5 * X)


def test_tops_may_take_another_shape_in_every_pass(tmp_path):
    n = caffe.NetSpec()
    n.data, n.label = mine(layer="Rows", ntop=2)
    n.sum = L.Reduction(n.data, axis=1)
    net = caffe.Net(write(tmp_path, str(n.to_proto())), caffe.TEST)
    assert net.forward(blobs=["label"])["label"].tolist() == [1, 1]
    net.layers[0].waiting = [np.ones((4, 3)), np.full((1, 3), 2.0), np.zeros((2, 3))]
    assert net.forward()["sum"].tolist() == [3, 3, 3, 3]
    assert net.blobs["data"].shape == (4, 3)
    assert net.forward()["sum"].tolist() == [6]
    assert net.forward(blobs=["data"])["data"].shape == (2, 3)


def test_a_loss_of_ones_own_trains(tmp_path):
    """Caffe's linear regression in Python, against the layer that it imitates."""
    losses = []
    for own in (True, False):
        n = caffe.NetSpec()
        n.x, n.y = L.DummyData(
            shape=[{"dim": [10, 3]}, {"dim": [10, 2]}],
            data_filler={"type": "gaussian"},
            ntop=2,
        )
        n.a = L.InnerProduct(n.x, num_output=2, weight_filler={"type": "xavier"})
        n.b = L.InnerProduct(n.y, num_output=2, weight_filler={"type": "xavier"})
        if own:
            n.loss = mine(n.a, n.b, layer="Euclidean", loss_weight=1)
        else:
            n.loss = L.EuclideanLoss(n.a, n.b)
        net = write(tmp_path, str(n.to_proto()))
        text = f"net: '{net}' base_lr: 0.1 lr_policy: 'fixed' max_iter: 5"
        solver = caffe.SGDSolver(write(tmp_path, text, "solver.prototxt"))
        run = []
        for _ in range(5):
            solver.step(1)
            run.append(float(solver.net.blobs["loss"].data.sum()))
        losses.append(run)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][-1] < losses[0][0]


def test_what_a_layer_raises_comes_out_as_it_is(tmp_path):
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3]})
    n.loss = mine(n.data, layer="Euclidean")
    with pytest.raises(RuntimeError, match="two bottoms") as caught:
        caffe.Net(write(tmp_path, str(n.to_proto())), caffe.TEST)
    assert caught.value.__notes__ == ["in setup() of the Python layer 'loss'"]


@pytest.mark.smoke
def test_nothing_runs_unless_it_is_allowed(scale, tmp_path, monkeypatch):
    caffe.allow_python(False)
    solver = write(
        tmp_path, f"net: '{scale}' base_lr: 1 lr_policy: 'fixed'", "s.prototxt"
    )
    for make in (
        lambda: caffe.Net(scale, caffe.TEST),
        lambda: caffe.get_solver(solver),
        lambda: caffe.SGDSolver(solver),
    ):
        with pytest.raises(NetspecError) as caught:
            make()
        assert "layer 'scaled' (Python): would run 'Scale' of the Python module" in str(
            caught.value
        )
    assert caffe.Net(scale, caffe.TEST, allow_python=True).forward(data=X)
    assert caffe.get_solver(solver, allow_python=True).net.forward(data=X)
    assert caffe.SGDSolver(solver, allow_python=True).net.forward(data=X)
    caffe.allow_python()
    assert caffe.Net(scale, caffe.TEST).forward(data=X)
    with pytest.raises(NetspecError):
        caffe.Net(scale, caffe.TEST, allow_python=False)
