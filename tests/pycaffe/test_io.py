"""``caffe.io``: images, preprocessing, and messages as arrays."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import netspec.pycaffe as caffe
from netspec.data.decode import encode
from netspec.errors import DataError, NetspecError
from netspec.pycaffe.proto import caffe_pb2

DRAW = np.random.default_rng(21)
IMAGE = DRAW.uniform(0.1, 0.9, (9, 12, 3)).astype(np.float32)


# Images ------------------------------------------------------------------------------


def test_loading_colour_grey_and_transparency(tmp_path):
    rgb = DRAW.integers(0, 256, (5, 7, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(encode(rgb[:, :, ::-1], "png"))
    loaded = caffe.io.load_image(str(tmp_path / "a.png"))
    assert (loaded.dtype, loaded.shape) == (np.float32, (5, 7, 3))
    np.testing.assert_allclose(loaded, rgb / 255, rtol=1e-6)
    grey = caffe.io.load_image(str(tmp_path / "a.png"), color=False)
    expected = rgb @ [0.2125, 0.7154, 0.0721] / 255
    np.testing.assert_allclose(grey[:, :, 0], expected, rtol=1e-5)
    alpha = np.dstack([rgb, np.full((5, 7), 99, np.uint8)])
    Image.fromarray(alpha).save(tmp_path / "b.png")
    np.testing.assert_array_equal(caffe.io.load_image(tmp_path / "b.png"), loaded)


def test_loading_a_grey_file(tmp_path):
    grey = DRAW.integers(0, 256, (4, 6), np.uint8)
    Image.fromarray(grey).save(tmp_path / "g.png")
    one = caffe.io.load_image(tmp_path / "g.png", color=False)
    three = caffe.io.load_image(io.BytesIO((tmp_path / "g.png").read_bytes()))
    np.testing.assert_allclose(one[:, :, 0], grey / 255, rtol=1e-6)
    np.testing.assert_array_equal(three, np.repeat(one, 3, 2))


def test_files_that_are_no_images(tmp_path):
    with pytest.raises(DataError, match=r"no\.jpg: cannot be read"):
        caffe.io.load_image(str(tmp_path / "no.jpg"))
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(DataError, match=r"text\.jpg: is not an image"):
        caffe.io.load_image(str(tmp_path / "text.jpg"))


def bilinear(image, height, width):
    """Pixel by pixel: centres at half pixels, the least value beyond the edge."""
    padded = np.full(
        (image.shape[0] + 2, image.shape[1] + 2, image.shape[2]), image.min()
    )
    padded[1:-1, 1:-1] = image
    out = np.empty((height, width, image.shape[2]))
    for i in range(height):
        for j in range(width):
            y = (i + 0.5) * image.shape[0] / height - 0.5 + 1
            x = (j + 0.5) * image.shape[1] / width - 0.5 + 1
            a, b = int(y), int(x)
            p, q = y - a, x - b
            top = (1 - q) * padded[a, b] + q * padded[a, b + 1]
            low = (1 - q) * padded[a + 1, b] + q * padded[a + 1, b + 1]
            out[i, j] = (1 - p) * top + p * low
    return out


@pytest.mark.parametrize("size", [(4, 5), (13, 31), (5, 30), (9, 7)])
def test_resizing_is_bilinear_with_skimages_edges(size):
    found = caffe.io.resize_image(IMAGE, size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, bilinear(IMAGE, *size), atol=1e-6)


def test_resizing_other_numbers_of_channels_keeps_the_corners():
    many = DRAW.uniform(size=(6, 8, 5))
    found = caffe.io.resize_image(many, (11, 4))
    corners = (slice(None, None, 10), slice(None, None, 3))
    expected = many[::5][:, ::7]
    np.testing.assert_allclose(found[corners], expected, atol=1e-6)


def test_resizing_what_is_constant_or_has_that_size_already():
    flat = np.full((3, 4, 1), 0.625, np.float32)
    np.testing.assert_array_equal(
        caffe.io.resize_image(flat, (7, 2)), np.full((7, 2, 1), 0.625)
    )
    np.testing.assert_array_equal(caffe.io.resize_image(IMAGE, (9, 12)), IMAGE)
    nearest = caffe.io.resize_image(IMAGE, (18, 24), interp_order=0)
    np.testing.assert_array_equal(nearest[::2, ::2], IMAGE)


def test_ten_crops():
    images = DRAW.uniform(size=(2, 8, 11, 3))
    crops = caffe.io.oversample(images, (5, 6))
    assert crops.shape == (20, 5, 6, 3)
    first, second = images.astype(np.float32)
    for i, (y, x) in enumerate([(0, 0), (0, 5), (3, 0), (3, 5), (1, 2)]):
        np.testing.assert_array_equal(crops[i], first[y : y + 5, x : x + 6])
        np.testing.assert_array_equal(crops[5 + i], crops[i][:, ::-1])
        np.testing.assert_array_equal(crops[10 + i], second[y : y + 5, x : x + 6])
    with pytest.raises(ValueError, match="crops of 9x6 do not fit an image of 8x11"):
        caffe.io.oversample(images, (9, 6))


# Preprocessing -----------------------------------------------------------------------


@pytest.fixture
def transformer():
    made = caffe.io.Transformer({"data": (10, 3, 9, 12), "other": (1, 2, 4, 4)})
    made.set_transpose("data", (2, 0, 1))
    made.set_channel_swap("data", (2, 0, 1))
    made.set_raw_scale("data", 255)
    made.set_mean("data", np.array([10.0, 20.0, 30.0]))
    made.set_input_scale("data", 0.5)
    return made


@pytest.mark.smoke
def test_preprocessing_in_caffes_order(transformer):
    image = IMAGE.copy()
    found = transformer.preprocess("data", image)
    planes = IMAGE.transpose(2, 0, 1)[[2, 0, 1]] * 255
    expected = (planes - np.array([10, 20, 30])[:, None, None]) * 0.5
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    assert (found.dtype, found.shape) == (np.float32, (3, 9, 12))
    np.testing.assert_array_equal(image, IMAGE)


def test_deprocessing_is_the_way_back(transformer):
    there = transformer.preprocess("data", IMAGE)
    np.testing.assert_allclose(transformer.deprocess("data", there), IMAGE, atol=1e-6)
    back = transformer.deprocess("data", there[None])
    np.testing.assert_allclose(back, IMAGE, atol=1e-6)


def test_an_image_of_another_size_is_resized(transformer):
    small = caffe.io.resize_image(IMAGE, (5, 8))
    found = transformer.preprocess("data", small)
    expected = transformer.preprocess("data", caffe.io.resize_image(small, (9, 12)))
    np.testing.assert_array_equal(found, expected)


def test_without_settings_nothing_but_the_size_and_type_changes():
    plain = caffe.io.Transformer({"data": [1, 3, 9, 12]})
    found = plain.preprocess("data", (IMAGE * 99).astype(np.int16))
    np.testing.assert_array_equal(found, (IMAGE * 99).astype(np.int16))


def test_a_mean_image(transformer):
    mean = DRAW.uniform(0, 99, (3, 9, 12))
    transformer.set_mean("data", mean)
    found = transformer.preprocess("data", IMAGE)
    planes = IMAGE.transpose(2, 0, 1)[[2, 0, 1]] * 255
    np.testing.assert_allclose(found, (planes - mean) * 0.5, rtol=1e-4, atol=1e-4)
    transformer.set_mean("data", mean[:, :4, :6])
    resized = caffe.io.resize_image(mean[:, :4, :6].transpose(1, 2, 0), (9, 12))
    expected = resized.transpose(2, 0, 1)
    np.testing.assert_allclose(transformer.mean["data"], expected, rtol=1e-6)
    transformer.set_mean("data", mean[0])
    assert transformer.mean["data"].shape == (1, 9, 12)


REFUSED = {
    "unknown input": (
        lambda t: t.set_raw_scale("dta", 2),
        "no input 'dta'.\n  Did you mean 'data'?",
    ),
    "axes": (
        lambda t: t.set_transpose("data", (1, 0)),
        "the order (1, 0) has 2 axes for input 'data'.\n"
        "  Give 3: all but that of the batch.",
    ),
    "channels": (
        lambda t: t.set_channel_swap("other", (2, 1, 0)),
        "the order (2, 1, 0) has 3 channels; input 'other' has 2.\n"
        "  Give each of its channels once.",
    ),
    "mean values": (
        lambda t: t.set_mean("other", np.ones(3)),
        "a mean of shape 3 does not fit input 'other', whose items are 2x4x4.\n"
        "  Give a value a channel, or a mean image.",
    ),
    "mean image": (
        lambda t: t.set_mean("other", np.ones((1, 2, 4, 4))),
        "a mean of shape 1x2x4x4 does not fit input 'other', whose items are 2x4x4.\n"
        "  Give a value a channel, or a mean image.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_do_not_fit(case, transformer):
    act, text = REFUSED[case]
    with pytest.raises(NetspecError) as caught:
        act(transformer)
    assert str(caught.value) == text


# Messages ----------------------------------------------------------------------------


def test_blobs_as_arrays():
    values = DRAW.normal(size=(2, 3, 4)).astype(np.float32)
    blob = caffe.io.array_to_blobproto(values, 2 * values)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob), values)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob, True), 2 * values)
    old = caffe_pb2.BlobProto(num=1, channels=3, height=2, width=4)
    old.data.extend(values.ravel().tolist())
    np.testing.assert_array_equal(
        caffe.io.blobproto_to_array(old), values.reshape(1, 3, 2, 4)
    )
    double = caffe_pb2.BlobProto(double_data=[0.1, 0.2])
    double.shape.dim.append(2)
    assert caffe.io.blobproto_to_array(double).tolist() == [0.1, 0.2]


def test_a_blob_whose_shape_is_wrong():
    blob = caffe_pb2.BlobProto(data=[1, 2, 3])
    with pytest.raises(ValueError, match="comes with 3 values of data"):
        caffe.io.blobproto_to_array(blob)


def test_several_blobs_in_one_string():
    arrays = [DRAW.normal(size=shape).astype(np.float32) for shape in ((2, 3), (4,))]
    text = caffe.io.arraylist_to_blobprotovector_str(arrays)
    for found, expected in zip(caffe.io.blobprotovector_str_to_arraylist(text), arrays):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="no BlobProtoVector"):
        caffe.io.blobprotovector_str_to_arraylist(b"\xff\xff")


def test_records_of_bytes_floats_and_image_files():
    raw = DRAW.integers(0, 256, (3, 4, 5), np.uint8)
    datum = caffe.io.array_to_datum(raw, label=7)
    assert (datum.channels, datum.height, datum.width, datum.label) == (3, 4, 5, 7)
    np.testing.assert_array_equal(caffe.io.datum_to_array(datum), raw)
    floats = DRAW.normal(size=(1, 2, 3)).astype(np.float32)
    datum = caffe.io.array_to_datum(floats)
    assert not datum.HasField("label")
    np.testing.assert_array_equal(caffe.io.datum_to_array(datum), floats)
    stored = encode(raw.transpose(1, 2, 0).copy(), "png")
    datum = caffe_pb2.Datum(data=stored, encoded=True)
    np.testing.assert_array_equal(caffe.io.datum_to_array(datum), raw)
    with pytest.raises(ValueError, match="cannot hold an array of 4x5"):
        caffe.io.array_to_datum(raw[0])
    with pytest.raises(DataError, match="holds 1 values for the shape 3x4x5"):
        caffe.io.datum_to_array(
            caffe_pb2.Datum(channels=3, height=4, width=5, data=b"x")
        )
