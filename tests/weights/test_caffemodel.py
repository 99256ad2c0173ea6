"""Caffemodels: every spelling read, written as Caffe writes them."""

from __future__ import annotations

import time

import numpy as np
import pytest

from netspec.errors import DataError, UsageError
from netspec.proto import NetParameter
from netspec.spec.wire import Message
from netspec.weights import Weights, read_caffemodel, read_weights, write_caffemodel
from netspec.weights.caffemodel import weights_of
from tests.weights.samples import assert_same, current, legacy, loaded, small, v0, v1

TYPES = {"conv": "Convolution"}


@pytest.mark.smoke
@pytest.mark.parametrize(
    "net", [current(small(), TYPES), v1(small()), v0(small())], ids=["now", "V1", "V0"]
)
def test_every_spelling(net: NetParameter) -> None:
    weights = loaded(net)
    assert_same(weights, small())
    types = [layer.type for layer in weights.layers.values()]
    assert types == ["Convolution", "InnerProduct"]
    is_legacy = {b.legacy for layer in weights.layers.values() for b in layer.stored}
    assert is_legacy == {len(net.layers) > 0}


@pytest.mark.parametrize("make", [current, v1, v0])
def test_the_net_without_its_blobs(make) -> None:
    net = make(small())
    bare = NetParameter.FromString(loaded(net).net_bytes)
    for layer in [*net.layer, *net.layers, *(x.layer for x in net.layers)]:
        layer.ClearField("blobs")
    if make is not v0:
        for layer in net.layers:
            layer.ClearField("layer")
    assert bare == net


def test_arrays_are_views_of_the_file(tmp_path) -> None:
    path = tmp_path / "a.caffemodel"
    path.write_bytes(current(small()).SerializeToString())
    weights = read_caffemodel(path)
    array = weights["ip"][0]
    assert array.dtype == "<f4"
    assert not array.flags.owndata
    assert not array.flags.writeable
    del weights
    np.testing.assert_array_equal(array, small()["ip"][0])  # the mapping lives on


def test_layers_without_blobs_are_listed() -> None:
    net = current(small())
    net.layer.add(name="relu", type="ReLU")
    weights = loaded(net)
    assert list(weights) == ["conv", "ip", "relu"]
    assert weights["relu"] == []


def test_of_two_layers_with_one_name_the_later_with_blobs_counts() -> None:
    net = current({"a": [np.float32([1, 2])]})
    net.MergeFrom(current({"a": [np.float32([3, 4])]}))
    net.layer.add(name="a")
    assert loaded(net)["a"][0].tolist() == [3, 4]


def test_weights_print_what_they_are() -> None:
    assert repr(loaded(v1(small()))) == "<Weights w.caffemodel: 2 layers, 4 blobs>"
    arrays = Weights.of_arrays(small())
    assert repr(arrays) == "<Weights in memory: 2 layers, 4 blobs>"


def test_unknown_v1_types_are_read() -> None:
    net = v1(small())
    data = net.SerializeToString().replace(b"\x28\x04", b"\x28\x7f", 1)
    weights = weights_of(Message.of(data, "NetParameter"))
    assert [x.type for x in weights.layers.values()] == ["", "InnerProduct"]


class TestRefusals:
    def test_no_layer(self) -> None:
        with pytest.raises(
            DataError, match=r"w.caffemodel: byte 0: NetParameter has no"
        ):
            loaded(NetParameter(name="nothing"))

    def test_mixed_spellings(self) -> None:
        net = current(small())
        net.MergeFrom(v1(small()))
        with pytest.raises(DataError, match="both the old and the current spelling"):
            loaded(net)

    def test_a_bad_blob_names_its_layer(self) -> None:
        net = current(small(), TYPES)
        net.layer[0].blobs[1].shape.dim[0] = 5
        with pytest.raises(DataError) as error:
            loaded(net)
        text = str(error.value)
        assert text.startswith("w.caffemodel: layer 'conv' (Convolution): byte ")
        assert "a blob of shape 5 comes with 4 values.\n" in text

    @pytest.mark.parametrize("kept", [1, 7, 60, 300, -1])
    def test_cut_short(self, tmp_path, kept: int) -> None:
        path = tmp_path / "a.caffemodel"
        path.write_bytes(current(small()).SerializeToString()[:kept])
        with pytest.raises(DataError, match=r"a\.caffemodel: .*byte \d+"):
            read_caffemodel(path)


