"""Resize rules: sizes by hand, filters against Pillow, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from netspec.data.rescale import FILTERS, Resize, parse_resize, short_side_size
from netspec.data.resize import resize
from netspec.errors import UsageError

PICTURE = np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8)

# height, width, shorter side, and what they become; halves round up
SIZES = [
    (333, 500, 256, 256, 384),
    (500, 333, 256, 384, 256),
    (375, 500, 384, 384, 512),
    (400, 501, 256, 256, 321),
    (2, 5, 1, 1, 3),
    (1, 1, 224, 224, 224),
    (256, 256, 256, 256, 256),
]


@pytest.mark.parametrize(("height", "width", "short", "high", "wide"), SIZES)
def test_sizes(height, width, short, high, wide) -> None:
    assert short_side_size(height, width, short) == (high, wide)
    assert Resize("short-side", (short,)).target(height, width) == (high, wide)


@given(st.integers(1, 999), st.integers(1, 999), st.integers(1, 600))
def test_the_shorter_side_is_as_asked(height, width, short) -> None:
    size = short_side_size(height, width, short)
    assert min(size) == short
    assert abs(max(size) - short * max(height, width) / min(height, width)) <= 0.5


def test_squash_and_none() -> None:
    assert Resize("squash", (5, 8)).target(100, 30) == (5, 8)
    assert Resize("none").target(100, 30) == (100, 30)
    np.testing.assert_array_equal(Resize("none")(PICTURE), PICTURE)


def test_opencvs_filter_is_the_default() -> None:
    expected = resize(PICTURE, 6, 20)
    np.testing.assert_array_equal(Resize("squash", (6, 20))(PICTURE), expected)


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pillows_filters_are_pillows(name: str, channels: int) -> None:
    picture = np.ascontiguousarray(PICTURE[:, :, :channels])
    image = Image.fromarray(picture[:, :, 0] if channels == 1 else picture)
    expected = image.resize((20, 6), Image.Resampling[name.upper()])
    found = FILTERS[f"pil-{name}"](picture, 6, 20)
    np.testing.assert_array_equal(found.squeeze(), np.asarray(expected))
    assert found.shape == (6, 20, channels)


@pytest.mark.parametrize("size", [(6, 20), (30, 41), (5, 8)])
def test_the_triangle_is_pillows_bilinear_unrounded(size) -> None:
    found = FILTERS["triangle"](PICTURE, *size)
    assert (found.shape, found.dtype) == ((*size, 3), np.float32)
    rounded = FILTERS["pil-bilinear"](PICTURE, *size)
    assert 0.2 < abs(found - rounded).max() <= 1.01  # Pillow rounds twice


TEXTS = {
    "none": Resize("none"),
    "short-side:256": Resize("short-side", (256,)),
    "squash:224": Resize("squash", (224, 224)),
    "squash:224x192:pil-bicubic": Resize("squash", (224, 192), "pil-bicubic"),
}


@pytest.mark.parametrize("text", TEXTS)
def test_rules_as_text(text: str) -> None:
    assert parse_resize(text) == TEXTS[text]
    assert parse_resize(str(TEXTS[text])) == TEXTS[text]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot resize by '' (unknown resize rule ''.)"),
        ("shortside:256", "cannot resize by 'shortside:256' (unknown resize rule "),
        ("short-side", "cannot resize by 'short-side' (resize rule 'short-side' is "),
        ("squash:5x6x7", "cannot resize by 'squash:5x6x7' (resize rule 'squash' is "),
        ("squash:0", "cannot resize by 'squash:0' (resize rule 'squash' is given the "),
        ("squash:a", "cannot resize by 'squash:a'."),
        ("squash:9:cubic", "cannot resize by 'squash:9:cubic' (unknown resize filter "),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_resize(text)
    assert str(caught.value).startswith(problem)
    assert "filters are opencv-bilinear, pil-bicubic" in caught.value.remedy
