"""``caffe.Classifier`` and ``caffe.Detector``."""

from __future__ import annotations

import numpy as np
import pytest

import netspec.pycaffe as caffe
from netspec.data.decode import encode
from netspec.errors import UsageError
from netspec.pycaffe.context import context_window

from .small import write

NET = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 3 dim: 3 dim: 8 dim: 6 } } }
layer { name: "score" type: "InnerProduct" bottom: "data" top: "score"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" }
"""
DRAW = np.random.default_rng(31)
IMAGES = [
    DRAW.uniform(size=shape).astype(np.float32) for shape in ((20, 13, 3), (9, 16, 3))
]
SETTINGS = {
    "mean": np.array([7.0, 9.0, 11.0]),
    "raw_scale": 255,
    "channel_swap": (2, 1, 0),
    "input_scale": 0.01,
}


@pytest.fixture
def files(tmp_path):
    model = write(tmp_path, NET)
    caffe.Net(model, caffe.TEST).save(str(tmp_path / "w.caffemodel"))
    return model, str(tmp_path / "w.caffemodel")


def by_hand(files, crops):
    """Probabilities of images of the input's size, one at a time."""
    net = caffe.Net(*files, caffe.TEST)
    net.blobs["data"].reshape(1, 3, 8, 6)
    found = []
    for crop in crops:
        planes = crop.transpose(2, 0, 1)[::-1] * 255 - SETTINGS["mean"][:, None, None]
        found.append(net.forward(data=planes[None] * 0.01)["prob"][0])
    return np.array(found)


@pytest.mark.smoke
def test_whole_images(files):
    classifier = caffe.Classifier(*files, **SETTINGS)
    found = classifier.predict(IMAGES, oversample=False)
    resized = [caffe.io.resize_image(image, (8, 6)) for image in IMAGES]
    np.testing.assert_allclose(found, by_hand(files, resized), rtol=1e-4)


def test_the_centre_of_larger_images(files):
    classifier = caffe.Classifier(*files, image_dims=(13, 9), **SETTINGS)
    found = classifier.predict(IMAGES, oversample=False)
    crops = [caffe.io.resize_image(i, (13, 9))[2:10, 1:7] for i in IMAGES]
    np.testing.assert_allclose(found, by_hand(files, crops), rtol=1e-4)


def test_ten_crops_are_averaged(files):
    classifier = caffe.Classifier(*files, image_dims=[11, 10], **SETTINGS)
    found = classifier.predict(IMAGES)
    assert found.shape == (2, 4)
    for image, prediction in zip(IMAGES, found):
        crops = caffe.io.oversample([caffe.io.resize_image(image, (11, 10))], (8, 6))
        np.testing.assert_allclose(prediction, by_hand(files, crops).mean(0), rtol=1e-4)


def test_windows_are_warped_to_the_input(files, tmp_path):
    path = str(tmp_path / "a.png")
    pixels = (IMAGES[0] * 255).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(encode(pixels[:, :, ::-1], "png"))
    detector = caffe.Detector(*files, **SETTINGS)
    windows = [(2, 1, 18, 12), np.array([0, 3, 7, 13])]
    found = detector.detect_windows([(path, windows), (path, windows[:1])])
    assert [each["filename"] for each in found] == [path] * 3
    assert found[1]["window"] is windows[1]
    image = caffe.io.load_image(path)
    crops = [image[2:18, 1:12], image[:7, 3:13], image[2:18, 1:12]]
    expected = by_hand(files, [caffe.io.resize_image(c, (8, 6)) for c in crops])
    np.testing.assert_allclose(
        [each["prediction"] for each in found], expected, rtol=1e-4
    )
    assert detector.detect_windows([(path, [])]) == []


def test_context_is_the_mean_where_the_image_ends(files):
    detector = caffe.Detector(*files, context_pad=1, **SETTINGS)
    mean = np.array([11.0, 9.0, 7.0]) / 255  # as the image has it: red, green, blue
    np.testing.assert_allclose(detector.crop_mean, np.tile(mean, (8, 6, 1)), rtol=1e-5)
    crop = detector.crop(np.ones((20, 13, 3), np.float32), (0, 4, 9, 9))
    assert crop.shape == (8, 6, 3)
    np.testing.assert_allclose(crop[0], np.tile(mean, (6, 1)), rtol=1e-5)
    assert np.all(crop[2:] == 1)


def test_context_inside_the_image_is_the_image():
    """A window of 6 pixels with a border of 1 in 8 is exactly 8 pixels."""
    image = DRAW.uniform(size=(30, 40, 3)).astype(np.float32)
    crop = context_window(image, (10, 20, 15, 25), (8, 8), 1, np.zeros((8, 8, 3)))
    np.testing.assert_array_equal(crop, image[9:17, 19:27])


def test_context_that_leaves_the_image_at_the_far_side():
    image = np.ones((12, 12, 3), np.float32)
    crop = context_window(image, (6, 2, 11, 7), (8, 8), 1, np.zeros((8, 8, 3)))
    np.testing.assert_array_equal(crop[:7], 1)
    np.testing.assert_array_equal(crop[7], 0)
    with pytest.raises(ValueError, match="from 90 to 99 lies outside an image of 12"):
        context_window(image, (0, 90, 5, 99), (8, 8), 1, np.zeros((8, 8, 3)))


def test_a_detector_without_a_mean_pads_with_zeros(files):
    detector = caffe.Detector(*files)
    assert detector.crop_mean.shape == (8, 6, 3)
    assert not detector.crop_mean.any()
    assert detector.crop(IMAGES[0], (1, 2, 5, 9)).shape == (4, 7, 3)


def test_selective_search_is_a_module_of_its_own(files):
    with pytest.raises(UsageError) as caught:
        caffe.Detector(*files).detect_selective_search(["a.jpg"])
    assert str(caught.value) == (
        "the module selective_search_ijcv_with_python is not installed.\n"
        "  Install it, or give windows to detect_windows()."
    )
