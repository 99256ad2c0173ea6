"""Preprocessing: its formula, Caffe's transformation, the published conventions."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netspec.data.preprocess import Preprocess, Window, class_hash
from netspec.data.presets import PRESETS
from netspec.data.protocols import Raster
from netspec.data.rescale import Resize
from netspec.data.transform import Means, Transform
from netspec.errors import DataError, UsageError
from netspec.proto import TransformationParameter
from netspec.random import Key

BGR = np.random.default_rng(3).integers(0, 256, (3, 9, 12), np.uint8)
RGB = BGR[::-1]


def test_the_formula() -> None:
    """out = (pixel · range / 255 - mean) · scale, in the order of the channels."""
    given = Preprocess("rgb", range=2, mean=(0.3, 0.5, 0.7), scale=(3, 5, 0.25))
    window = Window(2, 3, 5, 4)
    expected = RGB[:, 2:7, 3:7] * (2 / 255)
    expected -= np.array([0.3, 0.5, 0.7]).reshape(3, 1, 1)
    expected *= np.array([3, 5, 0.25]).reshape(3, 1, 1)
    found = given.tensor(BGR, window)
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    mirrored = given.tensor(BGR, window._replace(mirror=True))
    np.testing.assert_array_equal(mirrored, found[:, :, ::-1])


@pytest.mark.parametrize("mean", ["mean_value: 7.5", "three", "mean_file", ""])
def test_it_is_caffes_transformation(tmp_path, mean: str) -> None:
    param = TransformationParameter(crop_size=5, scale=0.017)
    image = None
    if mean == "three":
        param.mean_value.extend([103.5, 117.25, 124])
    elif mean == "mean_file":
        image = np.random.default_rng(1).uniform(90, 130, BGR.shape).astype(np.float32)
    elif mean:
        param.mean_value.append(7.5)
    caffes = Transform.of(param, False, Key(0, ""), tmp_path)
    caffes = replace(caffes, means=Means(image, caffes.means.values))
    expected = np.empty((3, 5, 5), np.float32)
    caffes.place(Raster.of(BGR), [], expected)
    caffes.finish(expected)
    ours = Preprocess(
        "bgr", mean=tuple(param.mean_value), mean_image=image, scale=(param.scale,)
    )
    found = ours.tensor(BGR, Window((9 - 5) // 2, (12 - 5) // 2, 5, 5))
    np.testing.assert_array_equal(found, expected)


def test_a_mean_image_is_reduced_to_a_pixel_for_other_sizes() -> None:
    image = np.random.default_rng(2).uniform(90, 130, (3, 8, 8)).astype(np.float32)
    given = Preprocess("bgr", mean_image=image)
    assert given.reduces_mean((9, 12))
    assert not given.reduces_mean((8, 8))
    expected = BGR - image.mean((1, 2))[:, None, None]
    np.testing.assert_allclose(given.tensor(BGR), expected, rtol=1e-5, atol=1e-4)


def test_torchvisions_convention() -> None:
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(np.ascontiguousarray(RGB)).to(torch.float32).div(255)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(-1, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(-1, 1, 1)
    expected = x.sub(mean).div(deviation).numpy()
    found = PRESETS["torchvision"].tensor(BGR)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_kerass_conventions() -> None:
    """preprocess_input: mode "tf" scales to [-1, 1], mode "caffe" takes the mean."""
    tf = np.float32(RGB) / 127.5 - 1
    np.testing.assert_allclose(PRESETS["tf"].tensor(BGR), tf, atol=1e-6)
    caffe = np.float32(BGR) - np.float32([103.939, 116.779, 123.68])[:, None, None]
    np.testing.assert_array_equal(PRESETS["keras-caffe"].tensor(BGR), caffe)
    np.testing.assert_array_equal(PRESETS["caffe-vgg"].tensor(BGR), caffe)


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        PRESETS["torch-vision"]
    assert str(caught.value) == (
        "unknown preprocessing 'torch-vision'.\n  Did you mean 'torchvision'?"
    )


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(DataError, match="has 3 channels, and the model takes gray"):
        Preprocess("gray").tensor(BGR)


@given(arrays(np.uint8, (1, 4, 6)), st.floats(-200, 200), st.floats(0.01, 3))
def test_gray(picture, mean, scale) -> None:
    found = Preprocess("gray", mean=(mean,), scale=(scale,)).tensor(picture)
    expected = (picture.astype(np.float64) - mean) * scale
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)


def test_what_makes_the_same_numbers() -> None:
    one = Preprocess("bgr", mean=(7, 7, 7), scale=(2,), crop=(5, 5))
    spread = Preprocess("bgr", mean=(7,), scale=(2, 2, 2), resize=Resize("none"))
    assert one.same_arithmetic(spread)
    assert Preprocess("bgr").same_arithmetic(Preprocess("bgr", mean=(0,)))
    rounded = Preprocess("bgr", mean=(float(np.float32(103.939)),))
    assert rounded.same_arithmetic(Preprocess("bgr", mean=(103.939,)))
    image = np.ones((3, 2, 2), np.float32)
    with_image = Preprocess("bgr", mean_image=image)
    assert with_image.same_arithmetic(Preprocess("bgr", mean_image=image.copy()))
    for other in (
        one.with_(channels="rgb"), one.with_(range=1), one.with_(mean=(7, 8, 7)),
        one.with_(scale=(3,)), with_image,
        Preprocess("bgr", mean_image=image * 2),
    ):  # fmt: skip
        assert not one.same_arithmetic(other)
        assert not other.same_arithmetic(one)


def test_the_hash_of_a_class_order() -> None:
    names = ("tench", "goldfish", "weiße Haie")
    text = "tench\ngoldfish\nweiße Haie\n".encode()
    assert class_hash(names) == hashlib.sha256(text).hexdigest()[:12]
    assert class_hash(names) != class_hash(names[::-1])
    assert class_hash(("a", "b")) != class_hash(("ab",))


SENSELESS = {
    "channels": ({"channels": "bgra"}, "unknown channels 'bgra'.\n"
                 "  Did you mean 'bgr'?"),
    "range": ({"range": 0}, "range is 0.\n  Give a number above 0."),
    "range nan": ({"range": float("nan")}, "range is nan.\n  Give a number above 0."),
    "scale": ({"scale": (1, 2)}, "scale is [1, 2] for 3 channels.\n"
              "  Give one finite number, or one a channel."),
    "no scale": ({"scale": ()}, "scale is [] for 3 channels.\n"
                 "  Give one finite number, or one a channel."),
    "mean": ({"mean": (1, 2, 3, 4)}, "mean is [1, 2, 3, 4] for 3 channels.\n"
             "  Give one finite number, or one a channel."),
    "infinite mean": ({"mean": (float("inf"),)}, "mean is [inf] for 3 channels.\n"
                      "  Give one finite number, or one a channel."),
    "two means": ({"mean": (1,), "mean_image": np.zeros((3, 2, 4), np.float32)},
                  "a mean image of 3x2x4 for 3 channels beside mean values.\n"
                  "  Give mean values, or one image of C x H x W."),
    "mean image": ({"mean_image": np.zeros((2, 2, 4), np.float32)},
                   "a mean image of 2x2x4 for 3 channels.\n"
                   "  Give mean values, or one image of C x H x W."),
    "crop": ({"crop": (5, 0)}, "crop is [5, 0].\n  Give 2 numbers above 0."),
    "crop of one": ({"crop": (5,)}, "crop is [5].\n  Give 2 numbers above 0."),
    "train scale": ({"train_scale": (512, 256)},
                    "train_scale [512, 256] ends before it begins.\n"
                    "  Give the least shorter side first."),
}  # fmt: skip


@pytest.mark.parametrize("case", SENSELESS)
def test_what_makes_no_sense_is_refused(case: str) -> None:
    values, expected = SENSELESS[case]
    with pytest.raises(DataError) as caught:
        Preprocess(**{"channels": "bgr", **values})
    assert str(caught.value) == expected
