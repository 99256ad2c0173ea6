"""AnnotatedData: pictures, boxes, what is done to both, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image

from netspec.data.boxes.draws import FIXED, Draw
from netspec.data.boxes.objects import Objects
from netspec.data.boxes.transform import BoxTransform
from netspec.data.feed import Feed
from netspec.data.prefetch import Prefetcher
from netspec.errors import DataError, SpecError
from netspec.proto import (
    TEST,
    TRAIN,
    AnnotatedDataParameter,
    AnnotatedDatum,
    Datum,
    TransformationParameter,
)
from netspec.random import Key
from tests.data.boxes.making import annotated, annotated_lmdb, rectangles
from tests.data.making import data_layer, layer, write_lmdb

RNG = np.random.default_rng(4)
BOXES = [
    (2, (0.1, 0.2, 0.5, 0.9), 5, 0),
    (2, (0.6, 0.1, 0.8, 0.3), 6, 1),
    (4, (0.3, 0.3, 0.4, 0.5), 0, 0),
]


def picture(height=12, width=20, channels=3):
    return RNG.integers(0, 256, (height, width, channels), np.uint8)


def feed(path, transform="", data="", more="", phase=TRAIN, **options):
    return Feed(layer(
        f'type: "AnnotatedData" top: "data" top: "label" data_param {{ '
        f'source: "{path}" backend: LMDB batch_size: 3 {data} }} '
        f"transform_param {{ {transform} }} "
        f"annotated_data_param {{ {more} }}"
    ), phase, **options)  # fmt: skip


def test_pictures_and_rows(tmp_path):
    pictures = [picture() for _ in range(3)]
    things = [BOXES, [], BOXES[1:]]
    path = annotated_lmdb(tmp_path / "db", list(map(annotated, pictures, things)))
    data, rows = feed(path, "mean_value: 7 scale: 0.5", phase=TEST).read(0, 3)
    for found, wanted in zip(data, pictures):
        np.testing.assert_array_equal(found, (wanted.transpose(2, 0, 1) - 7.0) * 0.5)
    assert rows.shape == (3, 1, 3, 8)
    for image, own in enumerate(things):
        wanted = np.full((3, 8), -1.0)
        for i, (label, box, instance, difficult) in enumerate(own):
            wanted[i] = [image, label, instance, *box, difficult]
        np.testing.assert_allclose(rows[image, 0], wanted, rtol=1e-6)


def test_a_picture_may_be_a_file(tmp_path):
    pixels = picture()
    out = io.BytesIO()
    Image.fromarray(pixels[:, :, ::-1]).save(out, "PNG")
    record = annotated(pixels, BOXES, out.getvalue())
    data, _ = feed(annotated_lmdb(tmp_path / "db", [record]), phase=TEST).read(0, 1)
    np.testing.assert_array_equal(data[0], pixels.transpose(2, 0, 1))


def test_records_without_boxes_give_their_label(tmp_path):
    records = []
    for label in (3, 8, 1):
        record = AnnotatedDatum.FromString(annotated(picture(), []))
        record.ClearField("type")
        record.datum.label = label
        records.append(record.SerializeToString())
    _, labels = feed(annotated_lmdb(tmp_path / "db", records)).read(0, 3)
    assert labels.tolist() == [3, 8, 1]


TRANSFORM = """
  mirror: true mean_value: 104 mean_value: 117 mean_value: 123
  resize_param {
    prob: 1 resize_mode: WARP height: 24 width: 16
    interp_mode: LINEAR interp_mode: AREA interp_mode: NEAREST interp_mode: CUBIC
    interp_mode: LANCZOS4
  }
  emit_constraint { emit_type: CENTER }
  distort_param {
    brightness_prob: 0.5 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5
    contrast_upper: 1.5 hue_prob: 0.5 hue_delta: 18 saturation_prob: 0.5
    saturation_lower: 0.5 saturation_upper: 1.5 random_order_prob: 0.3
  }
  expand_param { prob: 0.5 max_expand_ratio: 4 }
"""
SAMPLERS = """
  batch_sampler { max_sample: 1 max_trials: 1 }
  batch_sampler {
    sampler {
      min_scale: 0.3 max_scale: 1 min_aspect_ratio: 0.5 max_aspect_ratio: 2
    }
    sample_constraint { min_jaccard_overlap: 0.4 } max_sample: 1 max_trials: 50
  }
