"""What is said of a file that is something else than weights."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from netspec.errors import DataError, UsageError
from netspec.proto import BlobProto, SolverState
from netspec.weights import read_several, read_weights, write_caffemodel
from tests.weights.samples import assert_same, current, small

UNPACK = "Unpack it and give the file inside."
CONVERT = "netspec reads Caffe's weights: .caffemodel, or HDF5 as Caffe writes it."
LFS = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 553432430
"""
PAGE = b"\n<!DOCTYPE html>\n<html><title>Sign in</title></html>"
PROTOTXT = b'# VGG\nname: "vgg16"\nlayer {\n  name: "conv1_1"\n}\n'
ARRAY = np.float32([1, 2])


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.pkl", "x")
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.caffemodel"))
    return file.getvalue()


def saved() -> bytes:
    file = io.BytesIO()
    np.save(file, ARRAY)
    return file.getvalue()


MEAN = BlobProto(num=1, channels=1, height=1, width=2, data=ARRAY)
KINDS = {
    "gzip": (gzip.compress(b"x"), "a gzip file", UNPACK),
    "bzip2": (bz2.compress(b"x"), "a bzip2 file", UNPACK),
    "xz": (lzma.compress(b"x"), "an xz file", UNPACK),
    "zip": (zipped(), "a zip archive (PyTorch's files are zip archives too)", UNPACK),
    "tar": (tarred(), "a tar archive", UNPACK),
    "npy": (saved(), "a NumPy array", CONVERT),
    "pickle": (
        pickle.dumps({"conv1": 1}),
        "a Python pickle, which netspec never loads",
        CONVERT,
    ),
    "safetensors": (b"\x40" + bytes(7) + b'{"a":{}}', "a safetensors file", CONVERT),
    "LFS": (
        LFS,
        "a Git LFS pointer for 553.4 MB",
        "Fetch the file itself: git lfs pull.",
    ),
    "web page": (
        PAGE,
        "a web page, as a failed download leaves it",
        "Download the file itself.",
    ),
    "prototxt": (
        PROTOTXT,
        "a prototxt",
        "A net's text goes to --model; weights are a .caffemodel.",
    ),
    "text": (b"404: Not Found", "a text file", CONVERT),
    "mean image": (
        MEAN.SerializeToString(),
        "a single blob, such as a mean image (binaryproto)",
        "A mean image goes to transform_param.mean_file.",
    ),
    "mean image, new shape": (
        BlobProto(data=ARRAY, shape={"dim": [2]}).SerializeToString(),
        "a single blob, such as a mean image (binaryproto)",
        "A mean image goes to transform_param.mean_file.",
    ),
    "solver's state": (
        SolverState(iter=5, learned_net="q_iter_5.caffemodel").SerializeToString(),
        "a solver's state",
        "Its weights were saved as 'q_iter_5.caffemodel'.",
    ),
    "solver's state without a name": (
        SolverState(iter=5, history=[MEAN]).SerializeToString(),
        "a solver's state",
        "Give the .caffemodel that was saved with it.",
    ),
}


@pytest.mark.parametrize(("data", "what", "remedy"), KINDS.values(), ids=KINDS.keys())
def test_other_kinds(tmp_path, data: bytes, what: str, remedy: str) -> None:
    path = tmp_path / "a.caffemodel"
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read_weights(path)
    assert str(error.value) == f"{path}: this is {what}, not weights.\n  {remedy}"


def test_a_solvers_state_names_its_twin(tmp_path) -> None:
    state = tmp_path / "q_iter_5.solverstate"
    state.write_bytes(SolverState(iter=5).SerializeToString())
    twin = tmp_path / "q_iter_5.caffemodel"
    twin.write_bytes(b"")
    with pytest.raises(DataError) as error:
        read_weights(state)
    remedy = f"Its weights are {str(twin)!r}; the state itself goes to --resume."
    assert error.value.remedy == remedy


def test_garbage(tmp_path) -> None:
    path = tmp_path / "a.caffemodel"
    path.write_bytes(b"BM\x00\xff" * 50)
    with pytest.raises(DataError, match=r"byte \d+: .*\n  The file is damaged"):
        read_weights(path)


class TestMissing:
    def test_nearest_name(self, tmp_path) -> None:
        (tmp_path / "vgg16_iter_1000.caffemodel").touch()
        (tmp_path / "notes.txt").touch()
        with pytest.raises(DataError) as error:
            read_weights(tmp_path / "vgg16_iter_100.caffemodel")
        assert error.value.problem == "the file does not exist."
        assert error.value.remedy == "Did you mean 'vgg16_iter_1000.caffemodel'?"

    def test_nothing_beside(self, tmp_path) -> None:
        with pytest.raises(DataError) as error:
            read_weights(tmp_path / "a.caffemodel")
        assert error.value.remedy == "No weights are in that folder."

    def test_no_folder(self, tmp_path) -> None:
        with pytest.raises(DataError, match="there is no folder"):
            read_weights(tmp_path / "none" / "a.caffemodel")

    def test_empty(self, tmp_path) -> None:
        (tmp_path / "a").touch()
        with pytest.raises(DataError, match="the file is empty"):
            read_weights(tmp_path / "a")


class TestSeveral:
    def test_in_order(self, tmp_path) -> None:
        for name in ("b", "a"):
            arrays = {name: small()["ip"]}
            write_caffemodel(tmp_path / name, current({name: []}), arrays)
        files = read_several(f"{tmp_path}/b, {tmp_path}/a")
        assert [list(weights) for weights in files] == [["b"], ["a"]]

    def test_a_name_with_a_comma(self, tmp_path) -> None:
        path = tmp_path / "a,b"
        write_caffemodel(path, current({n: [] for n in small()}), small())
        (weights,) = read_several(str(path))
        assert_same(weights, small())

    def test_none(self) -> None:
        with pytest.raises(UsageError, match="no weights file is named"):
            read_several(" , ")


def test_every_other_real_file_is_named(shared_data) -> None:
    kinds = {"*.solverstate*": "a solver's state", "*.binaryproto": "a single blob"}
    for pattern, what in kinds.items():
        paths = sorted(shared_data.rglob(pattern))
        assert paths
        for path in paths:
            with pytest.raises(DataError, match=f"this is {what}"):
                read_weights(path)
