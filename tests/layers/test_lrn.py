from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.layers.base import Window
from tests.golden import check_layer_case, layer_cases
from tests.layers.harness import Trial, check_layer, infer, make_layer

SHAPE = (2, 5, 3, 4)
WITHIN = "norm_region: WITHIN_CHANNEL"


def text(fields: str = "") -> str:
    return f'type: "LRN" lrn_param {{ {fields} }}'


@pytest.mark.parametrize("lean", [False, True], ids=["observed", "lean"])
@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("case", layer_cases("LRN"))
def test_golden(case, device, lean):
    check_layer_case(case, device, lean=lean)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "fields",
    [
        "",
        "local_size: 3 alpha: 0.8 beta: 0.6 k: 1.7",
        "local_size: 9 alpha: 1.4 k: 2.5",
        f"{WITHIN} local_size: 3 alpha: 0.9",
        f"{WITHIN} local_size: 5 alpha: 1.2 beta: 0.4 k: 3",
    ],
)
def test_gradients(fields):
    check_layer(Trial(text(fields), [SHAPE]))


def test_alpha_is_shared_out_over_the_window():
    x = np.full(SHAPE, 2.0)
    top = Trial(text("local_size: 3 alpha: 0.6 beta: 1 k: 1.5"), [x]).forward()[0]
    # At the first and last channel one of three is missing.
    assert top[0, 0, 0, 0] == pytest.approx(2 / (1.5 + 0.6 / 3 * 8))
    assert top[0, 2, 0, 0] == pytest.approx(2 / (1.5 + 0.6 / 3 * 12))
    fields = f"local_size: 3 alpha: 0.6 beta: 1 k: 1.5 {WITHIN}"
    top = Trial(text(fields), [x]).forward()[0]
    assert top[0, 0, 0, 0] == pytest.approx(2 / (1 + 0.6 / 9 * 16))
    assert top[0, 0, 1, 1] == pytest.approx(2 / (1 + 0.6 / 9 * 36))


def test_receptive_window():
    assert make_layer(text()).receptive((SHAPE,)) is None
    layer = make_layer(text(f"local_size: 7 {WITHIN}"))
    assert layer.receptive((SHAPE,)) == Window((7, 7), (1, 1), (3, 3), (1, 1))


@pytest.mark.parametrize("size", [0, 4])
def test_the_window_has_a_middle(size):
    with pytest.raises(SpecError) as caught:
        make_layer(text(f"local_size: {size}"))
    assert str(caught.value) == (
        f"local_size is {size}.\n  It must be odd, so that the window has a middle."
    )
    assert caught.value.field == "lrn_param.local_size"


def test_only_images_are_normalised():
    with pytest.raises(SpecError) as caught:
        infer(text(), ((4, 5),))
    assert str(caught.value) == (
        "bottom has shape 4x5.\n  LRN takes four axes: N x C x H x W."
    )
