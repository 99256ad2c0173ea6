"""netspec's own fields of transform_param, against their formulas written out anew."""

from __future__ import annotations

import math

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from netspec.data.augment import Augment, is_own
from netspec.data.colour import GREY, IMAGENET_AXES, Colours
from netspec.data.draws import Draw, normals
from netspec.data.mean import write_mean
from netspec.data.protocols import Raster
from netspec.data.resampling import taps
from netspec.data.transform import Means, Transform
from netspec.errors import DataError, NetspecError
from netspec.proto import TransformationParameter
from netspec.random import Key
from tests.data.making import pictures, smooth

KEY = Key(5, "in/transform")
PHOTO = np.asarray(smooth(45, 64))[:, :, ::-1].transpose(2, 0, 1)  # BGR


def message(text: str) -> TransformationParameter:
    return text_format.Parse(text, TransformationParameter())


def augment(text: str, root, training: bool = True, key: Key = KEY) -> Augment:
    param = message(text)
    return Augment.of(param, training, key, Means.of(param, root))


def apply(made, images, first: int = 0) -> np.ndarray:
    outs = []
    for image, draw in zip(images, made.draws(first, len(images))):
        raster = Raster.of(image)
        out = np.empty(made.shape(raster.shape), np.float32)
        made.place(raster, draw, out)
        made.finish(out)
        outs.append(out)
    return np.stack(outs)


