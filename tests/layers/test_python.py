"""Layers written by users: never run unasked, and pycaffe's interface when asked."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from netspec.errors import OpenShapeError, SpecError
from netspec.graph import build_graph
from netspec.net import Net
from netspec.proto import TEST
from netspec.solver import Solver
from netspec.solver.inspect import State, inspect_file
from netspec.spec import parse_net

MODULE = '''
"""Classes in the style of programs written for pycaffe."""

from __future__ import annotations

import numpy as np

from netspec.layers.user_code import UserLayer

calls = []


class Euclidean(UserLayer):
    """Half the mean squared distance, as Caffe's example has it."""

    def setup(self, bottom, top):
        calls.append("setup")
        if len(bottom) != 2:
            raise Exception("Need two inputs to compute distance.")

    def reshape(self, bottom, top):
        calls.append("reshape")
        if bottom[0].count != bottom[1].count:
            raise Exception("Inputs must have the same dimension.")
        self.difference = np.zeros_like(bottom[0].data, dtype=np.float32)
        top[0].reshape(1)

    def forward(self, bottom, top):
        calls.append("forward")
        self.difference[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.difference**2) / bottom[0].num / 2.0

    def backward(self, top, propagate_down, bottom):
        calls.append(list(propagate_down))
        for i in range(2):
            if not propagate_down[i]:
                continue
            sign = 1 if i == 0 else -1
            bottom[i].diff[...] = sign * self.difference / bottom[i].num


class Affine(UserLayer):
    """y = a x + b with learned a and b; in place if the net says so."""

    def setup(self, bottom, top):
        start = [float(word) for word in self.param_str.split()]
        for value in start:
            self.blobs.add_blob(1)
            self.blobs[-1].data[...] = value

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        self.x = bottom[0].data.copy()
        top[0].data[...] = self.blobs[0].data * self.x + self.blobs[1].data

    def backward(self, top, propagate_down, bottom):
        dy = top[0].diff.copy()
        self.blobs[0].diff[...] += (dy * self.x).sum()
        self.blobs[1].diff[...] += dy.sum()
        bottom[0].diff[...] = self.blobs[0].data * dy


class Growing(UserLayer):
    """A data layer: pass n has n + 1 rows of n + 2."""

    def setup(self, bottom, top):
        self.n = 0

    def reshape(self, bottom, top):
        top[0].reshape(self.n + 1, self.n + 2)

    def forward(self, bottom, top):
        top[0].data[...] = self.n
        self.n += 1

    def backward(self, top, propagate_down, bottom):
        pass


class Phase(UserLayer):
    """Tells what the layer sees of its surroundings."""

    def reshape(self, bottom, top):
        top[0].reshape(6)

    def forward(self, bottom, top):
        b = bottom[0]
        top[0].data[...] = self.phase, b.num, b.channels, b.height, b.width, b.count


class Lazy(UserLayer):
    def reshape(self, bottom, top):
        top[0].reshape(1)


class Clumsy(UserLayer):
    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        raise RuntimeError("out of ideas")
