from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError, SpecError
from netspec.net import Net
from netspec.spec import parse_net
from tests.layers.harness import Trial, both_ops, check_layer, infer

SHAPE = (2, 3, 4, 5)


def text(param: str = "") -> str:
    return f'type: "Upsample" upsample_param {{ {param} }}'


@pytest.mark.smoke
@pytest.mark.parametrize(("param", "scale"), [("scale: 3", 3), ("", 1)])
@pytest.mark.parametrize("ops", both_ops())
def test_pixels_repeat(param, scale, ops):
    trial = Trial(text(param), [SHAPE], ops=ops)
    (y,), x = trial.forward(), trial.start[0]
    np.testing.assert_array_equal(y, x.repeat(scale, axis=2).repeat(scale, axis=3))
    check_layer(trial)


def mask(places: int) -> np.ndarray:
    """Different places for the values of each plane."""
    rng = np.random.default_rng(3)
    rows = [rng.permutation(places)[:20] for _ in range(6)]
    return np.array(rows, float).reshape(SHAPE)


SIZES = {
    "": (8, 10),
    "scale: 3": (12, 15),
    "scale_h: 2 scale_w: 4": (8, 20),
    "scale: 2 pad_out_h: true": (7, 10),
    "pad_out_w: true": (8, 9),
    "upsample_h: 9 upsample_w: 11 scale: 7": (9, 11),
}


@pytest.mark.smoke
@pytest.mark.parametrize("param", SIZES)
@pytest.mark.parametrize("ops", both_ops())
def test_values_go_to_their_places(param, ops):
    height, width = SIZES[param]
    where = mask(height * width)
    trial = Trial(text(param), [SHAPE, where], ops=ops)
    (y,), x = trial.forward(), trial.start[0]
    expected = np.zeros((2, 3, height, width))
    for n, c, h, w in np.ndindex(SHAPE):
        expected[(n, c, *divmod(int(where[n, c, h, w]), width))] = x[n, c, h, w]
    np.testing.assert_array_equal(y, expected)
    check_layer(trial)
    assert trial.bottom_diff[1] is None


def test_behind_a_pooling_the_maxima_come_back():
    net = Net(
        parse_net("""
layer { name: "x" type: "Input" top: "x" input_param { shape {
  dim: 1 dim: 2 dim: 7 dim: 9 } } }
layer { name: "p" type: "Pooling" bottom: "x" top: "p" top: "m"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "u" type: "Upsample" bottom: "p" bottom: "m" top: "u"
  upsample_param { upsample_h: 7 upsample_w: 9 } }""")
    )
    x = np.random.default_rng(2).normal(size=(1, 2, 7, 9)).astype(np.float32)
    y = net.forward(x=x)["u"]
    kept = y != 0
    np.testing.assert_array_equal(y[kept], x[kept])
    assert kept.sum() == 2 * 4 * 5


def test_a_place_that_is_not_there():
    where = np.zeros(SHAPE)
    where[1, 0, 2, 3] = 80
    trial = Trial(text(), [SHAPE, where])
    with pytest.raises(DataError) as caught:
        trial.forward()
    assert str(caught.value) == (
        "the mask holds 80, and a plane of the output has 80 places.\n"
        "  Give upsample_h and upsample_w of the blob that was pooled."
    )


def test_the_mask_has_no_gradient():
    trial = Trial(text(), [SHAPE, mask(80)], gradient=(True, True))
    trial.forward()
    with pytest.raises(SpecError, match="no gradient for its mask"):
        trial.backward()


@pytest.mark.parametrize(
    ("param", "shapes", "message"),
    [
        ("scale: 0", (SHAPE,), "scale is 0.\n  Choose at least 1."),
        (
            "scale_h: 2 scale_w: 2",
            (SHAPE,),
            "scale_h is SegNet's, and there is one bottom.\n"
            "  Give the mask of the pooling as a second bottom, or scale alone.",
        ),
        (
            "scale_w: 2",
            (SHAPE, SHAPE),
            "only one of scale_h and scale_w is given.\n  Give both, or scale.",
        ),
        (
            "scale: 3 pad_out_h: true",
            (SHAPE, SHAPE),
            "pad_out_h with scale 3.\n"
            "  Give upsample_h and upsample_w; scale 2 alone is padded.",
        ),
        (
            "",
            (SHAPE, (2, 3, 5, 4)),
            "bottom 1, the mask, has shape 2x3x5x4, bottom 0 has 2x3x4x5.\n"
            "  Both must have one shape.",
        ),
        (
            "",
            ((4, 5),),
            "bottom 0 has shape 4x5.\n  Upsample takes four axes: N x C x H x W.",
        ),
    ],
)
def test_what_is_refused(param, shapes, message):
    with pytest.raises(SpecError) as caught:
        infer(text(param), shapes)
    assert str(caught.value) == message