"""


def test_the_paper_s_augmentation_is_a_function_of_the_sample(tmp_path):
    made = rectangles(9, 40, seed=3)
    path = annotated_lmdb(tmp_path / "db", [annotated(p, t) for p, t in made])
    stream = feed(path, TRANSFORM, "shuffle: true", SAMPLERS, seed=8)
    assert stream.shapes() == ((3, 3, 24, 16), (3, 1, 2, 8))
    data, rows = stream.read(0, 36)
    for first, count in ((5, 1), (30, 6)):
        some = stream.read(first, count)
        np.testing.assert_array_equal(some[0], data[first : first + count])
        np.testing.assert_array_equal(some[1], rows[first : first + count])
    with Prefetcher(stream, [(0, 12), (12, 24)], workers=3) as ahead:
        for (whole, boxes), start in zip(ahead, (0, 12)):
            np.testing.assert_array_equal(whole, data[start : start + len(whole)])
            np.testing.assert_array_equal(boxes, rows[start : start + len(boxes)])
    _check_boxes_hold_their_colour(data, rows)


def _check_boxes_hold_their_colour(data, rows):
    """What a box holds is brighter than the rest, however it was moved."""
    inside, outside = [], []
    for picture, own in zip(data, rows[:, 0]):
        brightness = picture.max(axis=0) + 123
        mask = np.zeros(brightness.shape, bool)
        for row in own[own[:, 0] >= 0]:
            left, top, right, bottom = row[3:7] * [16, 24, 16, 24]
            low = np.floor([top, left]).astype(int)
            high = np.ceil([bottom, right]).astype(int)
            mask[low[0] : high[0], low[1] : high[1]] = True
            x, y = int((left + right) / 2), int((top + bottom) / 2)
            inside.append(brightness[min(y, 23), min(x, 15)])
        outside.append(np.median(brightness[~mask]) if (~mask).any() else 0)
    assert len(inside) > 20
    assert np.median(inside) > np.median(outside) + 60


def transform(text, more="", training=True):
    param = text_format.Parse(text, TransformationParameter())
    data = text_format.Parse(more, AnnotatedDataParameter())
    return BoxTransform.of(param, data, training, Key(5, "t"), None)


def objects(*boxes):
    table = np.array(boxes, np.float32).reshape(-1, 4)
    return Objects(table, np.zeros((len(table), 3), np.float32))


def placed(made, pixels, boxes, draw=None):
    height, width, channels = pixels.shape
    out = np.empty(made.shape((channels, height, width)), np.float32)
    draw = draw or [0] * (FIXED + made.samplers.words)
    return out, made.place(pixels, boxes, draw, out)


def test_mirrored():
    pixels, draw = picture(), [0] * FIXED
    draw[Draw.MIRROR] = 1
    out, seen = placed(
        transform("mirror: true"), pixels, objects((0.1, 0.2, 0.4, 0.7)), draw
    )
    np.testing.assert_array_equal(out, pixels.transpose(2, 0, 1)[:, :, ::-1])
    np.testing.assert_allclose(seen.boxes, [(0.6, 0.2, 0.9, 0.7)], rtol=1e-6)


def test_cropped_in_the_middle():
    """6 x 10 of 12 x 20 from (3, 5): half of each side, a quarter of it left out."""
    pixels = picture()
    made = transform("crop_h: 6 crop_w: 10", training=False)
    boxes = objects((0.2, 0.3, 0.5, 0.6), (0, 0, 0.2, 0.2), (0.7, 0.5, 0.95, 0.7))
    out, seen = placed(made, pixels, boxes)
    np.testing.assert_array_equal(out, pixels[3:9, 5:15].transpose(2, 0, 1))
    np.testing.assert_allclose(
        seen.boxes, [(0, 0.1, 0.5, 0.7), (0.9, 0.5, 1, 0.9)], atol=1e-6
    )


@pytest.mark.parametrize(("emit", "stay"), [
    ("", [True, True, True]),
    ("emit_constraint { emit_type: CENTER }", [True, True, False]),
    ("emit_constraint { emit_type: MIN_OVERLAP emit_overlap: 0.7 }",
     [True, False, False]),
])  # fmt: skip
def test_boxes_that_stay(emit, stay):
    """Of these boxes 1, 0.6 and 0.2 are within the crop."""
    boxes = [(0.3, 0.3, 0.5, 0.5), (0.15, 0.3, 0.4, 0.5), (0.05, 0.3, 0.3, 0.5)]
    made = transform(f"crop_h: 6 crop_w: 10 {emit}", training=False)
    _, seen = placed(made, picture(), objects(*boxes))
    assert len(seen) == sum(stay)


def test_on_a_canvas():
    """12 x 20 on 30 x 50, at (4, 25)."""
    pixels, draw = picture(), [0] * FIXED
    made = transform(
        "expand_param { max_expand_ratio: 4 } mean_value: 90 mean_value: 60 "
        "mean_value: 30 resize_param { height: 30 width: 50 }"
    )
    draw[Draw.CANVAS] = (1 << 31) + 5
    draw[Draw.CANVAS_Y] = (1 << 32) // 18 * 4 + 1000
    draw[Draw.CANVAS_X] = (1 << 32) // 30 * 25 + 1000
    out, seen = placed(made, pixels, objects((0.25, 0.5, 0.75, 1)), draw)
    canvas = np.empty((30, 50, 3))
    canvas[...] = 90, 60, 30
    canvas[4:16, 25:45] = pixels
    np.testing.assert_array_equal(out, (canvas - [90, 60, 30]).transpose(2, 0, 1))
    np.testing.assert_allclose(
        seen.boxes, [(30 / 50, 10 / 30, 40 / 50, 16 / 30)], rtol=1e-6
    )


def test_a_part_is_cut_out():
    """Of a picture whose pixels say where they are, half of each side."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(60) * 4, np.arange(40)[:, None] * 6
    more = (
        "batch_sampler { sampler { min_scale: 0.5 max_scale: 0.5 } "
        "sample_constraint { min_object_coverage: 1 } max_sample: 1 max_trials: 200 }"
    )
    made = transform("resize_param { height: 20 width: 30 interp_mode: NEAREST }", more)
    box, starts = objects((0.4, 0.4, 0.6, 0.6)), set()
    for draw in made.draws(0, 20):
        out, seen = placed(made, pixels, box, draw)
        left, top, right, bottom = seen.boxes[0]
        assert (right - left, bottom - top) == pytest.approx((0.4, 0.4), rel=1e-5)
        x, y = 60 * (0.4 - left / 2), 40 * (0.4 - top / 2)  # where the part begins
        # The part is cut in whole pixels, and may be one smaller for it.
        np.testing.assert_allclose(out[0, 3] / 4, x + np.arange(30), atol=2)
        np.testing.assert_allclose(out[1, :, 3] / 6, y + np.arange(20), atol=2)
        starts.add((round(x), round(y)))
    assert len(starts) > 10


