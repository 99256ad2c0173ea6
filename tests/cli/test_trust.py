"""How far commands go along with a file: unknown fields, and code that it names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from netspec.cli.main import main

NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "y" type: "ReLU" bottom: "x" top: "y" relu_param { leak: 0.1 } }
"""
CODE = """
import caffe


class Twice(caffe.Layer):
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = 2 * bottom[0].data
"""
PYTHON = """
layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 } } }
layer { name: "y" type: "Python" bottom: "x" top: "y"
  python_param { module: "twice_layer" layer: "Twice" } }
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return path


@pytest.mark.parametrize("command", ["check", "summary", "upgrade"])
def test_unknown_fields_are_errors_or_warnings(command, net, capsys):
    arguments = [command, str(net)]
    if command == "upgrade":
        arguments.append(str(net.with_name("new.prototxt")))
    assert main(arguments) == 3
    capsys.readouterr()
    assert main([*arguments, "--lenient"]) == 0
    assert capsys.readouterr().err == (
        f"netspec: warning: {net}:3:66: layer 'y' (ReLU): relu_param has no field "
        "'leak'.\n  It is left out.\n"
    )


def test_a_solver_reads_its_nets_as_leniently(net, capsys):
    solver = net.with_name("solver.prototxt")
    solver.write_text(
        f'net: "{net}" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 reduce_buckets: 1'
    )
    assert main(["check", str(solver)]) == 3
    assert "reduce_buckets" in capsys.readouterr().out
    main(["check", str(solver), "--lenient"])
    told = capsys.readouterr().err
    assert "a solver has no field 'reduce_buckets'" in told
    assert "relu_param has no field 'leak'" in told


@pytest.fixture
def python_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "twice_layer.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "net.prototxt"
    path.write_text(PYTHON)
    before = set(sys.modules)
    yield path
    for name in set(sys.modules) - before:
        if name == "twice_layer" or name.split(".")[0] == "caffe":
            del sys.modules[name]


@pytest.mark.smoke
@pytest.mark.parametrize(
    "command", [["summary"], ["time", "--iterations", "1", "--model"]]
)
def test_code_runs_only_where_it_is_allowed(command, python_net, capsys):
    assert main([*command, str(python_net)]) == 3
    assert "pass --allow-python" in capsys.readouterr().err
    assert "twice_layer" not in sys.modules
    assert main([*command, str(python_net), "--allow-python"]) == 0
    assert "Twice" in vars(sys.modules["twice_layer"])


def test_a_check_goes_as_far_as_it_may(python_net, capsys):
    assert main(["check", str(python_net)]) == 0
    assert "for want of --allow-python" in capsys.readouterr().out
    assert main(["check", str(python_net), "--allow-python"]) == 0
    assert "train: 2 layers, 0 parameters" in capsys.readouterr().out
