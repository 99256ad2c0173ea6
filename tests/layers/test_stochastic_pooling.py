"""Stochastic pooling: its distribution, its draws, its average and its gradients."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import SpecError
from netspec.proto import TEST, TRAIN
from netspec.random import Key
from tests.layers.harness import Trial, both_ops, check_layer, infer, reference_ops

SHAPE = (2, 3, 7, 8)
WINDOW = "pool: STOCHASTIC kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 3"
TEXT = f'type: "Pooling" pooling_param {{ {WINDOW} }}'
RNG = np.random.default_rng(6)


def positive(shape=SHAPE) -> np.ndarray:
    """Not negative, with some zeros."""
    return np.maximum(RNG.normal(0.4, 1, shape), 0) + (RNG.uniform(size=shape) < 0.1)


def windows(x: np.ndarray) -> dict:
    """The values of each window, row by row, by output position of one plane."""
    rows, columns = -(-(x.shape[0] - 3) // 2) + 1, -(-(x.shape[1] - 2) // 3) + 1
    return {
        (h, w): x[2 * h : 2 * h + 3, 3 * w : 3 * w + 2].reshape(-1)
        for h, w in np.ndindex(rows, columns)
    }


@pytest.mark.smoke
@pytest.mark.parametrize("ops", both_ops())
def test_each_value_comes_with_the_chance_of_its_share(ops):
    values = np.array([[0, 1, 2], [0, 3, 4.0]])
    x = np.broadcast_to(values, (1, 4000, 2, 3))
    trial = Trial(
        'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_h: 2 kernel_w: 3 }',
        [x],
        ops=ops,
        dtype=np.float32,
    )
    drawn = trial.forward()[0].reshape(-1)
    for value in (0, 1, 2, 3, 4):
        share = value / 10
        error = 4 * np.sqrt(max(share * (1 - share), 1e-9) / drawn.size)
        assert abs((drawn == value).mean() - share) <= error


def test_a_value_of_the_window_and_its_place():
    trial = Trial(TEXT, [positive()])
    (y,), index = trial.forward(), trial.run.scratch["index"]
    dx = trial.backward([np.ones_like(y)])[0]
    expected = np.zeros_like(dx)
    for n, c in np.ndindex(2, 3):
        for (h, w), seen in windows(trial.start[0][n, c]).items():
            place = index[n, c, h, w]
            columns = min(2, 8 - 3 * w)
            row, column = divmod(int(place), 2)
            assert y[n, c, h, w] == seen[row * columns + column]
            expected[n, c, 2 * h + row, 3 * w + column] += 1
    np.testing.assert_array_equal(dx, expected)


def test_the_draw_follows_from_seed_iteration_and_sample_alone():
    x = positive()
    whole = Trial(TEXT, [x], key=Key(5, "p", 3)).forward()[0]
    second = Trial(TEXT, [x[1:]], key=Key(5, "p", 3), first_sample=1).forward()[0]
    np.testing.assert_array_equal(whole[1:], second)
    other = Trial(TEXT, [x], key=Key(5, "p", 4)).forward()[0]
    assert (other != whole).any()


@pytest.mark.parametrize("shape", [SHAPE, (3, 5, 40, 41)])
def test_the_cpu_draws_the_same(shape):
    x = positive(shape)
    x[0, 0, :3, :2] = 0, np.nan  # a window without a sum, and what no number reaches
    found = []
    for ops in both_ops():
        trial = Trial(TEXT, [x], ops=ops, dtype=np.float32, key=Key(9, "p"))
        trial.forward()
        found.append((trial.top[0], trial.run.scratch["index"]))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("ops", both_ops())
def test_the_average_in_test(ops):
    x = positive()
    x[0, 0, :3, :2] = 0
    (y,) = Trial(TEXT, [x], phase=TEST, ops=ops).forward()
    for n, c in np.ndindex(2, 3):
        for at, seen in windows(x[n, c]).items():
            wanted = (seen**2).sum() / seen.sum() if seen.sum() else 0
            np.testing.assert_allclose(y[(n, c, *at)], wanted)


def test_the_averages_gradient():
    x = positive() + 0.1  # a sum of 0 has none
    check_layer(Trial(TEXT, [x], phase=TEST, ops=reference_ops()))


def test_the_average_is_that_of_the_draws():
    x = positive((1, 1, 7, 8))
    many = np.broadcast_to(x, (1, 20000, 7, 8))
    drawn = Trial(TEXT, [many], phase=TRAIN).forward()[0].mean(axis=1)
    (mean,) = Trial(TEXT, [x], phase=TEST).forward()
    np.testing.assert_allclose(drawn[0], mean[0, 0], atol=4 / np.sqrt(20000))


@pytest.mark.parametrize(
    ("param", "tops", "message"),
    [
        ("pad: 1", 1, "pad 1x1 with pool STOCHASTIC.\n  Only MAX and AVE pooling pad."),
        (
            "",
            2,
            "has 2 tops, and pool is not MAX.\n"
            "  Only MAX pooling has a second top, the mask.",
        ),
    ],
)
def test_what_is_refused(param, tops, message):
    text = f'type: "Pooling" pooling_param {{ {WINDOW} {param} }}'
    with pytest.raises(SpecError) as caught:
        infer(text, (SHAPE,), tops)
    assert str(caught.value) == message
