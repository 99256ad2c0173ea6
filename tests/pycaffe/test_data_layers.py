"""Nets with data layers, run by a program: they read batch after batch."""

from __future__ import annotations

import numpy as np
import pytest

import netspec.pycaffe as caffe
from netspec.errors import NetspecError
from tests.data.making import pictures, pictures_lmdb

from .small import write

LMDB = """
layer { name: "data" type: "Data" top: "data" top: "label"
  data_param { source: "SOURCE" backend: LMDB batch_size: 3 }
  transform_param { scale: 0.5 } }
layer { name: "sum" type: "Reduction" bottom: "data" top: "sum"
  reduction_param { axis: 1 } }
"""
MEMORY = """
layer { name: "memory" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 2 channels: 3 height: 2 width: 4 } }
layer { name: "twice" type: "Power" bottom: "data" top: "twice"
  power_param { scale: 2 } }
"""
ROWS = np.random.default_rng(8).normal(size=(6, 3, 2, 4)).astype(np.float32)

# Pictures of JPEG files or of another size go through OpenCV in Caffe.
EXACT = ("hdf5", "lmdb_raw", "lmdb_gray", "lmdb_crop", "lmdb_mean", "lmdb_no_label")


@pytest.fixture
def lmdb(tmp_path):
    images = pictures(8, (2, 3, 5), seed=1)
    pictures_lmdb(tmp_path / "lmdb", images)
    path = write(tmp_path, LMDB.replace("SOURCE", str(tmp_path / "lmdb")))
    return images, caffe.Net(path, caffe.TEST)


@pytest.fixture
def memory(tmp_path):
    return caffe.Net(write(tmp_path, MEMORY), caffe.TEST)


def test_every_forward_reads_the_next_batch_and_goes_round(lmdb):
    images, net = lmdb
    for numbers in ([0, 1, 2], [3, 4, 5], [6, 7, 0], [1, 2, 3]):
        net.forward()
        np.testing.assert_array_equal(net.blobs["data"].data, images[numbers] * 0.5)
        assert list(net.blobs["label"].data) == numbers
    assert net.inputs == []
    assert net.outputs == ["label", "sum"]


def test_a_pass_that_starts_later_reads_nothing(lmdb):
    images, net = lmdb
    net.forward()
    net.blobs["data"].data[...] = 1
    assert list(net.forward(start="sum")["sum"]) == [30, 30, 30]
    net.forward()
    np.testing.assert_array_equal(net.blobs["data"].data, images[3:6] * 0.5)


def test_a_reshaped_data_layer_takes_a_programs_values_until_it_reads_again(lmdb):
    images, net = lmdb
    net.blobs["data"].reshape(1, 2, 3, 5)
    net.blobs["data"].data[...] = 2
    assert list(net.forward(start="sum")["sum"]) == [60]
    net.forward()
    np.testing.assert_array_equal(net.blobs["data"].data, images[:3] * 0.5)


@pytest.mark.smoke
def test_arrays_in_memory(memory):
    memory.set_input_arrays(ROWS, np.arange(6, dtype=np.float32))
    for first in (0, 2, 4, 0):
        out = memory.forward()
        np.testing.assert_array_equal(out["twice"], 2 * ROWS[first : first + 2])
        assert list(out["label"]) == [first, first + 1]


def test_new_arrays_begin_at_their_first_row(memory):
    memory.set_input_arrays(ROWS, np.zeros((6, 1, 1, 1), np.float32))
    memory.forward()
    memory.set_input_arrays(ROWS[2:], np.ones(4, np.float32))
    out = memory.forward()
    np.testing.assert_array_equal(out["twice"], 2 * ROWS[2:4])
    assert list(out["label"]) == [1, 1]


def test_arrays_changed_in_place_are_seen(memory):
    rows = ROWS.copy()
    memory.set_input_arrays(rows, np.zeros(6, np.float32))
    rows[:] += 1
    np.testing.assert_array_equal(memory.forward()["twice"], 2 * rows[:2])


def test_arrays_that_do_not_fit(memory):
    with pytest.raises(ValueError, match="5 pictures are given; the batch is 2"):
        memory.set_input_arrays(ROWS[:5], np.zeros(5))
    with pytest.raises(NetspecError, match="was given an array of 6x3x4x2"):
        memory.set_input_arrays(ROWS.transpose(0, 1, 3, 2), np.zeros(6))


def test_a_pass_before_there_are_arrays_may_be_tried_again(memory):
    for _ in range(2):
        with pytest.raises(NetspecError, match="has no arrays yet"):
            memory.forward()
    memory.set_input_arrays(ROWS, np.zeros(6))
    np.testing.assert_array_equal(memory.forward()["twice"], 2 * ROWS[:2])


def test_data_layers_give_what_caffes_gave(shared_data, monkeypatch):
    folder = shared_data / "caffe_golden" / "data"
    monkeypatch.chdir(folder)
    expected = np.load("expected.npz")
    passes = {tuple(key.split(":")[:2]) for key in expected.files}
    for name in sorted({name for name, _ in passes}):
        net = caffe.Net(f"{name}.prototxt", caffe.TEST)
        for number in range(len([p for p in passes if p[0] == name])):
            net.forward()
            for top in net.blobs:
                check(name, net.blobs[top].data, expected[f"{name}:{number}:{top}"])


def check(name, found, caffes):
    assert found.shape == caffes.shape, name
    if name.startswith(EXACT):
        np.testing.assert_allclose(found, caffes, rtol=1e-6, err_msg=name)
    else:
        # A grey level or two, times the case's scale; most pixels agree.
        assert np.abs(found - caffes).max() <= 2, name
