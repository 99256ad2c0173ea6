"""ROIPooling and PSROIPooling against a reading of their papers' code in words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from tests.layers.harness import Trial, both_ops, check_layer, infer

RNG = np.random.default_rng(9)
MAPS = (2, 12, 7, 9)
SCALE = 0.25  # exact, so that places round alike in any precision
REGIONS = np.array([
    [0, 0, 0, 35, 27],  # all of the map
    [1, 5, 3, 20, 26],
    [0, 12, 8, 13, 9],  # less than a pixel a bin
    [1, -9, -6, 11, 40],  # over the edges
    [0, 60, 60, 80, 80],  # outside
    [1, 20, 20, 10, 10],  # turned inside out
    [1, 6, 10, 30, 22],  # corners on halves: 1.5 and 2.5
], float)  # fmt: skip
TEXTS = {
    "max": 'type: "ROIPooling" roi_pooling_param { pooled_h: 2 pooled_w: 3 '
    f"spatial_scale: {SCALE} }}",
    "mean": 'type: "PSROIPooling" psroi_pooling_param { output_dim: 3 group_size: 2 '
    f"spatial_scale: {SCALE} }}",
}


def rounded(value: float) -> int:
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def bins(low: float, high: float, number: int, size: int, first_scale: bool) -> list:
    """First and end of each bin along an axis."""
    if first_scale:
        start = rounded(low * SCALE)
        length = max(rounded(high * SCALE) - start + 1, 1)
        low_high = ((i * length / number, i + 1) for i in range(number))
        edges = [
            (math.floor(a) + start, math.ceil(i * length / number) + start)
            for a, i in low_high
        ]
    else:
        start = rounded(low) * SCALE
        length = max((rounded(high) + 1) * SCALE - start, 0.1)
        low_high = ((i * length / number + start, i + 1) for i in range(number))
        edges = [
            (math.floor(a), math.ceil(i * length / number + start)) for a, i in low_high
        ]
    return [(min(max(a, 0), size), min(max(b, 0), size)) for a, b in edges]


def expected(kind: str, x: np.ndarray) -> np.ndarray:
    channels, down, across = (12, 2, 3) if kind == "max" else (3, 2, 2)
    out = np.zeros((len(REGIONS), channels, down, across))
    for r, (n, left, top, right, bottom) in enumerate(REGIONS):
        rows = bins(top, bottom, down, 7, kind == "max")
        columns = bins(left, right, across, 9, kind == "max")
        for k, i, j in np.ndindex(channels, down, across):
            c = k if kind == "max" else (k * down + i) * across + j
            seen = x[int(n), c, slice(*rows[i]), slice(*columns[j])]
            if seen.size:
                out[r, k, i, j] = seen.max() if kind == "max" else seen.mean()
    return out


@pytest.mark.smoke
@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ops", both_ops())
def test_bins(kind, dtype, ops):
    x = RNG.normal(size=MAPS) - 3  # below 0: an empty bin is still 0
    trial = Trial(TEXTS[kind], [x, REGIONS], ops=ops, dtype=dtype)
    (y,) = trial.forward()
    np.testing.assert_allclose(y, expected(kind, trial.start[0]), rtol=1e-5)
    assert (y[4] == 0).all()


@pytest.mark.parametrize("kind", TEXTS)
def test_gradient(kind):
    regions = REGIONS.reshape(-1, 5, 1, 1)
    check_layer(Trial(TEXTS[kind], [RNG.normal(size=MAPS), regions]))


@pytest.mark.parametrize("kind", TEXTS)
def test_the_cpus_gradient_is_the_references(kind):
    found = []
    x, dy = RNG.normal(size=MAPS), RNG.normal(size=(7, 12, 2, 3))
    dy = dy if kind == "max" else dy[:, :3, :, :2]
    for ops in both_ops():
        trial = Trial(TEXTS[kind], [x, REGIONS], ops=ops, dtype=np.float32)
        trial.forward()
        found.append(trial.backward([dy])[0])
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", TEXTS)
def test_a_region_of_an_image_that_is_not_there(kind):
    regions = REGIONS.copy()
    regions[3, 0] = 2
    trial = Trial(TEXTS[kind], [MAPS, regions])
    with pytest.raises(DataError) as caught:
        trial.forward()
    assert str(caught.value) == (
        "region 3 is of image 2; the batch has 2 images.\n"
        "  Number images from 0, batch by batch."
    )


@pytest.mark.parametrize("kind", TEXTS)
def test_regions_have_no_gradient_and_couple_the_batch(kind):
    trial = Trial(TEXTS[kind], [MAPS, REGIONS], gradient=(True, True))
    trial.forward()
    with pytest.raises(SpecError, match="no gradient for its regions"):
        trial.backward()
    assert trial.layer.couples_batch(trial.shapes)


@pytest.mark.parametrize(
    ("body", "shapes", "message"),
    [
        (
            TEXTS["max"].replace("pooled_h: 2", ""),
            (MAPS, (7, 5)),
            "pooled_h is missing or 0.\n  Give at least 1.",
        ),
        (
            TEXTS["max"],
            (MAPS[1:], (7, 5)),
            "bottom 0 has shape 12x7x9.\n  It must have four axes: N x C x H x W.",
        ),
        (
            TEXTS["max"],
            (MAPS, (7, 4)),
            "bottom 1 has shape 7x4.\n"
            "  It must have five numbers a row: image, left, top, right, bottom.",
        ),
        (
            TEXTS["mean"].replace("output_dim: 3", ""),
            (MAPS, (7, 5)),
            "output_dim is missing or not above 0.\n  Give a number above 0.",
        ),
        (
            TEXTS["mean"].replace("output_dim: 3", "output_dim: 4"),
            (MAPS, (7, 5)),
            "bottom 0 has shape 2x12x7x9.\n"
            "  It must have 16 channels: output_dim times group_size squared.",
        ),
    ],
)
def test_what_is_refused(body, shapes, message):
    with pytest.raises(SpecError) as caught:
        infer(body, shapes)
    assert str(caught.value) == message
