"""Solvers: training from a program, and what a program may do in between."""

from __future__ import annotations

import gc
import shutil

import numpy as np
import pytest

import netspec.pycaffe as caffe
from netspec.errors import DivergedError, NetspecError
from netspec.pycaffe import pycaffe

from .small import LABELS, TRAIN_NET, X, write

TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
CASES = (
    *("sgd_fixed", "sgd_plain_exp", "sgd_step_l1", "sgd_inv_clip", "sgd_everything"),
    *("sgd_multistep_iter_size", "sgd_hdf5_snapshot", "nesterov_sigmoid"),
    *("nesterov_step", "adagrad_poly", "rmsprop_fixed", "adadelta_fixed", "adam_inv"),
)
BASE = (
    "lr_policy: 'fixed' max_iter: 7 snapshot_after_train: false random_seed: 3 "
    "base_lr: 0.05 "
)


def make(folder, settings="momentum: 0.9", kind=caffe.SGDSolver):
    """A solver of the small net, whose inputs hold X and LABELS."""
    net = write(folder, TRAIN_NET)
    prefix = f"net: '{net}' snapshot_prefix: '{folder}/model' "
    solver = kind(write(folder, prefix + BASE + settings, "solver.prototxt"))
    solver.net.blobs["data"].data[...] = X
    solver.net.blobs["label"].data[...] = LABELS
    return solver


def weights(solver):
    return [p.data.copy() for each in solver.net.params.values() for p in each]


@pytest.mark.smoke
def test_training_makes_the_loss_smaller(tmp_path):
    solver = make(tmp_path)
    solver.step(1)
    first = float(solver.net.blobs["loss"].data)
    solver.solve()
    assert solver.iter == 7
    assert float(solver.net.blobs["loss"].data) < first


