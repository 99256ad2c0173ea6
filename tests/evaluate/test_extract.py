"""Features: rows in order with their names, as the net computes them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from netspec.errors import DataError, NetspecError
from netspec.evaluate.extract import Extractor
from netspec.evaluate.features import feature_file
from netspec.evaluate.images import Stored
from netspec.net import Net
from netspec.spec import parse_net
from tests.evaluate.small import deploy, model, picture, pictures, weights

BLOBS = ("pool", "fc1")


def extractor(folder: Path, blobs=BLOBS, text: str = "", **options) -> Extractor:
    text = text or deploy()
    given = model(folder).preprocess
    return Extractor(parse_net(text), weights(folder, text), blobs, given, **options)


def load(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".npz":
        return dict(np.load(path))
    with h5py.File(path) as file:
        found = {name: file[name][()] for name in file}
        found["names"] = file["names"].asstr()[()]
    return found


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["f.npz", "f.h5"])
@pytest.mark.parametrize("memory", [1 << 30, 60_000])  # large and small batches
def test_features_are_the_nets_own_blobs(
    tmp_path: Path, name: str, memory: int
) -> None:
    one = extractor(tmp_path, memory=memory)
    images = pictures()
    with feature_file(tmp_path / name, one.shapes) as take:
        assert one.run(Stored(images, range(7)), take) == []
    found = load(tmp_path / name)
    assert set(found) == {*BLOBS, "names", "labels"}
    assert found["names"].tolist() == [str(i) for i in range(7)]
    assert found["labels"].tolist() == list(range(7))
    plain = Net(parse_net(deploy().replace("dim: 4", "dim: 1")), device="numpy")
    plain.load(tmp_path / "weights0.caffemodel")
    for row, image in enumerate(images):
        whole = one.preprocess.resize(image.transpose(1, 2, 0)).transpose(2, 0, 1)
        y, x = (whole.shape[1] - 12) // 2, (whole.shape[2] - 10) // 2
        centre = whole[None, :, y : y + 12, x : x + 10] - np.float32(
            one.preprocess.mean
        ).reshape(3, 1, 1)
        plain.forward(data=centre * np.float32(one.preprocess.scale[0]))
        for blob in BLOBS:
            expected = plain.blobs[blob].data[0]
            np.testing.assert_allclose(found[blob][row], expected, atol=1e-5)


def test_a_blob_that_layers_change_in_place_is_read_after_the_last(
    tmp_path: Path,
) -> None:
    one = extractor(tmp_path, ["fc1"])
    with feature_file(tmp_path / "f.npz", one.shapes) as take:
        one.run(Stored(pictures()), take)
    found = load(tmp_path / "f.npz")["fc1"]
    assert found.min() == 0 < found.max()
    assert one.runner._lean  # only that blob is kept


@pytest.mark.parametrize("name", ["f.npz", "f.h5"])
def test_pictures_left_out_have_no_row(tmp_path: Path, name: str) -> None:
    one, images = extractor(tmp_path), pictures()
    images[2] = np.zeros((2, 20, 20), np.uint8)
    with feature_file(tmp_path / name, one.shapes) as take:
        skipped = one.run(Stored(images), take, "skip")
    assert skipped == ["image '2' has 2 channels, and the net takes 3."]
    found = load(tmp_path / name)
    assert found["names"].tolist() == ["0", "1", "3", "4", "5", "6"]
    assert found["fc1"].shape == (6, 9)
    assert found["labels"].tolist() == [-1] * 6


@pytest.mark.parametrize("name", ["f.npz", "f.h5"])
def test_what_was_there_stays_where_it_fails(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"before")
    one = extractor(tmp_path)
    images = [*pictures(), np.zeros((2, 20, 20), np.uint8)]
    with (
        pytest.raises(DataError, match="image '7' has 2 channels"),
        feature_file(tmp_path / name, one.shapes) as take,
    ):
        one.run(Stored(images), take)
    assert (tmp_path / name).read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == [name, "weights0.caffemodel"]


def test_a_picture_smaller_than_the_crop(tmp_path: Path) -> None:
    one = extractor(tmp_path)
    images = Stored([picture(5, 30)])
    take = pytest.fail
    with pytest.raises(DataError, match="none of 1 images could be used"):
        extractor(tmp_path, adjust={"resize": _none()}).run(images, take, "skip")
    with pytest.raises(
        DataError, match="image '0' is 5 x 30 pixels, and the net takes"
    ):
        extractor(tmp_path, adjust={"resize": _none()}).run(images, take)
    assert one.shapes == {"pool": (5, 6, 5), "fc1": (9,)}


def _none():
    from netspec.data.rescale import Resize

    return Resize("none")


TURNED = deploy(end="").replace('name: "small"', 'name: "small"') + (
    'layer { name: "turn" type: "Reshape" bottom: "fc2" top: "turn" '
    "reshape_param { shape { dim: -1 } } }"
)
MISTAKES = {
    "ending": (
        ["fc1"], "f.npy", "", "cannot write features to 'f.npy'.\n"
        "  Name a .npz or .h5 or .hdf5 file.",
    ),
    "no such blob": (
        ["fc3"], "f.npz", "", "the net has no blob 'fc3'.\n  Did you mean 'fc2'?",
    ),
    "no row a picture": (
        ["turn"], "f.npz", TURNED,
        "blob 'turn' has no row a picture: for two pictures it is 14.\n"
        "  Name a blob whose first axis is the batch.",
    ),
    "a name of ours": (
        ["names"], "f.npz", deploy().replace('"pool"', '"names"'),
        "blob 'names' has the name of another array of the file.\n  Rename the blob.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(tmp_path: Path, case: str) -> None:
    blobs, name, text, expected = MISTAKES[case]
    with pytest.raises(NetspecError) as caught:
        feature_file(name, extractor(tmp_path, blobs, text).shapes)
    assert str(caught.value) == expected
