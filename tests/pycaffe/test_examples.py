# ruff: noqa: C408  # dict(), as Caffe's examples have it
"""Programs in the style of Caffe's examples, on small nets: they ``import caffe``."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest

from netspec import pycaffe

from .small import write


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    """``import caffe`` means pycaffe, for as long as a test runs."""
    before = set(sys.modules)
    pycaffe.install()
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] == "caffe":
            del sys.modules[name]


PLAIN = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 6 kernel_size: 5 stride: 2
    weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
"""
FC = """
layer { name: "fc6" type: "InnerProduct" bottom: "pool1" top: "fc6"
  inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "fc8" type: "InnerProduct" bottom: "fc6" top: "fc8"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc8" top: "prob" }
"""
CONV = """
layer { name: "fc6-conv" type: "Convolution" bottom: "pool1" top: "fc6-conv"
  convolution_param { num_output: 8 kernel_size: 7 } }
layer { name: "relu6" type: "ReLU" bottom: "fc6-conv" top: "fc6-conv" }
layer { name: "fc8-conv" type: "Convolution" bottom: "fc6-conv" top: "fc8-conv"
  convolution_param { num_output: 5 kernel_size: 1 } }
layer { name: "prob" type: "Softmax" bottom: "fc8-conv" top: "prob" }
"""


@pytest.mark.smoke
def test_net_surgery(tmp_path):
    """Fully connected layers become convolutions, and slide over a larger image."""
    import caffe

    caffe.set_mode_cpu()
    plain = write(tmp_path, PLAIN + FC, "plain.prototxt")
    net = caffe.Net(plain, caffe.TEST)
    net.save(str(tmp_path / "plain.caffemodel"))
    net = caffe.Net(plain, str(tmp_path / "plain.caffemodel"), caffe.TEST)
    full = write(tmp_path, PLAIN + CONV, "conv.prototxt")
    net_full = caffe.Net(full, str(tmp_path / "plain.caffemodel"), caffe.TEST)
    params = ["fc6", "fc8"]
    fc_params = {p: (net.params[p][0].data, net.params[p][1].data) for p in params}
    for name in params:
        blobs = net_full.params[f"{name}-conv"]
        blobs[0].data.flat = fc_params[name][0].flat
        blobs[1].data[...] = fc_params[name][1]
    net_full.save(str(tmp_path / "conv.caffemodel"))

    image = np.random.default_rng(1).normal(size=(1, 3, 40, 36)).astype(np.float32)
    net_full.blobs["data"].reshape(*image.shape)
    scores = net_full.forward_all(data=image)["prob"]
    assert scores.shape == (1, 5, 3, 2)
    window = net.forward(data=image[:, :, 8:40, 4:36])["prob"]
    np.testing.assert_allclose(scores[0, :, 2, 1], window[0], rtol=1e-4)
    again = caffe.Net(full, str(tmp_path / "conv.caffemodel"), caffe.TEST)
    again.blobs["data"].reshape(*image.shape)
    np.testing.assert_array_equal(again.forward(data=image)["prob"], scores)