class TestWriting:
    @pytest.mark.smoke
    def test_what_is_written_is_read(self, tmp_path) -> None:
        path = tmp_path / "a.caffemodel"
        write_caffemodel(path, current({n: [] for n in small()}), small())
        assert_same(read_caffemodel(path), small())
        assert path.read_bytes() == current(small()).SerializeToString()

    def test_blobs_that_the_net_holds_are_replaced(self, tmp_path) -> None:
        path = tmp_path / "a.caffemodel"
        write_caffemodel(path, current({"ip": [np.ones(99, np.float32)]}), {})
        assert read_caffemodel(path)["ip"] == []

    def test_double_precision_is_kept(self, tmp_path) -> None:
        path = tmp_path / "a.caffemodel"
        values = np.array([[1 / 3, 2 / 3]])
        write_caffemodel(path, current({"ip": []}), {"ip": [values]})
        blob = NetParameter.FromString(path.read_bytes()).layer[0].blobs[0]
        assert list(blob.double_data) == values.ravel().tolist()
        assert not blob.data

    def test_more_than_protobuf_reads(self, tmp_path) -> None:
        path = tmp_path / "a.caffemodel"
        path.write_bytes(b"old")
        huge = np.broadcast_to(np.float32(1), (1 << 15, 1 << 14))
        with pytest.raises(DataError) as error:
            write_caffemodel(path, current({"ip": []}), {"ip": [huge]})
        assert str(error.value) == (
            f"{path}: a caffemodel of 2.1 GB would be needed; protobuf reads no more "
            "than 2.1 GB.\n  Write HDF5 instead: a name that ends in .caffemodel.h5, "
            "or snapshot_format: HDF5 in the solver."
        )
        assert path.read_bytes() == b"old"

    def test_a_layer_that_is_not_there(self, tmp_path) -> None:
        with pytest.raises(UsageError, match="no layer 'ip_2'") as error:
            write_caffemodel(tmp_path / "a", current({"ip_1": []}), {"ip_2": []})
        assert error.value.remedy == "Did you mean 'ip_1'?"

    def test_an_old_net(self, tmp_path) -> None:
        with pytest.raises(UsageError, match="old spelling"):
            write_caffemodel(tmp_path / "a", v1(small()), small())


def test_reading_looks_at_no_values(tmp_path) -> None:
    """VGG-16 is four times this; an issue asks for it within a second."""
    path = tmp_path / "large.caffemodel"
    large = {"fc6": [np.zeros((4096, 8192), np.float32)]}
    write_caffemodel(path, current({"fc6": []}), large)
    start = time.perf_counter()
    weights = read_weights(path)
    assert time.perf_counter() - start < 0.2
    assert weights["fc6"][0].shape == (4096, 8192)


class TestRealFiles:
    def test_all_agree_with_protobuf(self, shared_data) -> None:
        paths = sorted(shared_data.rglob("*.caffemodel"))
        assert len(paths) > 30
        for path in paths:
            net = NetParameter.FromString(path.read_bytes())
            weights = read_weights(path)
            for layer in [*net.layer, *net.layers]:
                layer = layer.layer if path.name == "v0.caffemodel" else layer
                for got, want in zip(weights[layer.name], layer.blobs, strict=True):
                    values = np.array(want.double_data or want.data)
                    np.testing.assert_array_equal(got.ravel(), values)

    def test_what_caffe_saved_is_written_byte_for_byte(
        self, shared_data, tmp_path
    ) -> None:
        golden = shared_data / "caffe_golden"
        paths = sorted(golden.glob("solvers/*/snap_iter_6.caffemodel"))
        for path in [golden / "weights" / "resaved.caffemodel", *paths]:
            weights = read_weights(path)
            again = tmp_path / "again.caffemodel"
            write_caffemodel(again, weights.net_bytes, weights)
            assert again.read_bytes() == path.read_bytes()


def test_legacy_sample_is_what_caffe_wrote() -> None:
    blob = legacy(np.zeros((10, 500), np.float32))
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 1, 10, 500)
