"""The transformation of pictures on the device against that on the host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from netspec.data.protocols import Raster
from netspec.data.transform import Means, Transform
from netspec.proto import TransformationParameter
from netspec.random import Key

RNG = np.random.default_rng(71)
PICTURES = RNG.integers(0, 256, (6, 3, 9, 11), np.uint8)
IMAGE = RNG.random((3, 9, 11)).astype(np.float32) * 255


def transform_of(text: str, image: np.ndarray | None) -> Transform:
    param = text_format.Parse(text, TransformationParameter())
    made = Transform.of(param, True, Key(3, "data"), Path())
    means = made.means if image is None else Means(image)
    return Transform(made.crop, made.mirror, made.scale, means, True, made.key)


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("crop_size: 5 mirror: true scale: 0.017", IMAGE),
        (
            "crop_size: 4 mirror: true mean_value: [104, 117, 123]",
            None,
        ),
        ("mirror: true mean_value: 110 scale: 0.5", None),
        ("scale: 0.00390625", None),
    ],
)
def test_the_hosts_numbers(text, image, machine):
    import cupy

    from netspec.backends.cuda.transform import transform, windows

    host = transform_of(text, image)
    expected = np.empty((6, *host.shape(PICTURES.shape[1:])), np.float32)
    for picture, draw, out in zip(PICTURES, host.draws(8, 6), expected):
        host.place(Raster(picture, *picture.shape[1:]), draw, out)
    host.finish(expected)
    mean = host.means.pixel if image is None else image
    out = cupy.empty(expected.shape, np.float32)
    given = PICTURES, windows(host, *PICTURES.shape[2:], first=8, count=6), mean
    transform(*map(cupy.asarray, given), host.scale, out)
    np.testing.assert_allclose(out.get(), expected, rtol=1e-6, atol=1e-5)