def test_designing_filters(tmp_path, shared_data):
    """A blur and an edge detector, set by hand, on Caffe's grey cat."""
    import caffe

    text = PLAIN[: PLAIN.index('layer { name: "conv1"')].replace("dim: 3", "dim: 1")
    text += """
    layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
      convolution_param { num_output: 3 kernel_size: 5 stride: 1
        weight_filler { type: "gaussian" std: 0.01 } } }
    """
    net = caffe.Net(write(tmp_path, text), caffe.TEST)
    cat = shared_data / "images" / "bvlc_examples" / "cat_gray.jpg"
    im = np.array(caffe.io.load_image(str(cat), color=False)).squeeze()
    im_input = im[np.newaxis, np.newaxis, :, :]
    net.blobs["data"].reshape(*im_input.shape)
    net.blobs["data"].data[...] = im_input
    net.forward()
    conv0 = net.blobs["conv"].data[0, 0]
    before = conv0.mean()
    net.params["conv"][1].data[0] = 1.0
    net.forward()
    assert conv0.mean() == pytest.approx(before + 1, rel=1e-4)
    net.params["conv"][0].data[1:] = 0.0
    net.params["conv"][0].data[1, 0] = 1 / 25
    net.params["conv"][0].data[2, 0, 1:4, 1:4] = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
    net.forward()
    blurred, edges = net.blobs["conv"].data[0, 1:]
    assert blurred[10, 20] == pytest.approx(im[10:15, 20:25].mean(), rel=1e-5)
    window = im[11:14, 21:24] * [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
    assert edges[10, 20] == pytest.approx(window.sum(), abs=1e-5)


def test_classification_of_a_photo(tmp_path, shared_data):
    """The notebook's preprocessing, on its cat, and a batch of copies of it."""
    import caffe

    path = write(tmp_path, PLAIN + FC)
    caffe.set_random_seed(3)
    net = caffe.Net(path, caffe.TEST)
    mu = np.array([104.0, 117.0, 123.0])
    transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_mean("data", mu)
    transformer.set_raw_scale("data", 255)
    transformer.set_channel_swap("data", (2, 1, 0))
    net.blobs["data"].reshape(50, 3, 32, 32)
    image = caffe.io.load_image(str(shared_data / "images/bvlc_examples/cat.jpg"))
    assert image.shape == (360, 480, 3)
    transformed = transformer.preprocess("data", image)
    net.blobs["data"].data[...] = transformed
    output = net.forward()
    assert output["prob"].shape == (50, 5)
    np.testing.assert_allclose(output["prob"].sum(1), 1, rtol=1e-5)
    assert (output["prob"] == output["prob"][0]).all()
    # The photo as the net sees it: BGR, 0 to 255, less the mean.
    shown = transformer.deprocess("data", net.blobs["data"].data[7])
    np.testing.assert_allclose(shown, caffe.io.resize_image(image, (32, 32)), atol=1e-5)
    blue = transformed[0] + mu[0]
    assert blue.min() >= 0
    assert blue.max() <= 255
    rows = [(k, v[0].data.shape, v[1].data.shape) for k, v in net.params.items()]
    assert rows[0] == ("conv1", (6, 3, 5, 5), (6,))


def test_brewing_logistic_regression(tmp_path, monkeypatch):
    """HDF5 files, a net and a solver written in Python, trained and scored."""
    import caffe
    from caffe import layers as L
    from caffe import params as P
    from caffe.proto import caffe_pb2

    h5py = pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    X = draw.normal(size=(600, 4))
    y = (X @ [1.0, -2.0, 0.5, 3.0] > 0.2).astype(np.float32)
    for name, part in (("train", slice(0, 450)), ("test", slice(450, 600))):
        with h5py.File(f"{name}.h5", "w") as f:
            f["data"], f["label"] = X[part], y[part]
        with open(f"{name}.txt", "w") as f:
            f.write(f"{name}.h5\n")

    def logreg(hdf5, batch_size):
        n = caffe.NetSpec()
        n.data, n.label = L.HDF5Data(batch_size=batch_size, source=hdf5, ntop=2)
        n.ip1 = L.InnerProduct(n.data, num_output=6, weight_filler=dict(type="xavier"))
        n.relu1 = L.ReLU(n.ip1, in_place=True)
        n.ip2 = L.InnerProduct(n.ip1, num_output=2, weight_filler=dict(type="xavier"))
        n.accuracy = L.Accuracy(n.ip2, n.label)
        n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
        return n.to_proto()

    for name in ("train", "test"):
        with open(f"{name}.prototxt", "w") as f:
            f.write(str(logreg(f"{name}.txt", 10)))

    s = caffe_pb2.SolverParameter()
    s.train_net = "train.prototxt"
    s.test_net.append("test.prototxt")
    s.test_interval = 100
    s.test_iter.append(15)
    s.max_iter = 200
    s.base_lr = 0.1
    s.lr_policy = "step"
    s.gamma = 0.1
    s.stepsize = 150
    s.momentum = 0.9
    s.weight_decay = 5e-4
    s.display = 100
    s.snapshot = 200
    s.snapshot_prefix = "logreg"
    s.solver_mode = caffe_pb2.SolverParameter.CPU
    with open("solver.prototxt", "w") as f:
        f.write(str(s))

    caffe.set_mode_cpu()
    solver = caffe.get_solver("solver.prototxt")
    solver.solve()
    assert (tmp_path / "logreg_iter_200.solverstate").exists()
    accuracy = 0
    batch_size = solver.test_nets[0].blobs["data"].num
    test_iters = 150 // batch_size
    for _ in range(test_iters):
        solver.test_nets[0].forward()
        accuracy += solver.test_nets[0].blobs["accuracy"].data
    accuracy /= test_iters
    assert accuracy > 0.95
    assert P.Pooling.MAX == 0


def test_learning_lenet_step_by_step(tmp_path):
    """The training loop of the notebook, with its test from ``start``."""
    import caffe
    from caffe import layers as L

    def net(batch):
        n = caffe.NetSpec()
        n.data, n.label = L.DummyData(
            shape=[dict(dim=[batch, 1, 12, 12]), dict(dim=[batch])],
            data_filler=[dict(type="gaussian"), dict(type="constant", value=2)],
            ntop=2,
        )
        n.conv1 = L.Convolution(
            n.data, kernel_size=5, num_output=3, weight_filler=dict(type="xavier")
        )
        n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2)
        n.score = L.InnerProduct(
            n.pool1, num_output=4, weight_filler=dict(type="xavier")
        )
        n.loss = L.SoftmaxWithLoss(n.score, n.label)
        return str(n.to_proto())

    train, test = (write(tmp_path, net(b), f"{b}.prototxt") for b in (8, 5))
    text = (
        f"train_net: '{train}' test_net: '{test}' test_iter: 1 test_interval: 500 "
        "base_lr: 0.05 momentum: 0.9 lr_policy: 'inv' gamma: 0.0001 power: 0.75 "
        "max_iter: 100"
    )
    solver = caffe.SGDSolver(write(tmp_path, text, "solver.prototxt"))
    solver.net.forward()
    solver.test_nets[0].forward()
    shown = solver.test_nets[0].blobs["data"].data.copy()
    niter = 12
    train_loss, output = np.zeros(niter), np.zeros((niter, 5, 4))
    for it in range(niter):
        solver.step(1)
        train_loss[it] = solver.net.blobs["loss"].data
        solver.test_nets[0].forward(start="conv1")
        output[it] = solver.test_nets[0].blobs["score"].data[:5]
    np.testing.assert_array_equal(solver.test_nets[0].blobs["data"].data, shown)
    assert train_loss[-1] < train_loss[0] / 2
    assert (output[-1].argmax(1) == 2).all()