@pytest.mark.parametrize(("aspect", "pixels", "box"), [
    ((10, 40), (slice(8, 16), slice(0, 32)), (0.25, 1 / 3 + 0.5 / 3, 0.5, 2 / 3)),
    ((48, 24), (slice(0, 24), slice(10, 22)), (10 / 32 + 0.25 * 12 / 32, 0.5, 0.5, 1)),
])  # fmt: skip
def test_fitted_and_padded(aspect, pixels, box):
    """4 : 1 into 24 x 32 fills 8 rows; 1 : 2 fills 12 columns."""
    made = transform(
        "resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD height: 24 width: 32 "
        "pad_value: 9 pad_value: 8 pad_value: 7 }"
    )
    image = np.full((*aspect, 3), 200, np.uint8)
    out, seen = placed(made, image, objects((0.25, 0.5, 0.5, 1)))
    assert (out[(slice(None), *pixels)] == 200).all()
    out[(slice(None), *pixels)] = np.array([9, 8, 7])[:, None, None]
    assert (out == np.array([9, 8, 7])[:, None, None]).all()
    np.testing.assert_allclose(seen.boxes[0], box, rtol=1e-5)


def test_the_least_that_covers_is_cropped():
    made = transform(
        "resize_param { resize_mode: FIT_SMALL_SIZE height: 20 width: 30 } "
        "crop_h: 20 crop_w: 30",
        training=False,
    )
    assert made.shape((3, 40, 120)) == (3, 20, 30)
    _, seen = placed(made, picture(40, 120), objects((0.25, 0, 0.75, 1)))
    np.testing.assert_allclose(seen.boxes, [(0, 0, 1, 1)])
    _, seen = placed(made, picture(40, 120), objects((0.5, 0.5, 0.625, 1)))
    np.testing.assert_allclose(seen.boxes, [(0.5, 0.5, 0.75, 1)])


