"""Training, testing and resuming on a GPU: what the CPU computes, within rounding."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.cli.main import main
from netspec.errors import DeviceError, DivergedError, LabelError
from netspec.net import Net
from netspec.solver import Solver
from netspec.solver.events import TestResult
from netspec.weights import read_weights
from tests.cudasim.training import NETS, agree, cuda, make_files, told, train

__all__ = ["cuda"]


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_equals_the_cpu(cuda, tmp_path, name, lean):
    solver = make_files(tmp_path, name, "display: 2")
    gpu = train(solver, "cuda", lean=lean)
    agree(gpu, train(solver, "cpu", lean=lean))
    assert [event.iteration for event in told(gpu)] == [0, 1, 2, 3]
    assert [bool(event.outputs) for event in told(gpu)] == [True, False, True, False]
    assert len(gpu.masks) == (2 if name in ("vgg", "ignore") and not lean else 0)


@pytest.mark.parametrize(
    "settings",
    [
        "iter_size: 3",
        "clip_gradients: 0.1",
        'type: "Adam" momentum2: 0.99 delta: 1e-6',
        'type: "LARS" local_gw_ratio: 0.1',
        "ema_decay: 0.5",
        'regularization_type: "L1"',
    ],
)
def test_equals_the_cpu_by_any_rule(cuda, tmp_path, settings):
    solver = make_files(tmp_path, "vgg", settings)
    agree(train(solver, "cuda", 3), train(solver, "cpu", 3))


def test_the_command_trains_tests_and_times(cuda, tmp_path, capsys):
    settings = "display: 1 max_iter: 3 test_interval: 2"
    solver = make_files(tmp_path, "lenet", settings)
    assert main(["train", "-solver", str(solver), "-gpu", "0"]) == 0
    assert "on cuda:0" in capsys.readouterr().out
    weights = tmp_path / "snap" / "t_iter_3.caffemodel"
    gpu = {k: [np.array(a) for a in v] for k, v in read_weights(weights).items()}
    assert main(["train", "--solver", str(solver), "--device", "cpu"]) == 0
    cpu = read_weights(weights)
    assert list(cpu) == list(gpu)
    for layer, arrays in cpu.items():
        for one, other in zip(arrays, gpu[layer]):
            np.testing.assert_allclose(one, other, atol=1e-5)
    model = ["--model", str(tmp_path / "net.prototxt")]
    lines = {}
    for device in ("cpu", "cuda"):
        capsys.readouterr()
        given = [*model, "--weights", str(weights), "--device", device]
        assert main(["test", *given]) == 0
        lines[device] = capsys.readouterr().out.splitlines()[1:]
    assert lines["cpu"] == lines["cuda"]
    assert len(lines["cpu"]) == 2
    assert main(["time", *model, "--gpu", "0", "--iterations", "1"]) == 0
    assert "conv2" in capsys.readouterr().out


def test_tests_find_what_the_cpu_finds(cuda, tmp_path):
    solver = make_files(tmp_path, "batch norm", "test_interval: 2 max_iter: 2")
    found = {}
    for device in ("cpu", "cuda"):
        with Solver(solver, device=device, lean=True) as made:
            made.step(1)
            (found[device],) = made.test()
    assert isinstance(found["cpu"], TestResult)
    for name in ("accuracy", "loss"):
        values = [found[device].value(name) for device in ("cpu", "cuda")]
        assert values[0] == pytest.approx(values[1], rel=1e-4)


@pytest.mark.parametrize("name", ["vgg", "batch norm"])
def test_a_resumed_run_has_the_same_bits(cuda, tmp_path, name):
    solver = make_files(tmp_path, name, "snapshot: 2")
    whole = train(solver, "cuda", 4)
    resumed = train(
        solver, "cuda", 2, resume=tmp_path / "snap" / "t_iter_2.solverstate"
    )
    np.testing.assert_array_equal(whole.weights, resumed.weights)
    for one, other in zip(whole.histories, resumed.histories):
        np.testing.assert_array_equal(one, other)
    assert whole.losses[2:] == resumed.losses


@pytest.mark.parametrize(("first", "then"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_resumes_on_the_other_device(cuda, tmp_path, first, then):
    solver = make_files(tmp_path, "vgg", "snapshot: 2")
    whole = train(solver, "cpu", 4)
    train(solver, first, 2)
    resumed = train(solver, then, 2, resume=tmp_path / "snap" / "t_iter_2.solverstate")
    whole.losses = whole.losses[2:]
    agree(whole, resumed)


def test_a_loss_that_is_not_finite_ends_training(cuda, tmp_path):
    solver = make_files(tmp_path, "lenet", "")
    solver.write_text(solver.read_text().replace("base_lr: 0.02", "base_lr: 1e38"))
    with (
        pytest.raises(DivergedError, match=r"of iteration [12] is") as caught,
        Solver(solver, device="cuda", lean=True) as made,
    ):
        made.step(5)
    assert "the first bad value is in" in str(caught.value)


def test_a_label_that_is_no_class_is_named(cuda, tmp_path):
    solver = make_files(tmp_path, "vgg", "")
    net = tmp_path / "net.prototxt"
    net.write_text(net.read_text().replace("num_output: 4", "num_output: 3"))
    with Solver(solver, device="cuda", lean=True) as made:
        with pytest.raises(LabelError, match=r"label 3 in row 3 .* '00003'") as it:
            made.step(1)
        assert it.value.row == 3


def test_labels_that_no_data_layer_gives_are_checked_all_the_same(cuda, tmp_path):
    solver = make_files(tmp_path, "vgg", "")
    net = tmp_path / "net.prototxt"
    drawn = """layer { name: "drawn" type: "DummyData" top: "drawn" dummy_data_param {
      shape { dim: 8 } data_filler { type: "constant" value: 4 } } }
      layer { name: "loss" """
    text = net.read_text().replace('layer { name: "loss" ', drawn)
    head, loss = text.rsplit('bottom: "label"', 1)
    net.write_text(f'{head}bottom: "drawn"{loss}')
    with (
        Solver(solver, device="cuda", lean=True) as made,
        pytest.raises(LabelError, match="label 4 in row 0 of the batch"),
    ):
        made.step(1)


def test_a_net_of_double_precision_is_refused(cuda):
    net = NETS["lenet"][0].partition("# Two conv")[2]
    with pytest.raises(DeviceError, match="a GPU computes in float32"):
        Net(_with_input(net), device="cuda", dtype="float64")


def test_a_net_that_has_no_room_says_what_it_takes(cuda, tmp_path):
    if cuda is None:
        pytest.skip("the GPU has room")
    solver = make_files(tmp_path, "vgg", "")
    room = pytest.raises(DeviceError, match="has no room for the net")
    with cuda.changed(memory=100_000), room as caught:
        Solver(solver, device="cuda", lean=True)
    text = str(caught.value)
    assert "Out of memory allocating" in text
    assert "parameters" in text
    assert "blobs and scratch" in text
    assert "data of conv1" in text


def _with_input(layers: str):
    from netspec.spec import parse_net

    text = 'layer { name: "data" type: "Input" top: "data" top: "label" input_param {'
    text += " shape { dim: 2 dim: 1 dim: 28 dim: 28 } shape { dim: 2 } } }\n#"
    return parse_net(text + layers, "net")