'''


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder with the user's module; the module is forgotten afterwards."""
    (tmp_path / "user_layers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "user_layers", raising=False)
    yield tmp_path
    sys.modules.pop("user_layers", None)


def calls() -> list:
    return sys.modules["user_layers"].calls


def python(name: str, text: str = "", module: str = "user_layers") -> str:
    return (
        f'type: "Python" python_param {{ module: "{module}" layer: "{name}" '
        f'param_str: "{text}" }}'
    )


INPUTS = """
layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 3 dim: 4 } } }
layer { name: "b" type: "Input" top: "b" input_param { shape { dim: 3 dim: 4 } } }
"""


def loss_net(**options) -> Net:
    text = f"""force_backward: true {INPUTS}
layer {{ name: "loss" bottom: "a" bottom: "b" top: "loss" loss_weight: 2
  {python("Euclidean")} }}"""
    return Net(parse_net(text, "my.prototxt"), **options)


@pytest.mark.smoke
def test_nothing_is_imported_unless_it_is_allowed(user):
    with pytest.raises(OpenShapeError) as caught:
        loss_net()
    assert str(caught.value) == (
        "my.prototxt:6:33: layer 'loss' (Python): would run 'Euclidean' of the Python "
        "module 'user_layers', and nobody has allowed it.\n  If you trust the file and "
        "the module, pass --allow-python (allow_python=True in Python)."
    )
    assert "user_layers" not in sys.modules


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("lean", [False, True])
def test_a_loss_like_caffes_example(user, device, lean):
    net = loss_net(phase="train", device=device, lean=lean, allow_python=True)
    a, b = np.random.default_rng(2).normal(size=(2, 3, 4)).astype(np.float32)
    found = net.forward(a=a, b=b)["loss"]
    np.testing.assert_allclose(found, [((a - b) ** 2).sum() / 6], rtol=1e-6)
    assert net.loss == pytest.approx(2 * float(found[0]))
    grads = net.backward()
    np.testing.assert_allclose(grads["a"], (a - b) / 3, rtol=1e-6)
    np.testing.assert_allclose(grads["b"], (b - a) / 3, rtol=1e-6)
    assert calls() == ["setup", "reshape", "reshape", "forward", [True, True]]


def test_parameters_start_as_setup_says_and_learn(user):
    text = f"""force_backward: true {INPUTS}
layer {{ name: "y" bottom: "a" top: "a" {python("Affine", "3 -0.5")} }}"""
    net = Net(parse_net(text), phase="train", allow_python=True)
    weights = net.params["y"]
    assert [float(w.data[0]) for w in weights] == [3, -0.5]
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(net.forward(a=x)["a"], 3 * x - 0.5)
    weights[0].data[...] = 2
    np.testing.assert_allclose(net.forward(a=x)["a"], 2 * x - 0.5)
    dy = np.ones((3, 4))
    for _ in range(2):  # gradients of parameters add up, as the class does it
        net.blobs["a"].diff[...] = dy
        net.forward_pass()
        net.blobs["a"].diff[...] = dy
        net.backward_pass()
    np.testing.assert_allclose(net.blobs["a"].diff, 2 * dy)
    assert float(weights[1].diff[0]) == 24


def test_a_data_layer_may_give_another_shape_each_time(user):
    text = f"""
layer {{ name: "data" top: "data" {python("Growing")} }}
layer {{ name: "flat" type: "Reshape" bottom: "data" top: "flat"
  reshape_param {{ shape {{ dim: -1 }} }} }}
layer {{ name: "y" type: "Power" bottom: "flat" top: "y"
  power_param {{ shift: 1 }} }}"""
    for lean in (False, True):
        net = Net(parse_net(text), lean=lean, allow_python=True)
        for n in range(4):
            np.testing.assert_array_equal(
                net.forward()["y"], np.full((n + 1) * (n + 2), n + 1)
            )


def test_a_net_keeps_the_object_when_it_is_reshaped(user):
    net = loss_net(allow_python=True)
    net.reshape(a=(5, 4), b=(5, 4))
    assert calls().count("setup") == 1
    assert net.forward(a=np.zeros((5, 4)), b=np.ones((5, 4)))["loss"][0] == 2


def test_what_a_layer_sees(user):
    text = f'{INPUTS} layer {{ name: "y" bottom: "a" top: "y" {python("Phase")} }}'
    seen = {
        phase: Net(parse_net(text), phase=phase, allow_python=True).forward()["y"]
        for phase in ("train", "test")
    }
    assert seen["train"].tolist() == [0, 3, 4, 1, 1, 12]
    assert seen["test"].tolist() == [1, 3, 4, 1, 1, 12]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            python("Euclidian"),
            "module 'user_layers' has no class 'Euclidian'.\n"
            "  Did you mean 'Euclidean'?",
        ),
        (
            python("Euclidean", module="user_layer"),
            "there is no Python module 'user_layer'.\n"
            "  Add its folder to the environment variable PYTHONPATH.",
        ),
        (
            python("X", module="os; import user_layers"),
            "'os; import user_layers' is no name of a Python module.\n  Name one.",
        ),
    ],
)
def test_modules_and_classes_that_are_not_there(user, layer, message):
    text = f'{INPUTS} layer {{ name: "y" bottom: "a" top: "y" {layer} }}'
    with pytest.raises(SpecError) as caught:
        Net(parse_net(text), allow_python=True)
    assert f"{caught.value.problem}\n  {caught.value.remedy}" == message
    assert caught.value.layer == ("y", "Python")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("Lazy", NotImplementedError, "Lazy has no method 'forward'"),
        ("Clumsy", RuntimeError, "out of ideas"),
    ],
)
def test_an_exception_of_the_user_says_where_it_comes_from(user, name, kind, message):
    text = f'{INPUTS} layer {{ name: "y" bottom: "a" top: "y" {python(name)} }}'
    net = Net(parse_net(text), allow_python=True)
    with pytest.raises(kind, match=message) as caught:
        net.forward()
    assert caught.value.__notes__ == ["in forward() of the Python layer 'y'"]


def test_a_check_without_leave_looks_at_everything_but_shapes(user):
    path = user / "net.prototxt"
    net = INPUTS + f'layer {{ name: "y" bottom: "a" top: "y" {python("Phase")} }}'
    path.write_text(net)
    found = inspect_file(path, State(("test",)))
    assert found.errors == []
    assert found.notes == ["test: shapes are not checked, for want of --allow-python"]
    assert "user_layers" not in sys.modules
    found = inspect_file(path, State(("test",), allow_python=True))
    assert found.notes == ["test: 3 layers, 0 parameters"]
    path.write_text(net + 'layer { name: "z" type: "ReLU" bottom: "a" bottom: "b" }')
    assert [str(e.problem) for e in inspect_file(path, State(("test",))).errors] == [
        "takes exactly 1 bottom(s), and has 2."
    ]


def test_a_graph_alone_needs_leave_too(user):
    text = f'{INPUTS} layer {{ name: "y" bottom: "a" top: "y" {python("Phase")} }}'
    with pytest.raises(OpenShapeError, match="nobody has allowed it"):
        build_graph(parse_net(text), TEST)


def test_a_solver_trains_a_python_layer(user):
    (user / "net.prototxt").write_text(f"""
layer {{ name: "a" type: "DummyData" top: "a" top: "b" dummy_data_param {{
  shape {{ dim: 2 dim: 4 }} data_filler {{ value: 1 }} data_filler {{ value: 7 }} }} }}
layer {{ name: "y" bottom: "a" top: "y" {python("Affine", "3 -0.5")} }}
layer {{ name: "loss" bottom: "y" bottom: "b" top: "loss" loss_weight: 1
  {python("Euclidean")} }}""")
    path = user / "solver.prototxt"
    path.write_text(
        f'net: "{user / "net.prototxt"}" base_lr: 0.02 lr_policy: "fixed" max_iter: 60 '
        "snapshot_after_train: false"
    )
    with pytest.raises(SpecError, match="nobody has allowed it"):
        Solver(path)
    solver = Solver(path, allow_python=True)
    assert calls().count("setup") == 1  # the graph that decides the cut shares it
    solver.solve()
    first, second = (float(p.data[0]) for p in solver.net.params["y"])
    assert first + second == pytest.approx(7, abs=1e-3)
