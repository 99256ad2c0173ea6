"""Layers and passes that touch the host: Python, HDF5Output, DummyData, debugging."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.layers.user_code import UserLayer
from netspec.net import Net
from netspec.solver.events import DebugInfo
from netspec.spec import parse_net
from tests.cudasim.training import cuda, make_files, train

__all__ = ["cuda"]

X = np.random.default_rng(4).normal(size=(3, 2, 5, 4)).astype(np.float32)

INPUT = """
  force_backward: true
  layer { name: "x" type: "Input" top: "x"
    input_param { shape { dim: 3 dim: 2 dim: 5 dim: 4 } } }
"""
CONV = """
  layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
    convolution_param { num_output: 4 kernel_size: 3 pad: 1
      weight_filler { type: "gaussian" std: 0.5 } } }
  layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""


LEAST = {"lean": True, "recompute": True}


class Doubling(UserLayer):
    """y = (2 + w) x + rows, and drops the last row."""

    def setup(self, bottom, top):
        self.blobs.add_blob(1)
        self.blobs[0].data[0] = 0.5

    def reshape(self, bottom, top):
        top[0].reshape(bottom[0].shape[0] - 1, *bottom[0].shape[1:])

    def forward(self, bottom, top):
        factor = 2 + self.blobs[0].data[0]
        top[0].data[...] = factor * bottom[0].data[:-1]

    def backward(self, top, propagate_down, bottom):
        factor = 2 + self.blobs[0].data[0]
        bottom[0].diff[...] = 0
        bottom[0].diff[:-1] = factor * top[0].diff
        self.blobs[0].diff[0] += (top[0].diff * bottom[0].data[:-1]).sum()


def both(text, **options):
    """What a net computes on the CPU and on the GPU, forward and backward."""
    found = []
    for device in ("cpu", "cuda"):
        net = Net(
            parse_net(INPUT + text, "net"), device=device, phase="train", **options
        )
        out = net.forward(x=X)
        diffs = {
            name: np.random.default_rng(5).normal(size=values.shape)
            for name, values in out.items()
        }
        net.clear_param_diffs()
        gradient = net.backward(**diffs)
        read = net.ops.download
        params = [np.array(read(blob.diff)) for blob in net.param_blobs]
        found.append([*out.values(), *gradient.values(), *params])
    return found


def agree(text, **options):
    one, other = both(text, **options)
    assert len(one) == len(other) > 1
    for a, b in zip(one, other):
        assert type(b) is np.ndarray
        scale = np.abs(a).max(initial=1e-3)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * scale)


def test_a_layer_of_a_user(cuda):
    text = f"""
      layer {{ name: "own" type: "Python" bottom: "conv" top: "own"
        python_param {{ module: "{__name__}" layer: "Doubling" }} }}
      layer {{ name: "tanh" type: "TanH" bottom: "own" top: "tanh" }}"""
    agree(CONV + text, allow_python=True)


def test_what_is_dropped_is_computed_again(cuda):
    second = CONV.replace('"conv"', '"c2"').replace('"relu"', '"r2"')
    agree(CONV + second.replace('bottom: "x"', 'bottom: "conv"'), **LEAST)


def test_rows_go_to_a_file(cuda, tmp_path):
    h5py = pytest.importorskip("h5py")
    text = f"""
      layer {{ name: "label" type: "DummyData" top: "label" dummy_data_param {{
        shape {{ dim: 3 }} data_filler {{ type: "gaussian" std: 2 }} }} }}
      layer {{ name: "out" type: "HDF5Output" bottom: "conv" bottom: "label"
        hdf5_output_param {{ file_name: "{tmp_path}/DEVICE.h5" }} }}"""
    found = []
    for device in ("cpu", "cuda"):
        spec = parse_net(INPUT + CONV + text.replace("DEVICE", device), "net")
        net = Net(spec, device=device)
        net.begin_pass(iteration=3)
        net.forward(x=X)
        with h5py.File(tmp_path / f"{device}.h5") as file:
            found.append([file["data"][:], file["label"][:]])
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-5)
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_debugging_tells_the_same(cuda, tmp_path):
    solver = make_files(tmp_path, "batch norm", "debug_info: true")
    told = []
    for device in ("cpu", "cuda"):
        events = train(solver, device, 2).events
        told.append([event for event in events if isinstance(event, DebugInfo)])
    assert len(told[0]) == len(told[1]) > 50
    for one, other in zip(*told):
        assert (one.layer, one.what, one.name) == (other.layer, other.what, other.name)
        assert one.mean_abs == pytest.approx(other.mean_abs, rel=1e-3, abs=1e-6)