def test_a_database_of_datums_is_refused(tmp_path):
    value = Datum(channels=1, height=1, width=2, data=b"ab").SerializeToString()
    path = write_lmdb(tmp_path / "db", [(b"a", value)])
    with pytest.raises(DataError, match=r"record 'a' of .* is not an AnnotatedDatum"):
        feed(path)


@pytest.mark.parametrize(("text", "more", "message"), [
    ("resize_param { height: 3 }", "", "resizes to 3 x 0."),
    ("resize_param { height: 3 width: 4 resize_mode: FIT_SMALL_SIZE }", "",
     "gives pictures of many forms many sizes."),
    ("crop_size: 4 crop_h: 3", "", "has crop_size beside crop_h and crop_w."),
    ("crop_h: 3", "", "has crop_h 3 and crop_w 0."),
    ("distort_param { hue_delta: -3 }", "", "hue_delta is -3."),
    ("distort_param { contrast_lower: 2 contrast_upper: 1 }", "", "contrast from 2"),
    ("expand_param { max_expand_ratio: 0.5 }", "", "max_expand_ratio is 0.5."),
    ("expand_param { } mean_file: 'm'", "", "puts pictures on a canvas"),
    ("short_side: 3", "", "does not know netspec's own transformation."),
    ("force_color: true force_gray: true", "", "has both force_color and force_gray."),
    ("", "batch_sampler { sampler { min_scale: 0 } }", "scales from 0 to 1."),
    ("", "batch_sampler { sampler { max_scale: 1.5 } }", "scales from 1 to 1.5."),
    ("", "batch_sampler { sampler { min_aspect_ratio: 2 } }", "aspect ratios from 2"),
    ("", "batch_sampler { max_trials: 100000 }", "max_trials is 100000."),
])  # fmt: skip
def test_refusals(text, more, message):
    with pytest.raises(SpecError) as refused:
        transform(text, more)
    assert message in refused.value.problem
    assert refused.value.remedy
    assert refused.value.field


@pytest.mark.parametrize(("records", "text", "message"), [
    ([picture(), picture(13)], "", "comes to 3x13x20, where the batch has 3x12x20."),
    ([picture()], "crop_size: 14", "is 3x12x20 before a crop of 14x14."),
    ([picture(channels=1)], "distort_param { hue_prob: 1 }",
     "has 1 channels, and colours are to be changed."),
])  # fmt: skip
def test_pictures_that_do_not_fit(tmp_path, records, text, message):
    path = annotated_lmdb(tmp_path / "db", [annotated(r, BOXES) for r in records])
    with pytest.raises(DataError, match="record '0000000") as refused:
        feed(path, text, phase=TEST).read(0, len(records))
    assert message in refused.value.problem


@pytest.mark.parametrize("damage", ["box", "cut", "noise"])
def test_damaged_records_are_named(tmp_path, damage):
    sound = annotated(picture(), BOXES)
    if damage == "box":
        bad = annotated(picture(), [(1, (0.1, float("nan"), 0.5, 0.6), 0, 0)])
    else:
        bad = (
            sound[:-5] if damage == "cut" else bytes(RNG.integers(0, 256, 40, np.uint8))
        )
    path = annotated_lmdb(tmp_path / "db", [sound, bad])
    with pytest.raises(DataError, match="record '00000001'"):
        feed(path, phase=TEST).read(0, 2)


def test_a_data_layer_does_not_read_records_with_boxes(tmp_path):
    path = annotated_lmdb(tmp_path / "db", [annotated(picture(), BOXES)])
    with pytest.raises(DataError, match="holds no picture") as refused:
        Feed(data_layer(path, 1))
    assert "AnnotatedData" in refused.value.remedy