SIAMESE = """
layer { name: "pair_data" type: "Input" top: "pair_data"
  input_param { shape { dim: 6 dim: 2 dim: 5 dim: 5 } } }
layer { name: "sim" type: "Input" top: "sim" input_param { shape { dim: 6 } } }
layer { name: "slice" type: "Slice" bottom: "pair_data" top: "data" top: "data_p"
  slice_param { slice_dim: 1 slice_point: 1 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "feat"
  param { name: "w" lr_mult: 1 } param { name: "b" lr_mult: 2 }
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "ip_p" type: "InnerProduct" bottom: "data_p" top: "feat_p"
  param { name: "w" lr_mult: 1 } param { name: "b" lr_mult: 2 }
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "ContrastiveLoss" bottom: "feat" bottom: "feat_p"
  bottom: "sim" top: "loss" contrastive_loss_param { margin: 1 } }
"""
TWIN = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 6 dim: 1 dim: 5 dim: 5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "feat"
  inner_product_param { num_output: 2 } }
"""


def test_siamese_twins(tmp_path):
    """Two branches with one set of weights learn a distance; one of them is used."""
    import caffe

    net = write(tmp_path, SIAMESE, "siamese.prototxt")
    text = f"net: '{net}' base_lr: 0.05 momentum: 0.9 lr_policy: 'fixed' max_iter: 200"
    solver = caffe.SGDSolver(write(tmp_path, text, "solver.prototxt"))
    draw = np.random.default_rng(2)
    classes = draw.normal(size=(2, 5, 5)).astype(np.float32)
    first, second = draw.integers(0, 2, (2, 6))
    pairs = np.stack([classes[first], classes[second]], axis=1)
    solver.net.blobs["pair_data"].data[...] = pairs
    solver.net.blobs["sim"].data[...] = first == second
    solver.solve()
    shared = solver.net.params
    np.testing.assert_array_equal(shared["ip"][0].data, shared["ip_p"][0].data)
    assert solver.net.blobs["loss"].data < 1e-2
    solver.net.save(str(tmp_path / "siamese.caffemodel"))

    twin = caffe.Net(
        write(tmp_path, TWIN, "twin.prototxt"),
        str(tmp_path / "siamese.caffemodel"),
        caffe.TEST,
    )
    raw = draw.integers(0, 2, 9)
    out = twin.forward_all(data=classes[raw][:, np.newaxis])
    feat = out["feat"]
    assert feat.shape == (9, 2)
    same = raw[:, None] == raw[None]
    distance = np.linalg.norm(feat[:, None] - feat[None], axis=2)
    assert distance[same].max() < 1e-4
    assert distance[~same].min() > 0.8


def test_fine_tuning(tmp_path):
    """Weights by name into another net, frozen layers, one new classifier."""
    import caffe
    from caffe import layers as L

    learned = [dict(lr_mult=1, decay_mult=1), dict(lr_mult=2, decay_mult=0)]
    frozen = [dict(lr_mult=0)] * 2

    def net(classes, name, param, train=True):
        n = caffe.NetSpec()
        n.data = L.Input(shape=dict(dim=[4, 3, 8, 8]))
        n.conv1 = L.Convolution(
            n.data, kernel_size=3, num_output=5, param=param,
            weight_filler=dict(type="gaussian", std=0.1),
            bias_filler=dict(type="constant", value=0.1),
        )  # fmt: skip
        n.relu1 = L.ReLU(n.conv1, in_place=True)
        score = L.InnerProduct(
            n.relu1, num_output=classes, param=learned,
            weight_filler=dict(type="gaussian", std=0.1),
        )  # fmt: skip
        n.__setattr__(name, score)
        if train:
            n.label = L.Input(shape=dict(dim=[4]))
            n.loss = L.SoftmaxWithLoss(score, n.label)
            n.acc = L.Accuracy(score, n.label)
        return write(tmp_path, str(n.to_proto()), f"{name}.prototxt")

    base = caffe.Net(net(7, "fc8", learned, train=False), caffe.TEST)
    weights = str(tmp_path / "base.caffemodel")
    base.save(weights)
    style = net(3, "fc8_style", frozen)
    text = f"train_net: '{style}' base_lr: 0.1 lr_policy: 'fixed' max_iter: 40"
    solver = caffe.get_solver(write(tmp_path, text, "solver.prototxt"))
    solver.net.copy_from(weights)
    conv1 = base.params["conv1"][0].data
    np.testing.assert_array_equal(solver.net.params["conv1"][0].data, conv1)
    draw = np.random.default_rng(5)
    solver.net.blobs["data"].data[...] = draw.normal(size=(4, 3, 8, 8))
    solver.net.blobs["label"].data[...] = [0, 1, 2, 1]
    before = solver.net.params["fc8_style"][0].data.copy()
    solver.step(40)
    np.testing.assert_array_equal(solver.net.params["conv1"][0].data, conv1)
    assert not np.array_equal(solver.net.params["fc8_style"][0].data, before)
    assert solver.net.blobs["acc"].data == 1


def test_dreaming(tmp_path):
    """Gradient ascent on the input from a layer inside, as deep dreams are made."""
    import caffe
    from google.protobuf import text_format

    model = caffe.proto.caffe_pb2.NetParameter()
    text_format.Merge(PLAIN + FC, model)
    model.force_backward = True
    net = caffe.Net(write(tmp_path, str(model), "dream.prototxt"), caffe.TEST)
    src, end = net.blobs["data"], "pool1"
    dst = net.blobs[end]
    src.reshape(1, 3, 24, 24)
    src.data[...] = np.random.default_rng(3).normal(size=(1, 3, 24, 24))
    energy = []
    for _ in range(5):
        net.forward(end=end)
        energy.append(float((dst.data**2).sum()))
        dst.diff[:] = dst.data
        net.backward(start=end)
        g = src.diff[0]
        src.data[:] += 0.5 / np.abs(g).mean() * g
    assert all(later > sooner for sooner, later in pairwise(energy))