def rescaled(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pillow's antialiased bilinear in floats, which rounds nothing."""
    planes = [
        Image.fromarray(plane.astype(np.float32)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        for plane in picture
    ]
    return np.stack([np.asarray(plane) for plane in planes])


@pytest.mark.smoke
@pytest.mark.parametrize(
    "text", ["", "crop_size: 9 mirror: true", "mean_value: 3 scale: 0.5 crop_size: 8"]
)
@pytest.mark.parametrize("training", [True, False])
def test_without_own_fields_it_would_be_caffes_bit_for_bit(tmp_path, text, training):
    assert not is_own(message(text))
    images = pictures(7, (3, 12, 15))
    own = augment(text, tmp_path, training)
    np.testing.assert_array_equal(
        apply(own, images),
        apply(Transform.of(message(text), training, KEY, tmp_path), images),
    )
    assert own.view(12, 15, own.draws(3, 1)[0]) == Transform.of(
        message(text), training, KEY, tmp_path
    ).view(12, 15, own.draws(3, 1)[0])


@pytest.mark.parametrize("side", [16, 45, 70])
def test_a_test_crops_the_middle_of_the_rescaled_picture(tmp_path, side):
    made = augment(f"short_side: {side} crop_size: 14 mean_value: 2", tmp_path, False)
    (out,) = apply(made, [PHOTO])
    wide = round(64 * side / 45)
    y, x = (side - 14) // 2, (wide - 14) // 2
    wanted = rescaled(PHOTO, side, wide)[:, y : y + 14, x : x + 14] - 2
    # Sums of up to nine products of single precision below 256.
    np.testing.assert_allclose(out, wanted, atol=1e-3)


@pytest.mark.parametrize("shape", [(45, 64), (64, 45)])
def test_training_crops_the_picture_rescaled_to_a_drawn_side(tmp_path, shape):
    made = augment(
        "short_side_min: 20 short_side_max: 33 crop_size: 17 mirror: true", tmp_path
    )
    photo = pictures(1, (3, *shape))[0]
    sides, places = set(), set()
    for draw in made.draws(100, 60):
        out = np.empty((3, 17, 17), np.float32)
        made.place(Raster.of(photo), draw, out)
        view = made.view(*shape, draw)
        high, wide = (round(s * view.side / 45) for s in shape)
        y, x = (round(view.y * high / shape[0]), round(view.x * wide / shape[1]))
        wanted = rescaled(photo, high, wide)[:, y : y + 17, x : x + 17]
        wanted = wanted[:, :, ::-1] if view.mirror else wanted
        np.testing.assert_allclose(out, wanted, atol=1e-3)
        sides.add(view.side)
        places.add((y, x, view.mirror))
    assert sides == set(range(20, 34))  # each misses with chance (13/14)^60 = 1 %
    assert len(places) > 40


def test_a_test_takes_the_middle_of_the_drawn_sides(tmp_path):
    text = "short_side_min: 20 short_side_max: 33 crop_size: 17"
    np.testing.assert_array_equal(
        apply(augment(text, tmp_path, False), [PHOTO]),
        apply(augment("short_side: 26 crop_size: 17", tmp_path, False), [PHOTO]),
    )


def test_every_side_is_as_likely(tmp_path):
    made = augment("short_side_min: 7 short_side_max: 9 crop_size: 5", tmp_path)
    found = [made.view(12, 12, draw).side for draw in made.draws(0, 6000)]
    # 2,000 each expected; a standard deviation is 37.
    assert all(abs(found.count(s) - 2000) < 180 for s in (7, 8, 9))


def test_without_a_crop_the_picture_is_whole(tmp_path):
    made = augment("short_side: 9", tmp_path)
    assert made.shape((3, 45, 64)) == (3, 9, 13)
    np.testing.assert_allclose(
        apply(made, [PHOTO])[0], rescaled(PHOTO, 9, 13), atol=1e-3
    )


def test_crops_by_area(tmp_path):
    made = augment(
        "area_min: 0.2 area_max: 0.45 aspect_max: 1.5 crop_size: 12", tmp_path
    )
    shares, ratios = [], []
    for draw in made.draws(0, 2000):
        view = made.view(90, 120, draw)
        assert view.y >= 0 <= view.x
        assert view.y + view.height <= 90 + 1e-9
        assert view.x + view.width <= 120 + 1e-9
        shares.append(view.height * view.width / (90 * 120))
        ratios.append(view.width / view.height)
    assert 0.2 - 1e-6 <= min(shares) < 0.21
    assert 0.44 < max(shares) <= 0.45 + 1e-6
    assert 0.6666 <= min(ratios) < 0.68
    assert 1.47 < max(ratios) <= 1.5001
    # Even in the area and in the logarithm of the ratio; their means deviate
    # by 0.0016 and 0.005.
    assert np.mean(shares) == pytest.approx(0.325, abs=0.006)
    assert np.mean(np.log(ratios)) == pytest.approx(0, abs=0.02)


def test_a_crop_by_area_is_the_window_rescaled(tmp_path):
    made = augment("area_min: 0.3 area_max: 0.3 aspect_max: 2 crop_size: 11", tmp_path)
    (draw,) = made.draws(4, 1)
    view = made.view(45, 64, draw)
    out = np.empty((3, 11, 11), np.float32)
    made.place(Raster.of(PHOTO), draw, out)
    box = (view.x, view.y, view.x + view.width, view.y + view.height)
    wanted = [
        np.asarray(
            Image.fromarray(p.astype(np.float32)).resize(
                (11, 11), Image.Resampling.BILINEAR, box
            )
        )
        for p in PHOTO
    ]
    # Pillow sees nothing beyond the box, which shows at its border alone.
    np.testing.assert_allclose(
        out[:, 1:-1, 1:-1], np.stack(wanted)[:, 1:-1, 1:-1], atol=0.01
    )
    test = augment("area_min: 0.3 crop_size: 11", tmp_path, training=False)
    assert test.view(45, 64, draw)[:4] == (0, 9.5, 45, 45)


def plane_of(view, y: float, x: float) -> tuple[float, float]:
    """Where a sampled place is in the picture, turned by hand."""
    down, across = view.step
    low, right = y - view.size.height / 2, x - view.size.width / 2
    if view.mirror:
        right = -right
    sine, cosine = (
        math.sin(math.radians(view.angle)),
        math.cos(math.radians(view.angle)),
    )
    return (
        view.y + view.height / 2 + (low * cosine + right * sine) * down,
        view.x + view.width / 2 + (right * cosine - low * sine) * across,
    )


@pytest.mark.parametrize("scale", ["", "short_side: 60", "short_side: 28"])
def test_rotation_samples_the_turned_window(tmp_path, scale):
    """On a plane that rises evenly, what is sampled is the place itself."""
    y, x = np.mgrid[:90, :120].astype(np.float32) + 0.5
    planes = np.stack([y, x])
    made = augment(f"{scale} crop_size: 20 rotation: 40 mirror: true", tmp_path)
    angles = []
    for draw in made.draws(0, 12):
        out = np.empty((2, 20, 20), np.float32)
        made.place(Raster.of(planes), draw, out)
        view = made.view(90, 120, draw)
        angles.append(view.angle)
        inside = all(8 < b < 112 and 8 < a < 82 for b, a in view.corners)
        for i, j in ((0, 0), (3, 17), (10, 10), (19, 1)):
            wanted = plane_of(view, i + 0.5, j + 0.5)
            if inside:
                # The few pixels under a triangle do not balance exactly.
                np.testing.assert_allclose(out[:, i, j], wanted, atol=0.03)
    assert max(map(abs, angles)) > 25
    assert len({a > 0 for a in angles}) == 2


def test_what_lies_beyond_an_edge_has_its_colour(tmp_path):
    white = np.full((3, 10, 10), 200, np.uint8)
    out = apply(augment("crop_size: 10 rotation: 45", tmp_path), [white] * 4)
    np.testing.assert_allclose(out, 200, atol=1e-3)


@pytest.mark.parametrize("angle", [0, 33])
def test_corners_are_in_the_order_of_the_net(tmp_path, angle):
    made = augment("short_side: 30 crop_size: 20 rotation: 50", tmp_path)
    view = made.view(45, 64, made.draws(0, 1)[0])._replace(angle=angle, mirror=False)
    places = [(0, 0), (0, 20), (20, 20), (20, 0)]
    for (x, y), place in zip(view.corners, places):
        np.testing.assert_allclose((y, x), plane_of(view, *place), atol=1e-9)


def jittered(x: np.ndarray, made: Augment, draw: list[int]) -> np.ndarray:
    """The colour formulas of the schema, one after the other."""
    c, u = made.colours, [w / 2**32 for w in draw]
    x = x.astype(np.float64)
    x = x * (1 + c.brightness * (2 * u[Draw.BRIGHTNESS] - 1))
    f = 1 + c.contrast * (2 * u[Draw.CONTRAST] - 1)
    x = f * x + (1 - f) * np.tensordot(GREY, x, 1).mean()
    f = 1 + c.saturation * (2 * u[Draw.SATURATION] - 1)
    x = f * x + (1 - f) * np.tensordot(GREY, x, 1)
    angle = math.radians(c.hue * (2 * u[Draw.HUE] - 1))
    k = np.ones(3) / math.sqrt(3)  # Rodrigues' formula
    across = np.cross(k, x, axisb=0, axisc=0)
    along = k[:, None, None] * np.tensordot(k, x, 1)
    x = x * math.cos(angle) + across * math.sin(angle) + along * (1 - math.cos(angle))
    normal = normals(draw[Draw.SHIFT : Draw.SHIFT + 4])
    axes = IMAGENET_AXES if c.axes is None else c.axes
    shift = sum(c.shift_std * normal[k] * axes[k] for k in range(3))
    return x + shift[:, None, None]


AXES = " ".join(f"color_shift_axis: {v}" for v in (9, 2, -3, 0, 5, 1, 0.5, -1, 2))


@pytest.mark.parametrize(
    "text",
    [
        "brightness: 0.4",
        "contrast: 0.7",
        "saturation: 0.9",
        "hue: 120",
        "color_shift_std: 0.3",
        f"color_shift_std: 1.5 {AXES}",
        "brightness: 0.3 contrast: 0.5 saturation: 0.6 hue: 50 color_shift_std: 0.1",
    ],
)
def test_colours(tmp_path, text):
    base = "crop_size: 13 mirror: true "
    tail = " mean_value: 104 mean_value: 117 mean_value: 123.5 scale: 0.02"
    images = pictures(5, (3, 20, 17))
    made = augment(base + text + tail, tmp_path)
    found = apply(made, images, first=40)
    plain = apply(augment(base + "color_shift_std: 0", tmp_path), images, first=40)
    for out, x, draw in zip(found, plain, made.draws(40, 5)):
        mean = np.array([104, 117, 123.5])[:, None, None]
        # Single precision at values of some hundreds, times the scale.
        wanted = (jittered(x, made, draw) - mean) * 0.02
        np.testing.assert_allclose(out, wanted, atol=2e-5)
    test = apply(augment(base + text + tail, tmp_path, training=False), images)
    plain = apply(Transform.of(message(base + tail), False, KEY, tmp_path), images)
    np.testing.assert_array_equal(test, plain)


@pytest.mark.parametrize("jitter", ["", "brightness: 0.5"])
def test_a_mean_image_comes_off_where_pixels_stay_pixels(tmp_path, jitter):
    mean = np.random.default_rng(3).random((3, 12, 15), np.float32) * 200
    write_mean(tmp_path / "m", mean)
    text = f"crop_size: 9 mirror: true scale: 0.5 color_shift_std: 0.2 {jitter} "
    images = pictures(4, (3, 12, 15))
    made = augment(text + 'mean_file: "m"', tmp_path)
    without = apply(augment(text, tmp_path), images) / 0.5
    for out, plain, draw in zip(apply(made, images), without, made.draws(0, 4)):
        view = made.view(12, 15, draw)
        y, x = int(view.y), int(view.x)
        part = mean[:, y : y + 9, x : x + 9]
        part = part[:, :, ::-1] if view.mirror else part
        np.testing.assert_allclose(out, (plain - part) * 0.5, atol=1e-4)


def test_imagenets_axes_are_principal_axes():
    """Orthogonal, the longest nearly along grey; published with four digits."""
    product = IMAGENET_AXES @ IMAGENET_AXES.T
    lengths = np.sqrt(np.diag(product))
    np.testing.assert_allclose(lengths, [55.46, 4.794, 1.148], rtol=2e-3)
    np.testing.assert_allclose(
        product / np.outer(lengths, lengths), np.eye(3), atol=1e-3
    )
    assert abs(IMAGENET_AXES[0].sum()) / lengths[0] / math.sqrt(3) > 0.99


def test_shifts_have_the_deviation_asked_for(tmp_path):
    made = augment(f"color_shift_std: 0.1 {AXES}", tmp_path)
    shifts = np.array([made.colours.shift(d) for d in made.draws(0, 4000)])
    axes = made.colours.axes
    np.testing.assert_allclose(
        np.cov(shifts.T), 0.01 * axes.T @ axes, atol=0.05 * 0.01 * 81
    )
    assert np.abs(shifts.mean(0)).max() < 0.1


def test_draws_of_caffes_fields_are_caffes(tmp_path):
    """Adding a colour shift moves no crop."""
    text = "crop_size: 9 mirror: true"
    plain = Transform.of(message(text), True, KEY, tmp_path)
    own = augment(f"{text} color_shift_std: 0.1 rotation: 0", tmp_path)
    for mine, caffes in zip(own.draws(70, 9), plain.draws(70, 9)):
        assert own.view(12, 15, mine) == plain.view(12, 15, caffes)


def test_a_picture_decoded_smaller_is_seen_at_the_same_place(tmp_path):
    """A half and a quarter of a plane that rises evenly show what the whole shows."""
    y, x = np.mgrid[:160, :240].astype(np.float32) + 0.5
    planes = np.stack([y, x])
    made = augment("short_side: 40 crop_size: 30", tmp_path)
    for draw in made.draws(0, 3):
        wanted = np.empty((2, 30, 30), np.float32)
        made.place(Raster.of(planes), draw, wanted)
        assert made.shrink(draw)(160, 240) == 4
        for factor in (2, 4):
            means = planes.reshape(2, 160 // factor, factor, 240 // factor, factor)
            raster = Raster(means.mean((2, 4)), 160, 240, factor)
            out = np.empty((2, 30, 30), np.float32)
            made.place(raster, draw, out)
            np.testing.assert_allclose(
                out[:, 2:-2, 2:-2], wanted[:, 2:-2, 2:-2], atol=1e-2
            )
    assert augment("short_side: 40", tmp_path, training=False).shrink([]) is None


@pytest.mark.parametrize(
    ("text", "field", "problem", "remedy"),
    [
        ("short_side: 0", "short_side", "has short_side 0.",
         "Set it from 1 to 65536 pixels."),
        ("short_side: 8 crop_size: 9", "short_side",
         "has short_side 8, less than crop_size 9.",
         "Set short_side to crop_size or more."),
        ("short_side_min: 8 short_side_max: 20 crop_size: 9", "short_side_min",
         "has short_side_min 8, less than crop_size 9.",
         "Set short_side_min to crop_size or more."),
        ("short_side_min: 8 crop_size: 3", "short_side_min",
         "has short_side_min and no short_side_max.", "Set short_side_max too."),
        ("short_side_min: 8 short_side_max: 9", "short_side_min",
         "has short_side_min and no crop_size.", "Set crop_size too."),
        ("short_side_min: 8 short_side_max: 7 crop_size: 3", "short_side_min",
         "has short_side_min 8 above short_side_max 7.", "Give the lesser first."),
        ("short_side: 8 short_side_min: 8 short_side_max: 9 crop_size: 3",
         "short_side", "has both short_side and short_side_min.", "Keep one."),
        ("area_min: 0.3 short_side: 8 crop_size: 3", "area_min",
         "has both area_min and short_side.", "Keep one."),
        ("area_min: 0 crop_size: 3", "area_min", "has area_min 0.",
         "Set it above 0 and at most 1."),
        ("area_min: 0.5 area_max: 0.25 crop_size: 3", "area_min",
         "has area_min 0.5 above area_max 0.25.", "Give the lesser first."),
        ("area_min: 0.5", "area_min", "has area_min and no crop_size.",
         "Set crop_size too."),
        ("aspect_max: 2", "aspect_max", "has aspect_max and no area_min.",
         "Set area_min too."),
        ("area_min: 0.5 crop_size: 3 aspect_max: 0.5", "aspect_max",
         "has aspect_max 0.5.", "Set it from 1 to 100."),
        ("rotation: -3", "rotation", "has rotation -3.",
         "Set it from 0 to 180 degrees."),
        ("hue: nan", "hue", "has hue nan.", "Set it from 0 to 180 degrees."),
        ("brightness: 1.5", "brightness", "has brightness 1.5.",
         "Set it from 0 to 1."),
        ("color_shift_axis: 1", "color_shift_axis",
         "has color_shift_axis and no color_shift_std.", "Set color_shift_std too."),
        ("color_shift_std: 1 color_shift_axis: 1", "color_shift_axis",
         "has color_shift_axis [1.0].",
         "Give three axes of three numbers: netspec data mean --pca prints them."),
        ('short_side: 8 mean_file: "m"', "mean_file",
         "subtracts a mean image from pictures that are rescaled or turned.",
         "Give mean_value instead: netspec data mean prints it."),
    ],
)  # fmt: skip
def test_errors(tmp_path, text, field, problem, remedy):
    write_mean(tmp_path / "m", np.zeros((3, 4, 5), np.float32))
    with pytest.raises(NetspecError) as raised:
        augment(text, tmp_path)
    error = raised.value
    assert (error.problem, error.remedy) == (problem, remedy)
    assert error.field == f"transform_param.{field}"


@pytest.mark.parametrize(
    ("text", "shape", "problem"),
    [
        ("hue: 3", (1, 9, 9), "has 1 channels, and colours of 3 are to be changed."),
        ("rotation: 3 crop_size: 10", (3, 9, 12), "is 3x9x12, smaller than"),
        ("short_side: 12 mean_value: 1 mean_value: 2", (3, 9, 9), "has 3 channels"),
    ],
)
def test_pictures_that_do_not_fit(tmp_path, text, shape, problem):
    with pytest.raises(DataError, match=problem):
        augment(text, tmp_path).shape(shape)


@given(
    size=st.integers(1, 60),
    origin=st.floats(-80, 80),
    step=st.floats(1e-3, 30),
    count=st.integers(1, 12),
)
@example(size=9, origin=-0.0, step=1.0, count=9)
@example(size=4, origin=0.9999999999999998, step=1.0, count=2)  # a sum is rounded up
def test_weights_are_of_pixels_that_there_are(size, origin, step, count):
    first, weights = taps(size, origin, step, count)
    assert first.min() >= 0
    assert first.max() + len(weights) <= size
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-5)


def test_nothing_is_changed_by_zeros():
    assert not Colours().changes
    assert not Colours(shift_std=0.1).mixes
