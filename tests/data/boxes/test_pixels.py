"""Resizing and colours against OpenCV."""

from __future__ import annotations

import numpy as np
import pytest
from google.protobuf import text_format

from netspec.data.boxes.distortion import distort, from_hsv, to_hsv
from netspec.data.boxes.draws import FIXED, Draw
from netspec.data.boxes.scaling import scale
from netspec.proto import DistortionParameter, ResizeParameter

RNG = np.random.default_rng(9)
PICTURE = RNG.integers(0, 256, (37, 53, 3), np.uint8)


@pytest.mark.parametrize("mode", ["LINEAR", "AREA", "NEAREST", "CUBIC", "LANCZOS4"])
@pytest.mark.parametrize("size", [(20, 31), (80, 90), (19, 90), (37, 53), (7, 5)])
def test_resizing_is_opencv_s(mode, size):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not there")
    flag = getattr(cv2, f"INTER_{mode}")
    wanted = cv2.resize(PICTURE, size[::-1], interpolation=flag)
    found = scale(PICTURE, *size, ResizeParameter.Interp_mode.Value(mode))
    away = np.abs(found.astype(int) - wanted)
    # OpenCV rounds weights to 11 bits, and again between the directions.
    assert away.max() <= (0 if mode in ("LINEAR", "NEAREST") else 2)
    assert away.mean() < 0.15


def test_hsv_is_opencv_s():
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not there")
    wanted = cv2.cvtColor(PICTURE, cv2.COLOR_BGR2HSV)
    found = to_hsv(PICTURE)
    assert np.abs(found.astype(int) - wanted).max() <= 1
    assert (found != wanted).mean() < 0.02
    turned = wanted.copy()
    turned[..., 0] = (turned[..., 0].astype(int) + 40).clip(0, 255)
    for hsv in (wanted, turned):
        back = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
        assert np.abs(from_hsv(hsv).astype(int) - back).max() <= 1


def changed(text, **draws):
    draw = [0] * FIXED
    for name, share in draws.items():
        draw[Draw[name]] = int(share * (1 << 32))
    return distort(PICTURE, text_format.Parse(text, DistortionParameter()), draw)


def test_brightness_and_contrast():
    found = changed("brightness_prob: 1 brightness_delta: 32", BRIGHTNESS=0.75)
    np.testing.assert_array_equal(found, (PICTURE + 16.0).clip(0, 255))
    text = "contrast_prob: 1 contrast_lower: 0.5 contrast_upper: 1.5"
    found = changed(text, CONTRAST=0.25)
    np.testing.assert_array_equal(found, np.rint(PICTURE * 0.75))
    np.testing.assert_array_equal(changed(text, CONTRAST=0.5), PICTURE)


def test_saturation_and_hue():
    text = "saturation_prob: 1 saturation_upper: 2"
    grey = changed(text, SATURATION=0)
    assert (grey == grey[..., :1]).all()
    np.testing.assert_array_equal(grey[..., 0], PICTURE.max(axis=2))
    small = np.array([[[0, 0, 200], [0, 200, 0], [200, 0, 0]]], np.uint8)
    param = text_format.Parse("hue_prob: 1 hue_delta: 60", DistortionParameter())
    draw = [0] * FIXED
    draw[Draw.HUE] = (1 << 32) - 1  # 120 degrees on
    turned = distort(small, param, draw)
    np.testing.assert_allclose(turned[0, :2], small[0, 1:], atol=1)


def test_channels_and_chances():
    found = changed("random_order_prob: 1", CHANNELS=0.99)
    np.testing.assert_array_equal(found, PICTURE[:, :, ::-1])
    assert changed("hue_prob: 0.5 hue_delta: 9 brightness_prob: 0.2", IF_HUE=0.6,
                   IF_BRIGHTNESS=0.3) is PICTURE  # fmt: skip


def test_the_order_of_contrast_matters():
    text = (
        "contrast_prob: 1 contrast_lower: 1.5 contrast_upper: 1.5 "
        "hue_prob: 1 hue_delta: 40"
    )
    draw = [0] * FIXED
    param = text_format.Parse(text, DistortionParameter())
    one = distort(PICTURE, param, draw)
    draw[Draw.ORDER] = 1
    assert (one != distort(PICTURE, param, draw)).any()
