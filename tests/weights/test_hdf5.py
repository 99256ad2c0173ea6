"""Caffe's HDF5 layout."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, UsageError
from netspec.weights import hdf5, read_hdf5, read_weights, write_hdf5
from tests.weights.samples import assert_same, small

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.caffemodel.h5"


def make(path, **datasets) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("data")
        for name, options in datasets.items():
            file.create_dataset(name, **options)


@pytest.mark.smoke
def test_what_is_written_is_read(path) -> None:
    write_hdf5(path, {"data": [], **small()})
    weights = read_hdf5(path)
    assert_same(weights, small())
    assert weights["data"] == []
    assert weights.net_bytes is None
    assert not weights["conv"][0].flags.owndata  # a view of the mapped file


def test_the_layout_is_caffes(path) -> None:
    write_hdf5(path, {**small(), "relu": []})
    with h5py.File(path) as file:
        assert list(file) == ["data"]
        assert sorted(file["data"]) == ["conv", "ip", "relu"]
        assert file["data/conv/0"].shape == (4, 3, 2, 5)
        assert file["data/ip/1"].dtype == "<f4"


def test_slashes_make_groups(path) -> None:
    arrays = {"inception_3a/1x1": small()["conv"], "inception_3a": small()["ip"]}
    write_hdf5(path, arrays)
    weights = read_hdf5(path)
    assert set(weights) == set(arrays)
    np.testing.assert_array_equal(weights["inception_3a/1x1"][0], small()["conv"][0])


def test_groups_of_layers_are_no_layers(path) -> None:
    write_hdf5(path, {"block/conv": small()["conv"]})
    assert list(read_hdf5(path)) == ["block/conv"]


def test_a_shared_blob_is_left_out(path) -> None:
    write_hdf5(path, {"ip": [None, np.float32([1, 2])]})
    layer = read_hdf5(path).layers["ip"]
    assert layer.blobs[0] is None
    assert layer.blobs[1].array.tolist() == [1, 2]


def test_types_and_layouts(path) -> None:
    values = np.arange(6.0).reshape(2, 3) / 7
    write_hdf5(path, {"ip": [values, values.T.astype(">f4"), values.astype("f2")]})
    double, turned, half = read_hdf5(path)["ip"]
    assert double.dtype == "<f8"
    np.testing.assert_array_equal(double, values)
    np.testing.assert_array_equal(turned, values.T.astype("f4"))
    np.testing.assert_array_equal(half, values.astype("f2"))


def test_a_users_own_block_in_front(path) -> None:
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["data/ip/0"] = small()["ip"][0]
    np.testing.assert_array_equal(read_weights(path)["ip"][0], small()["ip"][0])


def test_floats_that_numpy_has_not(path) -> None:
    """Three bytes a value, as HDF5 allows, may not be taken as they lie."""
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(23, 15, 8, 0, 15)
    kind.set_size(3)
    kind.set_precision(24)
    kind.set_ebias(127)
    with h5py.File(path, "w") as file:
        group = file.create_group("data/ip")
        space = h5py.h5s.create_simple((3,))
        made = h5py.h5d.create(group.id, b"0", kind, space)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.float32([1.5, -2, 0.25]))
    assert refusal(path).startswith("/data/ip/0 claims 12 bytes; 9 bytes are stored.")


def test_compressed_datasets(path) -> None:
    values = np.arange(5000, dtype=np.float32).reshape(50, 100)
    options = {"data": values, "compression": "gzip", "chunks": (7, 100)}
    make(path, **{"data/ip/0": options})
    np.testing.assert_array_equal(read_hdf5(path)["ip"][0], values)


def refusal(path) -> str:
    with pytest.raises(DataError) as error:
        read_weights(path)
    return str(error.value).removeprefix(f"{path}: ")


LAYOUT = "\n  Caffe's weights are in datasets /data/<layer>/<index>."
VALUES = {"data": np.float32([1, 2])}


def test_no_data(path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("label", **VALUES)
    assert refusal(path) == "the HDF5 file has no group /data." + LAYOUT


def test_a_keras_model(path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("model_weights")
    assert refusal(path).startswith("the HDF5 file holds a Keras model.")


def test_a_name_that_is_no_number(path) -> None:
    make(path, **{"data/ip/weight": VALUES})
    assert refusal(path) == "/data/ip/weight is not named by the number of a blob." + (
        LAYOUT
    )


def test_integers(path) -> None:
    make(path, **{"data/ip/0": {"data": np.int32([1])}})
    assert refusal(path).startswith("/data/ip/0 holds int32; weights are floating")


def test_a_claim_without_values(path) -> None:
    """A dataset of 4 TB in a file of 6 kB must not be allocated."""
    make(path, **{"data/ip/0": {"shape": (1 << 20, 1 << 20), "dtype": "<f4"}})
    assert refusal(path).startswith("/data/ip/0 claims 4.4 TB; 0 bytes are stored.")


def test_a_compressed_claim_without_values(path) -> None:
    options = {"shape": (1 << 20, 1 << 20), "dtype": "<f4", "compression": "gzip"}
    make(path, **{"data/ip/0": options})
    assert refusal(path).startswith("/data/ip/0 claims 4.4 TB; 0 bytes are stored.")


def test_values_in_another_file(path, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(8))
    options = {"shape": (2,), "dtype": "<f4", "external": str(secret)}
    make(path, **{"data/ip/0": options})
    assert refusal(path).startswith("the values of /data/ip/0 are in another file.")


@pytest.mark.parametrize("link", ["soft", "external"])
def test_links(path, tmp_path, link: str) -> None:
    make(path)
    there = str(tmp_path / "other.h5")
    with h5py.File(path, "a") as file:
        external = link == "external"
        made = h5py.ExternalLink(there, "/x") if external else h5py.SoftLink("/data")
        file["data/ip"] = made
    assert refusal(path).startswith("/data/ip is a link to elsewhere.")


def test_a_group_inside_itself(path) -> None:
    make(path)
    with h5py.File(path, "a") as file:
        file["data/again"] = file["data"]
    assert "is reached in two ways." in refusal(path)


def test_cut_short(path) -> None:
    write_hdf5(path, small())
    path.write_bytes(path.read_bytes()[:-500])
    assert refusal(path).startswith("the HDF5 file cannot be read: ")


def test_without_h5py(path, monkeypatch) -> None:
    write_hdf5(path, small())
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(UsageError) as error:
        read_hdf5(path)
    assert error.value.remedy == "pip install 'netspec[hdf5]'"


def test_real_files_equal_their_caffemodels(shared_data) -> None:
    folder = shared_data / "models"
    new = read_weights(
        folder / "cifar10_quick_hdf5" / "cifar10_quick_iter_5000.caffemodel.h5"
    )
    assert {name: [a.shape for a in new[name]] for name in new if new[name]} == {
        "conv1": [(32, 3, 5, 5), (32,)],
        "conv2": [(32, 32, 5, 5), (32,)],
        "conv3": [(64, 32, 5, 5), (64,)],
        "ip1": [(64, 1024), (64,)],
        "ip2": [(10, 64), (10,)],
    }
    assert hdf5.read_hdf5(new.file)["ip2"][0].std() > 0.01