@pytest.mark.parametrize("name", CASES)
def test_whole_runs_are_caffes(name, shared_data, tmp_path, monkeypatch):
    shutil.copytree(shared_data / "caffe_golden" / "solvers" / name, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    expected = np.load("expected.npz")
    solver = caffe.get_solver("solver.prototxt")
    solver.net.copy_from("init.caffemodel")
    losses, rates = [], []
    for until in (1, 6, 12):
        while solver.iter < until:
            rates.append(solver.lr)
            solver.step(1)
            losses.append(float(solver.net.blobs["loss"].data))
        for layer, blobs in solver.net.params.items():
            for i, blob in enumerate(blobs):
                caffes = expected[f"param:{until}:{layer}:{i}"]
                bound = 2e-5 * np.abs(caffes).max()  # as tests/solver/test_golden.py
                np.testing.assert_allclose(blob.data, caffes, rtol=0, atol=bound)
    np.testing.assert_allclose(losses, expected["loss"][:, -1], rtol=1e-5)
    np.testing.assert_allclose(rates, expected["lr"], rtol=1e-6)


def test_a_run_goes_on_from_caffes_snapshot(shared_data, tmp_path, monkeypatch):
    folder = shared_data / "caffe_golden" / "solvers" / "adam_inv"
    shutil.copytree(folder, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    caffes = np.load("expected.npz")["param:12:conv:0"]
    solver = caffe.AdamSolver("solver.prototxt")
    solver.solve("snap_iter_6.solverstate")
    assert solver.iter == 12
    # It reads on where Caffe begins its data anew, so this is the unbroken run.
    found = solver.net.params["conv"][0].data
    np.testing.assert_allclose(found, caffes, rtol=0, atol=2e-5 * np.abs(caffes).max())


@pytest.mark.parametrize("kind", TYPES)
def test_the_class_decides_the_type(kind, tmp_path):
    named = make(tmp_path, kind=getattr(caffe, f"{kind}Solver"), settings="")
    chosen = make(tmp_path, f"type: '{kind}'", caffe.get_solver)
    assert type(named) is type(chosen)
    assert isinstance(named, pycaffe.SGDSolver)
    named.step(3)
    chosen.step(3)
    np.testing.assert_equal(weights(named), weights(chosen))


def test_a_snapshot_resumes_exactly(tmp_path):
    whole = make(tmp_path)
    whole.step(3)
    whole.snapshot()
    state = tmp_path / "model_iter_3.solverstate"
    assert state.exists()
    assert (tmp_path / "model_iter_3.caffemodel").exists()
    whole.step(2)
    resumed = make(tmp_path)
    resumed.restore(str(state))
    assert resumed.iter == 3
    resumed.step(2)
    np.testing.assert_equal(weights(resumed), weights(whole))


def test_the_net_holds_the_whole_batch(tmp_path):
    net = TRAIN_NET.replace(
        "dim: 2 dim: 3 dim: 7 dim: 9", "dim: 64 dim: 3 dim: 7 dim: 9"
    )
    net = net.replace("shape { dim: 2 }", "shape { dim: 64 }")
    net = net.replace('type: "Input"', 'type: "DummyData"').replace(
        "input_param", "dummy_data_param"
    )
    path = write(tmp_path, net)
    solver = caffe.SGDSolver(write(tmp_path, f"net: '{path}' " + BASE, "s.prototxt"))
    assert solver.net.blobs["data"].shape == (64, 3, 7, 9)


def test_a_loop_of_ones_own_equals_a_step(tmp_path):
    stepped, own = make(tmp_path), make(tmp_path)
    for _ in range(3):
        stepped.step(1)
        own.net.clear_param_diffs()
        own.net.forward()
        own.net.backward()
        own.apply_update()
    assert own.iter == 0
    np.testing.assert_equal(weights(own), weights(stepped))


def test_passes_between_steps_change_nothing(tmp_path):
    tested = "test_iter: 1 test_interval: 100 test_initialization: false"
    quiet, busy = make(tmp_path, tested), make(tmp_path, tested)
    for _ in range(3):
        quiet.step(1)
        busy.net.forward()
        busy.test_nets[0].forward()
        busy.net.backward()
        busy.step(1)
    np.testing.assert_equal(weights(busy), weights(quiet))


def test_callbacks_of_the_solver_and_of_its_net(tmp_path):
    solver = make(tmp_path, "iter_size: 2")
    calls = []
    solver.add_callback(lambda: calls.append("start"), lambda: calls.append("ready"))
    solver.net.before_forward(lambda layer: calls.append("f") if layer == 0 else None)
    solver.net.after_backward(lambda layer: calls.append("b") if layer == 0 else None)
    solver.step(2)
    assert calls == ["start", "f", "b", "f", "b", "ready"] * 2


def test_a_callback_may_change_gradients(tmp_path):
    solver = make(tmp_path, "momentum: 0")
    gradient = solver.net.params["score"][1].diff

    def ones():
        gradient[...] = 1

    before = weights(solver)[3]
    solver.add_callback(lambda: None, ones)
    solver.step(1)
    np.testing.assert_allclose(weights(solver)[3], before - 0.05 * 2, rtol=1e-5)


def test_the_rate_may_be_set_while_training(tmp_path):
    solver = make(tmp_path)
    assert solver.param.max_iter == 7
    assert solver.lr == pytest.approx(0.05)
    solver.param.base_lr = 0.125
    assert solver.lr == pytest.approx(0.125)


def test_test_nets_compute_with_the_trained_parameters(tmp_path):
    solver = make(tmp_path, "test_iter: 1 test_iter: 2 test_interval: 1")
    assert len(solver.test_nets) == 2
    for net in (solver.net, *solver.test_nets):
        net.blobs["label"].data[...] = LABELS
        net.blobs["data"].data[...] = X
    solver.step(2)
    expected = solver.net.forward()["loss"]
    for net in solver.test_nets:
        assert net.forward()["loss"] == expected


def test_other_nets_may_share_the_trained_parameters(tmp_path):
    solver = make(tmp_path)
    other = caffe.Net(str(tmp_path / "net.prototxt"), caffe.TEST)
    solver.share_weights(other)
    solver.step(2)
    trained = solver.net.params["conv"][0].data
    np.testing.assert_array_equal(other.params["conv"][0].data, trained)
    with pytest.raises(NetspecError) as caught:
        solver.net.share_with(other)
    assert str(caught.value) == (
        "a solver trains this net, so it cannot give up its parameters.\n"
        "  Let the other net share with this one, or copy the values."
    )


def test_nets_outlive_their_solver(tmp_path):
    solver = make(tmp_path, "test_iter: 1 test_interval: 100")
    nets = [solver.net, *solver.test_nets]
    assert len(nets) == 2
    del solver
    gc.collect()
    for net in nets:
        assert np.isfinite(net.forward()["loss"])


def test_the_trained_net_may_be_reshaped(tmp_path):
    solver = make(tmp_path)
    solver.net.blobs["data"].reshape(3, 3, 9, 9)
    solver.net.blobs["label"].reshape(3)
    solver.net.blobs["data"].data[...] = 0.5
    solver.step(2)
    assert solver.net.blobs["score"].shape == (3, 4)
    assert solver.iter == 2


MEMORY = """
layer { name: "memory" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 2 channels: 3 height: 7 width: 9 } }
"""


def test_arrays_in_memory_are_trained_on_from_where_they_are_set(tmp_path):
    text = MEMORY + TRAIN_NET[TRAIN_NET.index('layer { name: "conv"') :].replace(
        'layer { name: "label" type: "Input" top: "label" '
        "input_param { shape { dim: 2 } } }",
        "",
    )
    path = write(tmp_path, text, "memory.prototxt")
    solver_file = write(tmp_path, f"net: '{path}' " + BASE, "m.prototxt")
    solver = caffe.SGDSolver(solver_file)
    many = np.random.default_rng(9).normal(size=(6, 3, 7, 9)).astype(np.float32)
    solver.net.set_input_arrays(many, np.array([0, 1, 2, 3, 0, 1], np.float32))
    solver.step(4)
    np.testing.assert_array_equal(solver.net.blobs["data"].data, many[:2])
    solver.net.set_input_arrays(many[2:], np.array([3, 2, 1, 0], np.float32))
    solver.step(1)
    np.testing.assert_array_equal(solver.net.blobs["data"].data, many[2:4])
    assert list(solver.net.blobs["label"].data) == [3, 2]
    many[4:] = 0.25
    solver.step(1)
    assert np.all(solver.net.blobs["data"].data == 0.25)


def test_divergence_is_an_exception(tmp_path):
    solver = make(tmp_path)
    solver.net.params["score"][0].data[0, 0] = np.nan
    with pytest.raises(DivergedError, match="score"):
        solver.step(1)


def test_debug_info_is_logged_beside_callbacks(tmp_path, capsys):
    solver = make(tmp_path, "debug_info: true")
    layers = []
    solver.net.before_backward(layers.append)
    solver.step(1)
    assert layers == list(range(10, -1, -1))
    assert "[Backward] Layer score" in capsys.readouterr().err


def test_the_process_seed_counts_where_the_file_has_none(tmp_path):
    def first_weights(seed, given=""):
        caffe.set_random_seed(seed)
        net = write(tmp_path, TRAIN_NET)
        text = f"net: '{net}' base_lr: 1 lr_policy: 'fixed' max_iter: 1 {given}"
        return weights(caffe.SGDSolver(write(tmp_path, text, "s.prototxt")))[0]

    assert not np.array_equal(first_weights(5), first_weights(6))
    np.testing.assert_array_equal(first_weights(5), first_weights(5))
    given = "random_seed: 8"
    np.testing.assert_array_equal(first_weights(5, given), first_weights(6, given))
