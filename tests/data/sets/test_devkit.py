"""Classes and validation labels, in every form that they are handed out in."""

from __future__ import annotations

import contextlib
import gzip
import struct
import zlib

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from netspec.data.sets.devkit import read_devkit
from netspec.data.sets.matlab import read_structs
from netspec.errors import DataError
from tests.data.sets.making import (
    LABEL,
    VALIDATION,
    WNIDS,
    WORDS,
    caffe_files,
    devkit_files,
    kaggle_files,
    meta_mat,
    tar_of,
    unpack,
    validation_files,
)

META = "ILSVRC2012_devkit_t12/data/meta.mat"
TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"


@pytest.mark.smoke
@pytest.mark.parametrize("form", [devkit_files, caffe_files, kaggle_files])
@pytest.mark.parametrize("packed", ["folder", "tar", "tar.gz"])
def test_labels_are_caffes_whatever_the_form(tmp_path, form, packed):
    """The devkit's own number of n02100000 is 1; its label is 2."""
    path = tmp_path / packed
    if packed == "folder":
        unpack(form(), path)
    else:
        data = tar_of(form())
        path.write_bytes(gzip.compress(data) if packed == "tar.gz" else data)
    kit = read_devkit(path)
    words = dict(zip(WNIDS, WORDS))
    assert [str(each) for each in kit.classes] == [f"{w} {words[w]}" for w in LABEL]
    found = [kit.label(name) for name in validation_files()]
    assert found == [LABEL[WNIDS[number - 1]] for number in VALIDATION]
    assert kit.label("ILSVRC2012_val_00000099.JPEG") is None
    assert kit.label("other.JPEG") is None


def test_caffes_words_may_be_in_another_order(tmp_path):
    files = caffe_files()
    lines = files["./synset_words.txt"].decode().splitlines(True)
    files["./synset_words.txt"] = "".join(lines[::-1]).encode()
    files["./val.txt"] = b"ILSVRC2012_val_00000001.JPEG 0\n"
    kit = read_devkit(unpack(files, tmp_path / "kit"))
    assert kit.label("ILSVRC2012_val_00000001.JPEG") == 3  # that of n07700003


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({TRUTH: None}, "has only meta.mat."),
        ({TRUTH: None, META: None}, "has none of the known files."),
        ({TRUTH: b"1\n5\n"}, "truth.txt:2 says '5', no class."),
        ({TRUTH: b"1\n\nhello\n"}, "truth.txt:2 says 'hello', no class."),
        ({META: b"MATLAB"}, "is not a MATLAB 5 file."),
        ({META: meta_mat()[:300]}, "is cut short."),
        ({META: meta_mat()[:128] + struct.pack("<II", 15, 9) + b"notzlib.."},
         "cannot be decompressed"),
        ({META: meta_mat()[:128] + struct.pack("<II", 15, 70000)
          + zlib.compress(bytes(70 << 20))[:70000].ljust(70000, b"\0")},
         "of more than 67,108,864 bytes."),
        ({META: bytes((1 << 24) + 1)}, "meta.mat has 16,777,217 bytes"),
    ],
)  # fmt: skip
def test_errors(tmp_path, change, message):
    files = devkit_files()
    for name, data in change.items():
        if data is None:
            del files[name]
        else:
            files[name] = data
    with pytest.raises(DataError) as raised:
        read_devkit(unpack(files, tmp_path / "kit"))
    assert message in raised.value.problem
    assert "ILSVRC" in raised.value.remedy or "devkit" in raised.value.remedy


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="there is no devkit"):
        read_devkit(tmp_path / "none")


def test_a_compressed_archive_grows_to_a_bound(tmp_path):
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(bytes(70 << 20)))
    with pytest.raises(DataError, match="holds more than 67,108,864 bytes"):
        read_devkit(path)
    path.write_bytes(gzip.compress(tar_of(devkit_files()))[:200])
    with pytest.raises(DataError, match="cannot be read"):
        read_devkit(path)


@pytest.mark.parametrize("compress", [True, False])
def test_matlab_structs(compress):
    found = read_structs(meta_mat(compress), "synsets")
    assert [fields["WNID"] for fields in found] == [*WNIDS]
    assert [fields["ILSVRC2012_ID"] for fields in found] == [[1], [2], [3], [4], [5]]
    assert found[4]["children"] == [1, 2, 3, 4]
    with pytest.raises(DataError, match="has no array 'other'"):
        read_structs(meta_mat(compress), "other")


def test_matlab_numbers_text_and_what_is_left_out(tmp_path):
    path = tmp_path / "m.mat"
    fields = [("a", "O"), ("b", "O"), ("c", "O"), ("d", "O")]
    structs = np.zeros((2, 3), fields)
    for i in range(6):
        cell = np.array(["x", 1], object)
        structs[i // 3, i % 3] = (np.int16([i, -i]), "é€", cell, np.zeros((0, 3)))
    scipy.io.savemat(path, {"first": np.eye(2), "s": structs}, long_field_names=True)
    found = read_structs(path.read_bytes(), "s")
    # Columns first, as MATLAB counts.
    assert [f["a"] for f in found] == [[i, -i] for i in (0, 3, 1, 4, 2, 5)]
    assert {f["b"] for f in found} == {"é€"}
    assert [f["c"] for f in found] == [None] * 6
    assert [f["d"] for f in found] == [[]] * 6


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=8))
def test_damaged_matlab_files(at, value):
    whole = bytearray(meta_mat(compress=False))
    at = 128 + at % (len(whole) - 128)
    whole[at : at + len(value)] = value
    with contextlib.suppress(DataError):
        read_structs(bytes(whole), "synsets")
