"""Caffe's own data layers, database maker and mean, on its 24 little pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from netspec.data.conversion import Conversion
from netspec.data.create import Policy, create_from_list
from netspec.data.database import Database
from netspec.data.feed import Feed
from netspec.data.mean import mean_image, write_mean
from netspec.proto import TEST, NetParameter
from tests.conftest import shared_data_folder

FOLDER = shared_data_folder() / "caffe_golden" / "data"
CASES = sorted(
    p.stem for p in FOLDER.glob("*.prototxt") if p.stem != "hdf5_output"
) or ["none"]

# Decoded and resized pixels equal OpenCV's with the libraries of 2026; other versions
# of libjpeg-turbo may differ by a grey level or two.
GREY_LEVELS = 2


@pytest.fixture
def folder(shared_data) -> Path:
    return shared_data / "caffe_golden" / "data"


def feed(folder: Path, name: str) -> Feed:
    net = text_format.Parse((folder / f"{name}.prototxt").read_text(), NetParameter())
    return Feed(net.layer[0], TEST, root=folder)


@pytest.mark.parametrize("name", CASES)
def test_data_layer_equals_caffes(folder, name):
    made = feed(folder, name)
    expected = np.load(folder / "expected.npz")
    exact = not name.startswith(("image", "lmdb_encoded"))
    passes = 0
    while f"{name}:{passes}:{made.tops[0]}" in expected:
        found = made.read(passes * made.batch_size, made.batch_size)
        for top, values in zip(made.tops, found):
            wanted = expected[f"{name}:{passes}:{top}"]
            assert values.dtype == np.float32
            assert values.shape == wanted.shape
            tolerance = 0 if exact or top == "label" else GREY_LEVELS
            assert np.abs(values - wanted).max() <= tolerance
        passes += 1
    assert passes


@pytest.mark.parametrize(
    ("conversion", "wanted"),
    [
        (Conversion(size=(40, 48)), "resized_lmdb"),
        (Conversion(size=(40, 48), gray=True), "gray_lmdb"),
        (Conversion(encoded=True, encode_type="jpg"), "encoded_lmdb"),
    ],
)
def test_created_database_equals_convert_imagesets(
    folder, tmp_path, conversion, wanted
):
    target = tmp_path / "made"
    create_from_list(
        str(folder / "images"), folder / "list.txt", target, conversion, Policy()
    )
    made, caffes = Database(target), Database(folder / wanted)
    assert len(made) == len(caffes) == 24
    for i in range(24):
        assert made.key(i) == caffes.key(i)
        mine, theirs = made.datum(i), caffes.datum(i)
        assert (mine.label, mine.encoded) == (theirs.label, theirs.encoded)
        assert mine.HasField("encoded") == theirs.HasField("encoded")
        pixels, wanted_pixels = made.record(i)[0], caffes.record(i)[0]
        assert pixels.shape == wanted_pixels.shape
        # A lossy file that was encoded anew may differ more than its source.
        limit = 4 * GREY_LEVELS if mine.encoded else GREY_LEVELS
        assert np.abs(pixels.astype(int) - wanted_pixels).max() <= limit


@pytest.mark.parametrize(
    ("database", "wanted"),
    [("resized_lmdb", "mean.binaryproto"), ("gray_lmdb", "gray_mean.binaryproto")],
)
def test_mean_file_is_compute_image_means_byte_for_byte(
    folder, tmp_path, database, wanted
):
    write_mean(tmp_path / "mean", mean_image(Database(folder / database)))
    assert (tmp_path / "mean").read_bytes() == (folder / wanted).read_bytes()
