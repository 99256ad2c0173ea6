"""Operations on feature maps: interpolation, pooling of regions, boxes of detectors."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.backends.base import AxisSplit, BoxRule, Interpolation

RNG = np.random.default_rng(61)


def draw(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("start", "size", "output"),
    [
        (0, (5, 7), (11, 16)),
        (1, (5, 4), (3, 9)),
        (0, (6, 5), (1, 1)),
        (0, (1, 1), (3, 4)),
        (2, (3, 6), (3, 6)),
        (0, (19, 23), (4, 3)),
    ],
)
def test_interpolation(start, size, output, machine):
    planes = 3, size[0] + 2 * start, size[1] + 2 * start
    x, dy = draw(*planes), draw(3, *output)
    g = Interpolation(start, size, output)

    def call(ops):
        y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
        ops.interpolate(x, y, g)
        ops.interpolate_backward(dy, dx, g)
        return y, dx

    machine.agree(call, 2e-6)


# Image, left, top, right, bottom: some beyond the map, some of no area, halves.
REGIONS = np.array(
    [
        [0, 0, 0, 30, 22],
        [1, 4.5, 2.5, 20.5, 17],
        [1, -9, -9, 3, 60],
        [0, 12, 12, 12, 12],
        [1, 90, 90, 99, 99],
        [1, 4.5, 2.5, 20.5, 17],
    ],
    np.float32,
)


@pytest.mark.parametrize("scale", [0.25, 1 / 3])
def test_region_max(scale, machine):
    x, dy = np.round(draw(2, 3, 8, 9), 1), draw(len(REGIONS), 3, 2, 3)

    def call(ops):
        y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
        index = np.full(dy.shape, 9, np.int32)
        ops.region_max(x, REGIONS, y, index, scale)
        ops.region_max_backward(dy, REGIONS, index, dx)
        return y, index, dx

    machine.agree(call)


@pytest.mark.parametrize("scale", [0.25, 1 / 3])
def test_region_mean(scale, machine):
    bins, outputs = 2, 3
    x, dy = draw(2, outputs * bins**2, 8, 9), draw(len(REGIONS), outputs, bins, bins)

    def call(ops):
        y, dx = np.full_like(dy, np.nan), np.full_like(x, np.nan)
        ops.region_mean(x, REGIONS, y, scale)
        ops.region_mean_backward(dy, REGIONS, dx, scale)
        return y, dx

    machine.agree(call)


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("code", ["CORNER", "CENTER_SIZE", "CORNER_SIZE"])
def test_decoded_boxes(code, encoded, machine):
    given, priors = draw(2, 5, 3, 4), RNG.random((2, 5, 4)).astype(np.float32)
    rule = BoxRule(code, encoded, 0.1, -1, 0.5, 1.0)

    def call(ops):
        boxes = np.empty((2, 3, 5, 4), np.float32)
        ops.decode_boxes(given, priors, boxes, rule)
        return [boxes]

    machine.agree(call)


def test_suppression(machine):
    low = RNG.uniform(0, 0.6, (40, 2))
    boxes = np.concatenate([low, low + 0.3], axis=1).astype(np.float32)
    scores = RNG.random(40).astype(np.float32)
    rule = BoxRule("CORNER", False, 0.1, 30, 0.4, 0.9)
    (kept,) = machine.agree(lambda ops: [ops.suppress(boxes, scores, rule)])
    assert 1 < len(kept) < 30


@pytest.mark.parametrize("logistic", [False, True])
@pytest.mark.parametrize(
    "axis", [AxisSplit(7, 5, 1), AxisSplit(2, 4, 3), AxisSplit(2, 1100, 1)], ids=str
)
def test_losses_of_places(axis, logistic, machine):
    x = 3 * draw(axis.outer, axis.size, axis.inner)
    labels = RNG.integers(0, axis.size + logistic, (axis.outer, axis.inner))
    x[1, 0] = np.nan

    def call(ops):
        losses = np.full(labels.shape, np.nan, np.float32)
        ops.class_losses(x, labels.astype(np.float32), losses, axis, logistic)
        return [losses]

    machine.agree(call, 2e-6)
