from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.layers.harness import Trial, both_ops, check_layer, infer

SHAPE = (2, 3, 5, 7)


def text(param: str) -> str:
    return f'type: "Interp" interp_param {{ {param} }}'


def between(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear interpolation of one plane, pixel by pixel."""
    out = np.empty((height, width))
    for i, j in np.ndindex(height, width):
        v = i * (x.shape[0] - 1) / (height - 1) if height > 1 else 0
        u = j * (x.shape[1] - 1) / (width - 1) if width > 1 else 0
        top, left = int(v), int(u)
        low, right = min(top + 1, x.shape[0] - 1), min(left + 1, x.shape[1] - 1)
        a, b = v - top, u - left
        upper = (1 - b) * x[top, left] + b * x[top, right]
        out[i, j] = (1 - a) * upper + a * ((1 - b) * x[low, left] + b * x[low, right])
    return out


# param, output size, rows and columns that are seen
SIZES = {
    "height: 9 width: 4": (9, 4),
    "height: 1 width: 1": (1, 1),
    "height: 5 width: 7": (5, 7),
    "zoom_factor: 3": (13, 19),
    "shrink_factor: 2": (3, 4),
    "shrink_factor: 2 zoom_factor: 4": (9, 13),
    "zoom_factor: 2 height: 90 width: 90": (9, 13),  # a factor alone goes first
    "zoom_factor: 2 shrink_factor: 2 height: 6 width: 8": (6, 8),
}


@pytest.mark.smoke
@pytest.mark.parametrize("param", SIZES)
@pytest.mark.parametrize("ops", both_ops())
def test_values(param, ops):
    trial = Trial(text(param), [SHAPE], ops=ops, dtype=np.float32)
    (y,) = trial.forward()
    assert y.shape[2:] == SIZES[param]
    for n, c in np.ndindex(2, 3):
        expected = between(trial.start[0][n, c].astype(float), *SIZES[param])
        np.testing.assert_allclose(y[n, c], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("param", [*SIZES, "zoom_factor: 2 pad_beg: -1 pad_end: -2"])
def test_gradient(param):
    check_layer(Trial(text(param), [SHAPE]))


@pytest.mark.parametrize("ops", both_ops())
def test_the_gradient_is_the_adjoint_in_float32(ops):
    trial = Trial(text("height: 8 width: 3"), [SHAPE], ops=ops, dtype=np.float32)
    (y,) = trial.forward()
    dy = trial.rng.normal(size=y.shape).astype(np.float32)
    dx = trial.backward([dy])[0]
    assert float((dx * trial.start[0]).sum()) == pytest.approx(
        float((dy * y).sum()), rel=1e-4
    )


def test_rows_and_columns_that_are_cut_off():
    trial = Trial(text("height: 6 width: 9 pad_beg: -1 pad_end: -2"), [SHAPE])
    expected = between(trial.start[0][1, 2, 1:3, 1:5], 6, 9)
    np.testing.assert_allclose(trial.forward()[0][1, 2], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("param", "shape", "message"),
    [
        (
            "height: 5",
            SHAPE,
            "no size is given.\n"
            "  Give height and width, or zoom_factor or shrink_factor.",
        ),
        ("zoom_factor: 0", SHAPE, "zoom_factor is 0.\n  Choose at least 1."),
        (
            "zoom_factor: 2 pad_end: 1",
            SHAPE,
            "pad_end is above 0.\n"
            "  Give 0 or less: rows and columns can only be cut off.",
        ),
        (
            "zoom_factor: 2 pad_beg: -3 pad_end: -2",
            SHAPE,
            "pad_beg and pad_end leave nothing of the bottom, 2x3x5x7.\n"
            "  Cut off less.",
        ),
        (
            "zoom_factor: 2",
            (3, 5, 7),
            "bottom has shape 3x5x7.\n  Interp takes four axes: N x C x H x W.",
        ),
    ],
)
def test_what_is_refused(param, shape, message):
    with pytest.raises(SpecError) as caught:
        infer(text(param), (shape,))
    assert str(caught.value) == message
