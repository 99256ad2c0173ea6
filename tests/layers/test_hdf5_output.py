from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from netspec.net import Net
from netspec.spec import parse_net
from tests.layers.harness import Trial, infer, make_layer

h5py = pytest.importorskip("h5py")


def text(path: str | Path) -> str:
    return f'type: "HDF5Output" hdf5_output_param {{ file_name: "{path}" }}'


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with h5py.File(path, "r") as file:
        return file["data"][()], file["label"][()]


@pytest.mark.smoke
def test_every_pass_appends(tmp_path):
    path = tmp_path / "out.h5"
    net = f"""
layer {{ name: "a" type: "Input" top: "a" input_param {{ shape {{ dim: 2 dim: 3 }} }} }}
layer {{ name: "b" type: "Input" top: "b" input_param {{ shape {{ dim: 2 }} }} }}
layer {{ name: "out" bottom: "a" bottom: "b" {text(path)} }}"""
    net = Net(parse_net(net))
    assert not path.exists()
    data = np.arange(12, dtype=np.float32).reshape(4, 3)
    for start in (0, 2):
        net.forward(a=data[start : start + 2], b=[start, start + 1])
    found = read(path)
    np.testing.assert_array_equal(found[0], data)
    np.testing.assert_array_equal(found[1], [0, 1, 2, 3])


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_golden(shared_data, tmp_path, monkeypatch, device):
    folder = shared_data / "caffe_golden" / "data"
    monkeypatch.chdir(tmp_path)
    net = Net(folder / "hdf5_output.prototxt", device=device)
    inputs = np.load(folder / "hdf5_output_input.npz")
    net.forward(**{name: inputs[name] for name in inputs.files})
    for found, expected in zip(
        read(tmp_path / "hdf5_output.h5"), read(folder / "hdf5_output.h5")
    ):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_a_gradient_of_0():
    trial = Trial(text("never.h5"), [(2, 3), (2,)], tops=0)
    for diff in trial.backward():
        np.testing.assert_array_equal(diff, 0)


def test_building_writes_nothing(tmp_path):
    path = tmp_path / "out.h5"
    layer = make_layer(text(path), 2, 0)
    assert layer.infer_shapes(((2, 3), (2, 1))) == ()
    assert layer.couples_batch(((2, 3), (2, 1)))
    assert not path.exists()


def test_an_error_names_the_layer(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("mine")
    net = Net(
        parse_net(f"""
layer {{ name: "a" type: "DummyData" top: "a" top: "b" dummy_data_param {{
  shape {{ dim: 2 }} }} }}
layer {{ name: "out" bottom: "a" bottom: "b" {text(path)} }}""")
    )
    with pytest.raises(DataError) as caught:
        net.forward()
    assert caught.value.layer == ("out", "HDF5Output")
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("body", "shapes", "message"),
    [
        (
            'type: "HDF5Output"',
            ((2, 3), (2,)),
            "no file_name is given.\n  Give the path of the file to write.",
        ),
        (
            text("x.h5"),
            ((2, 3), (3,)),
            "bottom 0 has shape 2x3, bottom 1 has 3: their batches differ.\n"
            "  Both must have the same first axis.",
        ),
    ],
)
def test_what_is_refused(body, shapes, message):
    with pytest.raises(SpecError) as caught:
        infer(body, shapes, tops=0)
    assert str(caught.value) == message
