"""The reference against plain loops, and the CPU's kernels against the reference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.backends.cpu import CpuOps, threads
from netspec.backends.cpu.threads import LEAST_WORK
from netspec.backends.numpy_ops import NumpyOps
from netspec.random import Key, words

KEY = Key(0x1_0000_0007, "drop", iteration=2**33 + 5)
SMALL = (3, 5, 7)
LARGE = (
    3,
    7,
    LEAST_WORK // 14 + 3,
)  # threads, and a short last chunk
RNG = np.random.default_rng(6)


def draw(shape: tuple[int, ...], number: int = 1) -> list[np.ndarray]:
    """float32 arrays with zeros, negative zeros and equal values among them."""
    arrays = [np.round(RNG.standard_normal(shape), 1) for _ in range(number)]
    return [a.astype(np.float32) for a in arrays]


# Each writes its outputs, the last arguments; made for NaN where it forgets one.
CALLS = {
    "relu": (1, lambda ops, xs, y, m: ops.relu(*xs, y)),
    "relu leaky": (1, lambda ops, xs, y, m: ops.relu(*xs, y, 0.3)),
    "relu backward": (2, lambda ops, xs, y, m: ops.relu_backward(*xs, y)),
    "relu backward leaky": (2, lambda ops, xs, y, m: ops.relu_backward(*xs, y, -0.3)),
    "add": (2, lambda ops, xs, y, m: ops.add(*xs, y)),
    "scale": (1, lambda ops, xs, y, m: ops.scale(*xs, y, -1.7)),
    "sum": (3, lambda ops, xs, y, m: ops.eltwise_sum(xs, y, (0.3, -1.1, 2.0))),
    "product": (3, lambda ops, xs, y, m: ops.eltwise_prod(xs, y)),
    "max": (4, lambda ops, xs, y, m: ops.eltwise_max(xs, y, m)),
}


def run(ops: NumpyOps, name: str, xs: list[np.ndarray]) -> tuple[bytes, bytes]:
    y = np.full(xs[0].shape, np.nan, np.float32)
    mask = np.zeros(y.shape, np.int32)
    CALLS[name][1](ops, xs, y, mask)
    assert np.isfinite(y).all()
    return (y + np.float32(0)).tobytes(), mask.tobytes()  # -0 and 0 are one


@pytest.mark.parametrize("shape", [SMALL, LARGE, ()])
@pytest.mark.parametrize("name", CALLS)
def test_kernels_give_the_references_bits(name, shape):
    xs = draw(shape, CALLS[name][0])
    assert run(CpuOps(), name, xs) == run(NumpyOps(), name, xs)


@pytest.mark.parametrize("name", ["relu", "relu backward", "add", "scale"])
@pytest.mark.parametrize("ops", [NumpyOps(), CpuOps()])
def test_in_place_gives_the_same(name, ops):
    for shape in (SMALL, LARGE):
        xs = draw(shape, CALLS[name][0])
        expected = run(ops, name, xs)[0]
        CALLS[name][1](ops, xs, xs[-1], None)
        assert (xs[-1] + np.float32(0)).tobytes() == expected


@pytest.mark.parametrize("name", ["relu leaky", "sum", "max"])
def test_other_float_types_are_the_references(name):
    wide = [x.astype(np.float64) / 3 for x in draw(SMALL, CALLS[name][0])]
    found, expected = np.empty(SMALL), np.empty(SMALL)
    CALLS[name][1](CpuOps(), wide, found, np.empty(SMALL, np.int32))
    CALLS[name][1](NumpyOps(), wide, expected, np.empty(SMALL, np.int32))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "shape", [SMALL, (2, 1), (5,), (), (2, LEAST_WORK), (LEAST_WORK, 3)]
)
@pytest.mark.parametrize("ratio", [0.0, 0.37, 0.5])
def test_dropout_gives_the_references_bits(shape, ratio):
    (x,) = draw(shape)
    found, masks = [], []
    for ops in (NumpyOps(), CpuOps()):
        y, mask = np.full(shape, np.nan, np.float32), np.full(shape, 9, np.uint8)
        ops.dropout(x, y, mask, ratio, KEY, first_sample=2**31 + 5)
        found.append(y.tobytes())
        masks.append(mask)
    assert found[0] == found[1]
    np.testing.assert_array_equal(*masks)
    assert masks[0].max(initial=1) == 1


@pytest.mark.smoke
@pytest.mark.parametrize("ops", [NumpyOps(), CpuOps()])
def test_dropout_keeps_words_from_the_ratio_up(ops):
    x, y = np.ones((4, 9), np.float32), np.empty((4, 9), np.float32)
    mask = np.empty((4, 9), np.uint8)
    drawn = words(KEY, 4, 9, first_sample=3)
    edge = int(np.sort(drawn.reshape(-1))[17])
    ops.dropout(x, y, mask, edge / 2**32, KEY, first_sample=3)
    np.testing.assert_array_equal(mask, drawn >= edge)
    assert mask.sum() == 19


@pytest.mark.parametrize("ops", [NumpyOps(), CpuOps()])
def test_masks_gate_gradients(ops):
    for shape in (SMALL, LARGE):
        (dy,) = draw(shape)
        dx = np.full(shape, np.nan, np.float32)
        winner = RNG.integers(0, 3, shape, dtype=np.int32)
        ops.eltwise_max_backward(winner, 2, dy, dx)
        np.testing.assert_array_equal(dx, np.where(winner == 2, dy, 0))
        mask = (winner > 0).astype(np.uint8)
        ops.dropout_backward(dy, mask, dx, 0.75)
        np.testing.assert_array_equal(dx, np.where(winner > 0, 4 * dy, 0))


def test_the_number_of_threads_does_not_show():
    before = threads.count()
    results = []
    try:
        for number in (1, 2, 5):
            threads.set_count(number)
            rng = np.random.default_rng(1)
            xs = [
                rng.standard_normal((4, LEAST_WORK)).astype(np.float32)
                for _ in range(3)
            ]
            y, mask = np.empty_like(xs[0]), np.empty(xs[0].shape, np.uint8)
            CpuOps().eltwise_sum(list(xs), y, (0.1, 0.2, 0.3))
            CpuOps().dropout(y, xs[0], mask, 0.4, KEY)
            results.append((y.tobytes(), xs[0].tobytes(), mask.tobytes()))
    finally:
        threads.set_count(before)
    assert results[0] == results[1] == results[2]


def test_the_reference_against_formulas():
    ops = NumpyOps()
    x, dy = RNG.standard_normal((2, 2, 3)), RNG.standard_normal((2, 2, 3))
    a, b = x
    out = np.empty((2, 3))

    def close(formula) -> None:  # type: ignore[no-untyped-def]
        expected = [[formula(i, j) for j in range(3)] for i in range(2)]
        np.testing.assert_allclose(out, expected, rtol=1e-13)

    ops.relu(a, out, 0.2)
    close(lambda i, j: a[i, j] if a[i, j] > 0 else 0.2 * a[i, j])
    ops.relu_backward(a, b, out, 0.2)
    close(lambda i, j: b[i, j] * (1 if a[i, j] > 0 else 0.2))
    ops.sigmoid(a, out)
    close(lambda i, j: 1 / (1 + math.exp(-a[i, j])))
    ops.sigmoid_backward(a, b, out)
    close(lambda i, j: b[i, j] * a[i, j] * (1 - a[i, j]))
    ops.tanh(a, out)
    close(lambda i, j: math.tanh(a[i, j]))
    ops.tanh_backward(a, b, out)
    close(lambda i, j: b[i, j] * (1 - a[i, j] ** 2))
    ops.power(a, out, 3, 0.5, 0.2)
    close(lambda i, j: (0.2 + 0.5 * a[i, j]) ** 3)
    ops.power_backward(a, b, out, 3, 0.5, 0.2)
    close(lambda i, j: b[i, j] * 1.5 * (0.2 + 0.5 * a[i, j]) ** 2)
    ops.eltwise_prod([a, b, dy[0]], out)
    close(lambda i, j: a[i, j] * b[i, j] * dy[0, i, j])
    ops.eltwise_prod_backward([a, b, dy[0]], 1, dy[1], out)
    close(lambda i, j: a[i, j] * dy[0, i, j] * dy[1, i, j])
    ops.eltwise_quotient_backward(a, b, dy[0], out)
    close(lambda i, j: b[i, j] / a[i, j] * dy[0, i, j])


def test_squared_distance():
    ops = NumpyOps()
    a, b = RNG.standard_normal((2, 2, 3))
    total, da = np.empty(()), np.empty((2, 3))
    ops.squared_distance(a, b, total, 0.3)
    expected = 0.3 * sum((x - y) ** 2 for x, y in zip(a.flat, b.flat))
    assert total == pytest.approx(expected)
    ops.squared_distance_backward(a, b, np.array(1.7), da, 0.3)
    np.testing.assert_allclose(da, 2 * 0.3 * 1.7 * (a - b))


def test_plain_moves():
    ops = NumpyOps()
    (x,) = draw(SMALL)
    y = np.full(SMALL, np.nan, np.float32)
    ops.fill(y, 0.25)
    assert (y == 0.25).all()
    ops.copy(x, y)
    np.testing.assert_array_equal(x, y)
    ops.upload(np.zeros(SMALL), y)
    assert not y.any()
