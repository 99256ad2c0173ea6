"""Weights in every format and back, bit for bit; files that are broken or hostile."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from netspec.convert.converting import convert
from netspec.convert.request import Request
from netspec.convert.safetensors import (
    read_safetensors,
    read_tensors,
    write_safetensors,
)
from netspec.convert.source import Kind, kind_of, read_any_weights
from netspec.data.preprocess_file import read_sidecar
from netspec.errors import DataError, UsageError
from netspec.proto import NetParameter
from netspec.weights import read_weights, write_caffemodel
from tests.convert.helpers import MODELS, needs

FORMATS = {"safetensors": "safetensors", "npz": "npz", "hdf5": "h5"}
A = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2) / 7


def small_caffemodel(path: Path) -> Path:
    """Layers with and without blobs, and names that formats might trip over."""
    net = NetParameter(name="small")
    for name, kind in (("a.b/c", "Convolution"), ("relu", "ReLU"), ("bn", "BatchNorm")):
        net.layer.add(name=name, type=kind)
    statistics = [A[:, 0, 0, 0], A[:, 1, 0, 0] + 1, np.array([998.5], np.float32)]
    write_caffemodel(path, net, {"a.b/c": [A, A[:, 0, 0, 1]], "bn": statistics})
    return path


def converted(source: Path, out: Path, to: str | None = None, **options) -> Path:
    outcome = convert(Request(str(source), out, **options), to)
    assert outcome.certificate is not None
    assert outcome.certificate.verdict == "pass"
    return out


@pytest.mark.parametrize("form", FORMATS)
def test_a_caffemodel_comes_back_as_it_was(form: str, tmp_path: Path) -> None:
    source = small_caffemodel(tmp_path / "in.caffemodel")
    there = converted(source, tmp_path / f"there.{FORMATS[form]}")
    back = converted(there, tmp_path / "back.caffemodel")
    ours, theirs = read_weights(source), read_weights(back)
    assert {k: v for k, v in ours.items() if v}.keys() == {
        k for k in theirs if theirs[k]
    }
    for name in ours:
        for one, two in zip(ours[name], theirs.get(name, [])):
            np.testing.assert_array_equal(one, two)
    if form != "hdf5":  # which has no place for the net
        assert back.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("form", FORMATS)
def test_a_v1_model_becomes_a_current_one(
    form: str, tmp_path: Path, shared_data
) -> None:
    source = shared_data / "models/lenet_mnist_v1/lenet_iter_10000.caffemodel"
    there = converted(source, tmp_path / f"there.{FORMATS[form]}")
    back = read_weights(converted(there, tmp_path / "back.caffemodel"))
    assert [a.shape for a in back["ip1"]] == [(500, 800), (500,)]
    old = read_weights(source)
    np.testing.assert_array_equal(back["ip1"][0], old["ip1"][0].reshape(500, 800))


@pytest.mark.smoke
def test_safetensors_are_what_the_package_reads_and_writes(tmp_path: Path) -> None:
    numpy = needs("safetensors.numpy")
    tensors = {
        "b.weight": A,
        "a.bias": np.float64([1.5, 2]),
        "s": np.array(3, np.float32),
    }
    write_safetensors(tmp_path / "ours", tensors, {"note": "é"})
    loaded = numpy.load_file(tmp_path / "ours")
    numpy.save_file(tensors, tmp_path / "theirs", {"note": "é"})
    found, metadata = read_tensors(tmp_path / "theirs")
    assert metadata == {"note": "é"}
    for name, array in tensors.items():
        np.testing.assert_array_equal(loaded[name], array)
        np.testing.assert_array_equal(found[name], array)


def test_foreign_safetensors_are_read_by_the_words_of_their_names(
    tmp_path: Path,
) -> None:
    tensors = {"fc.bias": A[0, 0, 0], "fc.weight": A[:, :, 0, 0], "alone": A[0]}
    write_safetensors(tmp_path / "x.safetensors", tensors, {})
    held = read_safetensors(tmp_path / "x.safetensors")
    np.testing.assert_array_equal(held["fc"][0], A[:, :, 0, 0])
    np.testing.assert_array_equal(held["fc"][1], A[0, 0, 0])
    np.testing.assert_array_equal(held["alone"][0], A[0])


def header(value: object, data: bytes = b"", size: int | None = None) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


def tensor(**changes: object) -> dict[str, object]:
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


HOSTILE = [
    (header({}, size=1 << 62), "its header claims 4,611,686,018,427,387,904 bytes"),
    (header(b"{nonsense"), "its header is no JSON"),
    (header(b"[" * 5000), "its header is no JSON"),
    (header([1]), "its header is no table of tensors"),
    (header(tensor()), "tensor 'x' does not fit its place in the file"),
    (header(tensor(shape=[3]), b"8" * 8), "tensor 'x' does not fit its place"),
    (header(tensor(shape=[-1, -2]), b"8" * 8), "tensor 'x' does not fit its place"),
    (header(tensor(data_offsets=[4, 12]), b"8" * 8), "tensor 'x' does not fit"),
    (
        header(tensor(dtype="BF16"), b"8" * 8),
        "tensor 'x' is not described as tensors are",
    ),
    (header({"x": 3}), "tensor 'x' is not described as tensors are"),
    (header({"__metadata__": 3}), "its metadata are no names and texts"),
]


@pytest.mark.parametrize(("data", "expected"), HOSTILE)
def test_hostile_safetensors(data: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_tensors(path)
    assert str(caught.value).startswith(f"{path}: {expected}")


def test_an_npz_with_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **{"conv/0": np.array([{"a": 1}], object)})
    with pytest.raises(DataError, match="Object arrays cannot be loaded"):
        read_any_weights(tmp_path / "x.npz")


@pytest.mark.parametrize("data", [b"\x80\x02}q\x00.", b"\x80\x04\x95"])
def test_a_pickle_is_never_read(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.caffemodel"
    path.write_bytes(data)
    with pytest.raises(DataError, match="this is a pickle"):
        kind_of(path)


def test_a_zipped_pickle_is_never_read(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", b"\x80\x02.")
    with pytest.raises(DataError) as caught:
        kind_of(path)
    assert str(caught.value) == (
        f"{path}: this is a pickle (PyTorch's .pt and .pth are): reading one runs "
        "whatever code is in it, so it is never read.\n  Where it was made, save the "
        "state dict with safetensors.torch.save_file."
    )


def test_kinds_are_told_by_content(tmp_path: Path, shared_data: Path) -> None:
    lenet = shared_data / "models/lenet_mnist_v1"
    assert kind_of(lenet / "lenet.prototxt") is Kind.PROTOTXT
    assert kind_of(lenet / "lenet_iter_10000.caffemodel") is Kind.CAFFEMODEL
    small = small_caffemodel(tmp_path / "wrongly.h5")
    assert kind_of(small) is Kind.CAFFEMODEL
    for form, kind in (
        ("safetensors", Kind.SAFETENSORS),
        ("npz", Kind.NPZ),
        ("hdf5", Kind.HDF5),
    ):
        out = converted(small, tmp_path / "any.thing", form)
        assert kind_of(out) is kind


def test_a_net_alone_has_no_weights_to_convert(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a net and holds no weights"):
        convert(Request(str(MODELS / "lenet_deploy.prototxt"), tmp_path / "x.npz"))


def test_preprocessing_travels_with_the_weights(tmp_path: Path, shared_data) -> None:
    source = shared_data / "models/lenet_mnist_v1/lenet_iter_10000.caffemodel"
    there = converted(source, tmp_path / "there.safetensors")
    assert '"scale": [0.00390625]' in read_tensors(there)[1]["netspec.preprocess"]
    back = converted(there, tmp_path / "back.caffemodel")
    known = read_sidecar(back)
    assert known is not None
    assert (known.channels, known.scale) == ("gray", (0.00390625,))


def test_a_preset_may_be_told(tmp_path: Path) -> None:
    source = small_caffemodel(tmp_path / "in.caffemodel")
    out = converted(source, tmp_path / "x.safetensors", preprocess="caffe-vgg")
    assert "103.939" in read_tensors(out)[1]["netspec.preprocess"]
