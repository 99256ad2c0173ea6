from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from netspec.data.mean import write_mean
from netspec.data.protocols import Raster
from netspec.data.transform import Transform
from netspec.errors import DataError, NetspecError
from netspec.proto import TransformationParameter
from netspec.random import Key
from tests.data.making import pictures

MEAN = np.random.default_rng(3).random((3, 12, 15), np.float32) * 200


@pytest.fixture
def root(tmp_path) -> Path:
    write_mean(tmp_path / "mean.binaryproto", MEAN)
    write_mean(tmp_path / "other.binaryproto", MEAN[:, :, :14])
    return tmp_path


def transform(text: str, root: Path, training: bool = True, seed: int = 5) -> Transform:
    param = text_format.Parse(text, TransformationParameter())
    return Transform.of(param, training, Key(seed, "in/transform"), root)


def apply(made: Transform, images: np.ndarray, first: int = 0) -> np.ndarray:
    shape = made.shape(images.shape[1:])
    out = np.empty((len(images), *shape), np.float32)
    for row, draw in enumerate(made.draws(first, len(images))):
        made.place(Raster.of(images[row]), draw, out[row])
    made.finish(out)
    return out


def naive(picture, mean, scale, y, x, side_y, side_x, flip):
    """The formula of the module, pixel by pixel, in single precision."""
    out = np.empty((len(picture), side_y, side_x), np.float32)
    for c, i, j in np.ndindex(*out.shape):
        column = x + (side_x - 1 - j if flip else j)
        value = np.float32(picture[c, y + i, column]) - np.float32(
            mean[c, y + i, column]
        )
        out[c, i, j] = value * np.float32(scale)
    return out


def find(picture, mean, scale, out):
    """The (y, x, flip) of which *out* is the result; the only one."""
    _, height, width = picture.shape
    high, wide = out.shape[1:]
    places = [
        (y, x, flip)
        for y in range(height - high + 1)
        for x in range(width - wide + 1)
        for flip in (False, True)
        if np.array_equal(out, naive(picture, mean, scale, y, x, high, wide, flip))
    ]
    assert len(places) == 1
    return places[0]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("text", "mean"),
    [
        ("", np.zeros((3, 12, 15))),
        ("scale: 0.017", np.zeros((3, 12, 15))),
        ("mean_value: 104.3", np.full((3, 12, 15), 104.3)),
        (
            "mean_value: 10 mean_value: 20.5 mean_value: 30 scale: 0.5",
            np.broadcast_to(np.float64([10, 20.5, 30])[:, None, None], (3, 12, 15)),
        ),
        ('mean_file: "mean.binaryproto" scale: 0.3', MEAN),
    ],
)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("crop", [0, 9])
def test_formula(root, text, mean, training, crop):
    images = pictures(6, (3, 12, 15))
    made = transform(f"{text} mirror: true crop_size: {crop}", root, training)
    outs = apply(made, images)
    places = [find(p, mean, made.scale, out) for p, out in zip(images, outs)]
    if crop and training:
        assert len(set(places)) > 2
    else:  # rounded down in the centre: of 12 - 9 and 15 - 9
        assert {(y, x) for y, x, _ in places} == ({(1, 3)} if crop else {(0, 0)})
    assert {flip for _, _, flip in places} == {True, False}


def test_crops_reach_every_place_alike(root):
    made = transform("crop_size: 4 mirror: true", root)
    draws = made.draws(0, 6000)
    counts = np.zeros((3, 2, 2))
    for draw in draws:
        y, x, flip = made.seen((1, 6, 5), draw)
        counts[y, x, int(flip)] += 1
    # 12 places, 500 each expected; a standard deviation is 21.
    assert np.abs(counts - 500).max() < 100


def test_draws_depend_on_the_sample_alone(root):
    made = transform("crop_size: 5 mirror: true", root)
    whole = made.draws(1000, 64)
    assert whole[40:] == made.draws(1040, 24)
    assert whole != transform("crop_size: 5", root, seed=6).draws(1000, 64)
    border = made.draws(2**32 - 2, 4)  # the generator's own numbers end here
    assert border[:2] == made.draws(2**32 - 2, 2)
    assert border[2:] == made.draws(2**32, 2)
    assert border[2:] != made.draws(0, 2)


def test_nothing_is_drawn_in_vain(root):
    assert transform("crop_size: 5", root, training=False).draws(0, 2) == [[], []]
    assert transform("scale: 2", root).draws(0, 2) == [[], []]


def test_floats_are_transformed_too(root):
    images = np.random.default_rng(0).normal(size=(2, 3, 12, 15)).astype(np.float32)
    out = apply(transform("mean_value: 0.5 scale: 4", root), images)
    np.testing.assert_array_equal(out, (images - np.float32(0.5)) * np.float32(4))


@pytest.mark.parametrize(
    ("text", "problem", "field"),
    [
        (
            'mean_file: "mean.binaryproto" mean_value: 3',
            "has both mean_file and mean_value.",
            "transform_param.mean_value",
        ),
        (
            "crop_size: 13",
            "is 3x12x15, smaller than crop_size 13.",
            "transform_param.crop_size",
        ),
        (
            'mean_file: "other.binaryproto"',
            "is 3x12x15, and the mean image is 3x12x14.",
            "transform_param.mean_file",
        ),
        (
            "mean_value: 1 mean_value: 2",
            "has 3 channels, and mean_value is given 2 times.",
            "transform_param.mean_value",
        ),
    ],
)
def test_errors(root, text, problem, field):
    with pytest.raises(NetspecError) as raised:
        transform(text, root).shape((3, 12, 15))
    assert (raised.value.problem, raised.value.field) == (problem, field)
    assert raised.value.remedy


def test_a_missing_mean_file_says_how_to_make_one(root):
    with pytest.raises(DataError, match="netspec data mean"):
        transform('mean_file: "none.binaryproto"', root)
