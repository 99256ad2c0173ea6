"""Going on from solver states that Caffe wrote years ago."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError
from netspec.proto import LayerParameter, NetParameter
from netspec.solver import Solver
from netspec.spec import Located, Places, read_net, read_solver
from netspec.weights import read_weights

CIFAR, MNIST = (3, 32, 32), (1, 28, 28)
CASES = {
    "cifar10_quick_v1/cifar10_quick_iter_4000.solverstate": (CIFAR, 4000),
    "cifar10_quick_hdf5/cifar10_quick_iter_5000.solverstate.h5": (CIFAR, 5000),
    "lenet_mnist_v1/lenet_iter_10000.solverstate": (MNIST, 10000),
}


def solver_for(folder, shape):
    """The model's own solver and net, but fed from memory."""
    spec = read_solver(next(folder.glob("*_solver.prototxt")))
    net = read_net(next(folder.glob("*_train_test.prototxt")))
    spec.message.ClearField("net")
    spec.message.ClearField("test_iter")
    spec.message.ClearField("test_interval")
    spec.message.net_param.CopyFrom(in_memory(net.message, shape))
    located = Located(spec.message, Places(str(folder / "solver.prototxt")))
    solver = Solver(located, device="numpy")
    draw = np.random.default_rng(0)
    pictures = draw.integers(0, 256, (20, *shape)).astype(np.float32)
    feed = solver.feeds.by_layer[solver.net.graph.nodes[0].name]
    feed.set_arrays(pictures / 256, draw.integers(0, 10, 20))
    return solver


def in_memory(net, shape):
    """The net with a MemoryData layer in place of its databases."""
    new = NetParameter(name=net.name)
    data = next(layer for layer in net.layer if layer.type == "Data")
    layer = LayerParameter(name=data.name, type="MemoryData", top=data.top)
    settings = layer.memory_data_param
    settings.batch_size = 4
    settings.channels, settings.height, settings.width = shape
    new.layer.append(layer)
    new.layer.extend(layer for layer in net.layer if layer.type != "Data")
    return new


@pytest.mark.parametrize("name", CASES)
def test_old_snapshots_are_gone_on_from(shared_data, name):
    shape, iteration = CASES[name]
    state = shared_data / "models" / name
    if name.endswith(".h5"):
        pytest.importorskip("h5py")
    solver = solver_for(state.parent, shape)
    assert solver.restore(state)
    assert solver.iteration == iteration
    weights = read_weights(str(state).replace("solverstate", "caffemodel"))
    for layer, blobs in solver.net.params.items():
        for blob, stored in zip(blobs, weights[layer], strict=True):
            np.testing.assert_array_equal(blob.data.ravel(), stored.ravel())
    assert all(np.abs(h).max() > 0 for h in solver.histories)
    assert np.isfinite(solver.step(2)).all()


def test_the_state_of_another_net_is_refused(shared_data):
    state = shared_data / "models" / "lenet_mnist_v1/lenet_iter_10000.solverstate"
    solver = solver_for(shared_data / "models" / "cifar10_quick_v1", CIFAR)
    with pytest.raises(DataError, match="it holds 8 histories"):
        solver.restore(state)
