from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.layers.base import Window
from netspec.proto import TEST
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, both_ops, check_layer, infer, make_layer

IMAGE = (2, 3, 9, 11)


def text(fields: str) -> str:
    return f'type: "Pooling" pooling_param {{ {fields} }}'


def distinct(shape, seed=2):
    """Values that differ by 0.1 or more: no maximum changes hands at a small step."""
    order = np.random.default_rng(seed).permutation(int(np.prod(shape)))
    return order.reshape(shape) / 10


@pytest.mark.parametrize("lean", [False, True], ids=["observed", "lean"])
@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("Pooling"))
def test_golden(case, device, lean):
    check_layer_case(case, device, lean=lean)


@pytest.mark.smoke
@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize(
    "fields",
    [
        "kernel_size: 2 stride: 2",
        "kernel_size: 3 stride: 2 pad: 1",
        "kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3 pad_h: 2 pad_w: 0",
        "kernel_size: 3 stride: 2 round_mode: FLOOR",
        "global_pooling: true",
    ],
)
def test_gradients(fields, pool):
    image = distinct((2, 2, 5, 7))
    check_layer(Trial(text(f"pool: {pool} {fields}"), [image]))


SHAPES = [
    ("kernel_size: 2 stride: 2", (5, 6)),
    ("kernel_size: 2 stride: 2 round_mode: FLOOR", (4, 5)),
    ("kernel_size: 3 stride: 2 pad: 1", (5, 6)),
    ("kernel_h: 3 kernel_w: 4 stride_h: 1 stride_w: 3 pad_h: 1 pad_w: 1", (9, 4)),
    ("kernel_size: 4", (6, 8)),
    ("global_pooling: true", (1, 1)),
    # Padding of H alone makes Caffe drop the last window of W as well: it would begin
    # at 12, behind the image.
    ("kernel_h: 2 kernel_w: 1 stride_h: 2 stride_w: 4 pad_h: 1 pad_w: 0", (5, 3)),
    ("kernel_h: 2 kernel_w: 1 stride_h: 2 stride_w: 4", (5, 4)),
    ("kernel_size: 12 stride: 4", (1, 1)),
]


@pytest.mark.parametrize(("fields", "output"), SHAPES)
def test_shapes(fields, output):
    shape = (2, 3, 9, 11) if "stride_w: 4" not in fields else (2, 3, 9, 10)
    assert infer(text(fields), (shape,)) == ((2, 3, *output),)


def test_the_mask_is_where_each_maximum_lies():
    image = distinct((2, 3, 7, 9))
    trial = Trial(text("kernel_size: 3 stride: 2 pad: 1"), [image], tops=2)
    top, mask = trial.forward()
    flat = image.reshape(2, 3, -1)
    found = np.take_along_axis(flat, mask.reshape(2, 3, -1).astype(int), axis=2)
    np.testing.assert_array_equal(found, top.reshape(2, 3, -1))


@pytest.mark.parametrize("ops", both_ops())
def test_the_mask_needs_no_training(ops):
    layer = make_layer(text("kernel_size: 2 stride: 2"), tops=2, phase=TEST)
    assert not layer.scratch((IMAGE,), False)["index"].training
    layer = make_layer(text("kernel_size: 2 stride: 2"), phase=TEST)
    assert layer.scratch((IMAGE,), False)["index"].training
    trial = Trial(text("kernel_size: 2 stride: 2"), [IMAGE], ops=ops, dtype=np.float32)
    expected = trial.forward()[0].copy()
    trial.run.scratch.clear()
    np.testing.assert_array_equal(trial.forward()[0], expected)


def test_places_of_a_large_window_need_more_than_a_byte():
    layer = make_layer(text("global_pooling: true"))
    assert layer.scratch(((1, 1, 15, 17),), False)["index"].dtype == "uint8"
    assert layer.scratch(((1, 1, 16, 16),), False)["index"].dtype == "int32"
    check_layer(Trial(text("global_pooling: true"), [distinct((2, 2, 17, 16))]))


def test_an_average_needs_no_scratch():
    layer = make_layer(text("pool: AVE kernel_size: 2"))
    assert layer.scratch((IMAGE,), False) == {}


def test_receptive_window():
    layer = make_layer(text("kernel_h: 3 kernel_w: 2 stride: 2 pad: 1"))
    assert layer.receptive((IMAGE,)) == Window((3, 2), (2, 2), (1, 1), (1, 1))
    layer = make_layer(text("global_pooling: true"))
    assert layer.receptive((IMAGE,)) == Window((9, 11), (1, 1), (0, 0), (1, 1))


KERNEL = "Give either kernel_size, or both kernel_h and kernel_w."
ERRORS = [
    ("", "", "no kernel size is given.\n"
     "  Give kernel_size, or kernel_h and kernel_w, or global_pooling."),
    ("kernel_h: 3", ".kernel_h", f"kernel_h is given.\n  {KERNEL}"),
    ("kernel_size: 2 kernel_h: 3 kernel_w: 3", ".kernel_h",
     f"kernel_size and kernel_h and kernel_w are given.\n  {KERNEL}"),
    ("kernel_size: 2 pad_w: 1", ".pad_w",
     "pad_w is given.\n  Give either pad, or both pad_h and pad_w."),
    ("kernel_size: 2 stride: 2 stride_h: 1", ".stride_h",
     "stride and stride_h are given.\n"
     "  Give either stride, or both stride_h and stride_w."),
    ("kernel_h: 0 kernel_w: 2", ".kernel_size",
     "kernel_size is 0x2.\n  It must be at least 1."),
    ("kernel_size: 2 stride_h: 1 stride_w: 0", ".stride",
     "stride is 1x0.\n  It must be at least 1."),
    ("kernel_h: 3 kernel_w: 2 pad: 2", ".pad",
     "pad 2x2 is not smaller than the kernel, 3x2.\n"
     "  A window must not lie in the padding alone: choose a smaller pad."),
    ("global_pooling: true kernel_size: 2", ".kernel_size",
     "global_pooling takes the whole image, and kernel_size is given too.\n"
     "  Leave out kernel_size or global_pooling."),
    ("global_pooling: true pad: 1", ".pad",
     "global_pooling with pad 1x1.\n  global_pooling allows pad 0 only."),
    ("global_pooling: true stride: 2", ".stride",
     "global_pooling with stride 2x2.\n  global_pooling allows stride 1 only."),
    ("pool: STOCHASTIC kernel_size: 2 pad: 1", ".pad",
     "pad 1x1 with pool STOCHASTIC.\n  Only MAX and AVE pooling pad."),
    ("kernel_size: 14", "",
     "kernel 14x14 does not fit the bottom, 9x11 with pad 0x0.\n"
     "  Choose a smaller kernel, or global_pooling."),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "field", "message"), ERRORS)
def test_errors(fields, field, message):
    with pytest.raises(SpecError) as caught:
        infer(text(fields), (IMAGE,))
    assert str(caught.value) == message
    assert caught.value.field == f"pooling_param{field}"


def test_only_images_are_pooled():
    with pytest.raises(SpecError) as caught:
        infer(text("kernel_size: 2"), ((4, 5, 6),))
    assert str(caught.value) == (
        "bottom has shape 4x5x6.\n  Pooling takes four axes: N x C x H x W."
    )


def test_only_maxima_have_a_mask():
    with pytest.raises(SpecError) as caught:
        infer(text("pool: AVE kernel_size: 2"), (IMAGE,), tops=2)
    assert str(caught.value) == (
        "has 2 tops, and pool is not MAX.\n"
        "  Only MAX pooling has a second top, the mask."
    )
