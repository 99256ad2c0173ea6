"""Three blocks of a real VGG-16: features of photos, against other engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.cli.main import main
from netspec.weights import read_weights
from tests.data.making import image_file

MEAN = np.array([103.939, 116.779, 123.68]).reshape(3, 1, 1)
TOLERANCE = 1e-5  # of the blob's maximum: float32 sums in another order
PHOTOS = ("photos_cc/astronaut.png", "photos_cc/china.jpg", "bvlc_examples/cat.jpg")


def extract(shared_data: Path, out: Path, *arguments: str) -> np.lib.npyio.NpzFile:
    model = shared_data / "models" / "vgg16_keras_imagenet" / "vgg16_to_relu3_3"
    code = main(
        ["extract", *arguments, "--weights", f"{model}.caffemodel",
         "--model", f"{model}.prototxt", "--preprocess", "caffe-vgg",
         "--blob", "conv3_3", "-o", str(out)]
    )  # fmt: skip
    assert code == 0
    return np.load(out)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert abs(found - expected).max() < TOLERANCE * expected.max()


def test_features_are_the_other_engines(shared_data: Path, tmp_path: Path) -> None:
    """relu3_3 works on conv3_3 in place.  The recorded input, as a picture again."""
    recorded = np.load(shared_data / "reference_outputs" / "vgg16_relu3_3.npz")
    pixels = np.rint(recorded["input"][0] + MEAN).astype(np.uint8)
    rgb = np.ascontiguousarray(pixels[::-1].transpose(1, 2, 0))
    photo = tmp_path / "photo.png"
    photo.write_bytes(image_file("PNG", Image.fromarray(rgb)))
    found = extract(
        shared_data, tmp_path / "f.npz", str(photo), "--resize", "short-side:224"
    )
    assert found["names"].tolist() == [str(photo)]
    close(found["conv3_3"], recorded["out:relu3_3"])


def test_features_of_photos_are_torchs(shared_data: Path, tmp_path: Path) -> None:
    """Decoded, resized and prepared by Pillow and by hand, computed by torch."""
    torch = pytest.importorskip("torch")
    names = [str(shared_data / "images" / name) for name in PHOTOS]
    rule = ("--resize", "short-side:224:pil-bilinear")
    found = extract(shared_data, tmp_path / "f.npz", *names, *rule)
    assert found["names"].tolist() == names
    params = read_weights(
        shared_data / "models/vgg16_keras_imagenet/vgg16_to_relu3_3.caffemodel"
    )
    y = torch.from_numpy(np.stack([centre(name) for name in names]))
    f = torch.nn.functional
    for block, convolutions in ((1, 2), (2, 2), (3, 3)):
        for n in range(1, convolutions + 1):
            blobs = params[f"conv{block}_{n}"]
            y = f.conv2d(y, *(torch.from_numpy(np.array(b)) for b in blobs), padding=1)
            y = f.relu(y)
        y = f.max_pool2d(y, 2) if block < 3 else y
    close(found["conv3_3"], y.numpy())


def centre(name: str) -> np.ndarray:
    """The middle 224 x 224 pixels of a photo rescaled to 224, less the mean."""
    with Image.open(name) as image:
        wide, high = image.size
        short = min(image.size)
        size = (round(wide * 224 / short), round(high * 224 / short))
        small = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BILINEAR))
    y, x = (small.shape[0] - 224) // 2, (small.shape[1] - 224) // 2
    bgr = small[y : y + 224, x : x + 224, ::-1].transpose(2, 0, 1)
    return np.float32(bgr - MEAN)
