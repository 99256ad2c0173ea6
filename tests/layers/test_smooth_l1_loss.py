from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from tests.layers.harness import Trial, both_ops, check_layer, infer

SHAPE = (3, 4, 2, 5)
RNG = np.random.default_rng(5)
SIGMA = 1.5


def text(param: str = "") -> str:
    return f'type: "SmoothL1Loss" smooth_l1_loss_param {{ sigma: {SIGMA} }} {param}'


def f(d: np.ndarray) -> np.ndarray:
    inside = np.abs(d) < 1 / SIGMA**2
    return np.where(inside, (SIGMA * d) ** 2 / 2, np.abs(d) - 0.5 / SIGMA**2)


# The divisor by what loss_param says; N is 3, N H W is 30.
DIVISORS = {
    "": 3,
    "loss_param { normalization: NONE }": 1,
    "loss_param { normalization: FULL }": 30,
    "loss_param { normalization: VALID ignore_label: 2 }": 30,
    "loss_param { normalize: false }": 3,
}


@pytest.mark.smoke
@pytest.mark.parametrize("param", DIVISORS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ops", both_ops())
def test_loss_and_gradients(param, weighted, ops):
    bottoms = [RNG.normal(size=SHAPE) for _ in range(2)]
    inside, outside = RNG.uniform(0.2, 2, (2, *SHAPE)) if weighted else (1, 1)
    trial = Trial(text(param), bottoms + [inside, outside] * weighted, ops=ops)
    (loss,) = trial.forward()
    expected = (outside * f(inside * (bottoms[0] - bottoms[1]))).sum() / DIVISORS[param]
    assert loss.shape == ()
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    check_layer(trial)


def test_shards_of_a_batch_add_up():
    bottoms = [RNG.normal(size=(4, 6)) for _ in range(2)]
    whole = Trial(text(), bottoms)
    whole.forward()
    whole.backward([1.0])
    parts = []
    for rows in (slice(0, 2), slice(2, 4)):
        part = Trial(text(), [b[rows] for b in bottoms], shards=2)
        part.forward()
        part.backward([1.0])
        parts.append(part)
    assert float(sum(p.top[0] for p in parts)) == pytest.approx(float(whole.top[0]))
    np.testing.assert_allclose(
        np.concatenate([p.bottom_diff[0] for p in parts]), whole.bottom_diff[0]
    )


def test_weights_have_no_gradient():
    trial = Trial(text(), [SHAPE] * 4, gradient=[True] * 4)
    trial.forward()
    with pytest.raises(SpecError, match="no gradient for its weights"):
        trial.backward([1.0])


@pytest.mark.parametrize(
    ("body", "shapes", "message"),
    [
        (
            text(),
            (SHAPE,) * 3,
            "has one of two weights.\n"
            "  Give the weights inside and outside of the distance, or none.",
        ),
        (
            text(),
            (SHAPE, (3, 4, 5, 2)),
            "bottom 1 has shape 3x4x5x2, bottom 0 has 3x4x2x5.\n"
            "  All bottoms must have one shape.",
        ),
        (
            text().replace("1.5", "0"),
            (SHAPE, SHAPE),
            "sigma is 0.\n  Choose a number above 0.",
        ),
    ],
)
def test_what_is_refused(body, shapes, message):
    with pytest.raises(SpecError) as caught:
        infer(body, shapes)
    assert str(caught.value) == message
