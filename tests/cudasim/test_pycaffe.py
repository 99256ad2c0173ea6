"""pycaffe on a GPU: programs see NumPy arrays, and write to them."""

from __future__ import annotations

import numpy as np
import pytest

import netspec.pycaffe as caffe
from netspec.pycaffe import modes
from tests.cudasim.training import cuda, make_files
from tests.pycaffe.small import DEPLOY, LABELS, TRAIN_NET, X, write

__all__ = ["cuda"]


@pytest.fixture
def gpu(cuda, monkeypatch):
    monkeypatch.setattr(modes, "_settings", modes.Settings())
    caffe.set_device(0)
    caffe.set_mode_gpu()
    yield
    caffe.set_mode_cpu()


def both(tmp_path, text, phase=caffe.TEST):
    """The same net on the CPU and on the GPU, with the same weights."""
    path = write(tmp_path, text)
    nets = []
    for mode in (caffe.set_mode_cpu, caffe.set_mode_gpu):
        mode()
        nets.append(caffe.Net(path, phase))
    return nets


def close(one, other):
    assert type(one) is type(other) is np.ndarray
    scale = np.abs(one).max(initial=1e-3)
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * scale)


def test_passes_give_what_the_cpus_give(gpu, tmp_path):
    cpu, net = both(tmp_path, TRAIN_NET, caffe.TRAIN)
    assert net._core.device == "cuda:0"
    for each in (cpu, net):
        each.blobs["data"].data[...] = X
        each.blobs["label"].data[...] = LABELS
    close(cpu.forward()["loss"], net.forward()["loss"])
    cpu.backward()
    net.backward()
    for name in cpu.blobs:
        close(cpu.blobs[name].data, net.blobs[name].data)
        close(cpu.blobs[name].diff, net.blobs[name].diff)
    for name, params in cpu.params.items():
        for one, other in zip(params, net.params[name]):
            close(one.diff, other.diff)


def test_weights_written_by_a_program_are_computed_with(gpu, tmp_path):
    cpu, net = both(tmp_path, DEPLOY)
    for each in (cpu, net):
        each.params["conv"][0].data[...] *= 2
        each.params["conv"][1].data[1] = 3
        each.params["score"][1].data[...] = [1, 2, 3, -1]
    for _ in range(2):
        close(*(each.forward(data=X)[each.outputs[0]].copy() for each in (cpu, net)))
        for each in (cpu, net):
            each.params["conv"][0].data[...] -= 0.5


def test_an_array_is_brought_up_to_date(gpu, tmp_path):
    _, net = both(tmp_path, DEPLOY)
    held = net.blobs[net.outputs[0]].data
    net.forward(data=X)
    first = net.blobs[net.outputs[0]].data
    assert first is held
    close(first, net.forward(data=X)[net.outputs[0]])


def test_reshaping(gpu, tmp_path):
    cpu, net = both(tmp_path, DEPLOY)
    more = np.concatenate([X, X[:1] + 1])
    found = []
    for each in (cpu, net):
        each.forward(data=X)
        each.blobs["data"].reshape(*more.shape)
        view = each.blobs["data"].data
        view[...] = more
        each.reshape()
        first = each.forward()[each.outputs[0]]
        each.blobs["data"].data[0] = 0
        found.append((first, each.forward()[each.outputs[0]]))
        assert first.shape[0] == len(more)
    for one, other in zip(*found):
        close(one, other)


def test_calls_hung_into_a_pass_see_and_change_it(gpu, tmp_path):
    cpu, net = both(tmp_path, DEPLOY)
    results = []
    for each in (cpu, net):
        seen = []

        def after(layer, each=each, seen=seen):
            if each._layer_names[layer] == "conv":
                seen.append(each.blobs["conv"].data.copy())
                each.blobs["conv"].data[0] = 0

        each.after_forward(after)
        results.append((each.forward(data=X)[each.outputs[0]], seen[0]))
    for one, other in zip(*results):
        close(one, other)


def test_nets_share_and_save(gpu, tmp_path):
    _, net = both(tmp_path, DEPLOY)
    other = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    other.share_with(net)
    net.params["conv"][0].data[...] = 0.25
    close(net.forward(data=X)[net.outputs[0]], other.forward(data=X)[net.outputs[0]])
    net.params["conv"][1].data[...] = 7
    net.save(str(tmp_path / "w.caffemodel"))
    caffe.set_mode_cpu()
    read = caffe.Net(
        str(tmp_path / "net.prototxt"), str(tmp_path / "w.caffemodel"), caffe.TEST
    )
    assert (read.params["conv"][0].data == 0.25).all()
    assert (read.params["conv"][1].data == 7).all()


def test_solvers(gpu, tmp_path):
    solver_file = str(make_files(tmp_path, "vgg", "test_iter: 1 test_interval: 9"))
    found = []
    for mode in (caffe.set_mode_cpu, caffe.set_mode_gpu):
        mode()
        solver = caffe.SGDSolver(solver_file)
        starts = []
        solver.add_callback(
            lambda s=solver, seen=starts: seen.append(
                s.net.params["fc8"][0].data.copy()
            ),
            lambda s=solver: s.net.params["fc8"][1].diff.__imul__(0),
        )
        solver.step(1)
        solver.net.params["fc8"][0].data[...] += 0.125
        solver.step(2)
        test = solver.test_nets[0]
        test.forward()
        found.append(
            (
                *starts,
                solver.net.params["fc8"][0].data,
                solver.net.params["fc8"][1].data,
            )
        )
        found[-1] += (test.blobs["loss"].data,)
    for one, other in zip(*found):
        close(one, other)
    assert not found[0][-2].any()


def test_whole_sets(gpu, tmp_path):
    cpu, net = both(tmp_path, DEPLOY)
    rows = np.concatenate([X, X + 1, X - 2])[:-1]
    close(
        *(each.forward_all(data=rows)[each.outputs[0]] for each in (cpu, net)),
    )
