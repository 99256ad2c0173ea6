from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.layers.harness import Trial, infer

SHAPES = ((2, 5, 2, 3), (2, 3, 40, 90))


def text(param: str) -> str:
    return f'type: "PriorBox" prior_box_param {{ {param} }}'


def boxes(param: str, shapes=SHAPES) -> tuple[np.ndarray, np.ndarray]:
    """Corners in pixels, (H, W, boxes, 4), and variances."""
    top = Trial(text(param), shapes).forward()[0]
    found, variances = top.reshape(2, *shapes[0][2:], -1, 4)
    return found, variances


def centered(x: float, y: float, width: float, height: float) -> list[float]:
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


@pytest.mark.smoke
def test_boxes_of_one_place_in_order():
    found, variances = boxes(
        "min_size: 8 min_size: 16 max_size: 18 max_size: 25 aspect_ratio: 2 "
        "aspect_ratio: 1.0000001 aspect_ratio: 2.0000001 variance: 0.1 variance: 0.2 "
        "variance: 0.3 variance: 0.4 offset: 0.25"
    )
    step_x, step_y = 90 / 3, 40 / 2
    x, y = (2 + 0.25) * step_x, (1 + 0.25) * step_y
    sides = []
    for low, high in ((8, 18), (16, 25)):
        root = math.sqrt(low * high)
        sides += [(low, low), (root, root)]
        sides += [(low * math.sqrt(r), low / math.sqrt(r)) for r in (2, 0.5)]
    pixels = found[1, 2] * [90, 40, 90, 40]
    np.testing.assert_allclose(pixels, [centered(x, y, *s) for s in sides], rtol=1e-6)
    np.testing.assert_allclose(variances[1, 2], [[0.1, 0.2, 0.3, 0.4]] * 8, rtol=1e-6)


@pytest.mark.parametrize(
    ("param", "first"),
    [
        ("", centered(15 / 90, 10 / 40, 6 / 90, 6 / 40)),
        ("step: 12", centered(6 / 90, 6 / 40, 6 / 90, 6 / 40)),
        ("step_h: 12 step_w: 20", centered(10 / 90, 6 / 40, 6 / 90, 6 / 40)),
        ("img_size: 60", centered(10 / 60, 15 / 60, 6 / 60, 6 / 60)),
        ("img_h: 60 img_w: 30", centered(5 / 30, 15 / 60, 6 / 30, 6 / 60)),
    ],
)
def test_the_image_and_the_steps(param, first):
    found, variances = boxes(f"min_size: 6.9 {param}")  # a size is cut to whole pixels
    np.testing.assert_allclose(found[0, 0, 0], first, rtol=1e-6)
    np.testing.assert_allclose(variances, 0.1)


def test_ratios_without_their_inverse_and_clipped_boxes():
    found, _ = boxes("min_size: 60 aspect_ratio: 3 flip: false clip: true")
    assert found.shape == (2, 3, 2, 4)
    assert (found.min(), found.max()) == (0, 1)
    width = found[0, 1, 1, 2] - found[0, 1, 1, 0]
    assert width == pytest.approx(1)  # 60 · √3 pixels are more than the image has


def test_the_bottoms_have_no_say_in_the_gradient():
    trial = Trial(text("min_size: 8"), SHAPES)
    trial.forward()
    for diff in trial.backward():
        np.testing.assert_array_equal(diff, 0)


@pytest.mark.parametrize(
    ("param", "message", "field"),
    [
        (
            "",
            "min_size is missing or not above 0.\n"
            "  Give one side in pixels or several.",
            "min_size",
        ),
        (
            "min_size: 3 min_size: 9 max_size: 5",
            "max_size is given 1 times and min_size 2 times.\n"
            "  Give a max_size for each min_size, or none.",
            "max_size",
        ),
        (
            "min_size: 3 min_size: 9 max_size: 5 max_size: 9",
            "max_size 9 is not above its min_size, 9.\n  Choose a larger one.",
            "max_size.1",
        ),
        (
            "min_size: 3 variance: 0.5 variance: 0.25",
            "variance is 0.5, 0.25.\n"
            "  Give one number above 0, or four, or none for 0.1.",
            "variance",
        ),
        (
            "min_size: 3 step: 8 step_w: 8",
            "step_w is given beside step, or without its other half.\n"
            "  Give step, or step_h and step_w.",
            "step_w",
        ),
        (
            "min_size: 3 img_h: 8",
            "img_h is given beside img_size, or without its other half.\n"
            "  Give img_size, or img_h and img_w.",
            "img_h",
        ),
        (
            "min_size: 3 step: 0",
            "step is 0.\n  Give a number of pixels above 0.",
            "step",
        ),
    ],
)
def test_what_is_refused(param, message, field):
    with pytest.raises(SpecError) as caught:
        infer(text(param), SHAPES)
    assert str(caught.value) == message
    assert caught.value.field == f"prior_box_param.{field}"


def test_bottoms_that_are_no_images_are_refused():
    with pytest.raises(SpecError, match="bottom 1 has shape 2x3"):
        infer(text("min_size: 3"), (SHAPES[0], (2, 3)))
