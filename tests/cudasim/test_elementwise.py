"""Element-wise operations, activations and dropout against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.random import Key, words
from tests.backends import test_activations as activations
from tests.backends import test_elementwise as elementwise

RNG = np.random.default_rng(41)
# A vector's remainder, whole vectors, less than one, none.
SHAPES = [(3, 5, 7), (2, 4, 32), (3,), (), (0, 3)]
KEY = Key(0x1_0000_0007, "drop", iteration=2**33 + 5)


def draw(shape, number):
    """float32 arrays with zeros and equal values among them."""
    drawn = (np.round(RNG.standard_normal(shape), 1) for _ in range(number))
    return [np.array(x, np.float32) for x in drawn]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", elementwise.CALLS)
def test_arithmetic(name, shape, machine):
    number, operation = elementwise.CALLS[name]
    xs = draw(shape, number)

    def call(ops):
        y, mask = np.full(shape, np.nan, np.float32), np.zeros(shape, np.int32)
        operation(ops, xs, y, mask)
        return y, mask

    machine.agree(call, 3e-7)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", activations.CALLS)
def test_activations(name, shape, in_place, machine):
    given = draw(shape, activations.CALLS[name][0])
    machine.agree(lambda ops: [activations.run(ops, name, given, in_place)], 1e-6, 3e-7)


# Formulas beside those: number of inputs, and the call, whose last array is written.
CALLS = {
    "sigmoid": (1, lambda ops, a: ops.sigmoid(*a)),
    "sigmoid backward": (2, lambda ops, a: ops.sigmoid_backward(*a)),
    "tanh": (1, lambda ops, a: ops.tanh(*a)),
    "tanh backward": (2, lambda ops, a: ops.tanh_backward(*a)),
    "cube": (1, lambda ops, a: ops.power(*a, 3, 0.5, 0.2)),
    "square": (1, lambda ops, a: ops.power(*a, 2, 0.5, 0.2)),
    "line": (1, lambda ops, a: ops.power(*a, 1, 0.5, 0.2)),
    "root": (1, lambda ops, a: ops.power(*a, 0.5, -0.3, 0.2)),
    "one": (1, lambda ops, a: ops.power(*a, 0, 1.5, 0.2)),
    "cube backward": (2, lambda ops, a: ops.power_backward(*a, 3, 0.5, 0.2)),
    "root backward": (2, lambda ops, a: ops.power_backward(*a, 0.5, 0.5, 6)),
    "line backward": (2, lambda ops, a: ops.power_backward(*a, 1, 0.5, 0.2)),
    "product backward": (
        4,
        lambda ops, a: ops.eltwise_prod_backward(a[:3], 1, a[3], a[4]),
    ),
    "quotient backward": (
        3,
        lambda ops, a: ops.eltwise_quotient_backward(abs(a[0]) + 1, *a[1:]),
    ),
    "sum, then relu": (
        3,
        lambda ops, a: ops.eltwise_sum(a[:3], a[3], (0.3, -1.1, 2.0), True),
    ),
    "two, then relu": (
        2,
        lambda ops, a: ops.eltwise_sum(a[:2], a[2], (0.3, -1.1), True),
    ),
    "copy": (1, lambda ops, a: ops.copy(*a)),
    "fill": (1, lambda ops, a: ops.fill(a[1], 0.3)),
    "relu6": (1, lambda ops, a: ops.relu6(*a, 0.25)),
    "relu6 backward": (2, lambda ops, a: ops.relu6_backward(a[0], *a, -0.5)),
    "smooth l1": (1, lambda ops, a: ops.smooth_l1(*a, 1.3)),
    "smooth l1 backward": (2, lambda ops, a: ops.smooth_l1_backward(*a, 1.3)),
}


@pytest.mark.parametrize("shape", SHAPES[:2])
@pytest.mark.parametrize("name", CALLS)
def test_formulas(name, shape, machine):
    number, operation = CALLS[name]
    given = [4 * x for x in draw(shape, number)]

    def call(ops):
        y = np.full(shape, np.nan, np.float32)
        operation(ops, [*given, y])
        return [y]

    machine.agree(call, 2e-6)


@pytest.mark.parametrize(
    "name", ["relu", "elu", "clip", "softplus", "swish", "exponential", "logarithm"]
)
def test_what_is_no_number_shows(name, machine):
    x = np.array([np.nan, np.inf, -np.inf, 1, -1], np.float32)
    (found,) = machine.agree(lambda ops: [activations.run(ops, name, [x])])
    assert np.isnan(found[0])


def test_relu_without_a_slope_keeps_the_least(machine):
    x = np.array([np.nan, np.inf, -np.inf, -3, 0], np.float32)

    def call(ops):
        ops.relu(x, y := np.empty_like(x))
        return [y]

    machine.agree(call)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "shape", [(3, 5, 7), (2, 1), (5,), (), (7, 3), (4, 8), (1030, 4)]
)
@pytest.mark.parametrize("ratio", [0.0, 0.37, 0.5])
def test_dropout_has_the_references_bits(shape, ratio, machine):
    (x,) = draw(shape, 1)
    (dy,) = draw(shape, 1)

    def call(ops):
        y, mask = np.full(shape, np.nan, np.float32), np.full(shape, 9, np.uint8)
        ops.dropout(x, y, mask, ratio, KEY, first_sample=2**32 - 2)
        ops.dropout_backward(dy, mask, dx := np.full_like(dy, np.nan), ratio)
        return y, mask, dx

    machine.agree(call, 0, 0)


def test_masks_gate_gradients(machine):
    (dy,) = draw((3, 5, 7), 1)
    winner = RNG.integers(0, 3, dy.shape, dtype=np.int32)

    def call(ops):
        ops.eltwise_max_backward(winner, 2, dy, dx := np.full_like(dy, np.nan))
        return [dx]

    machine.agree(call, 0, 0)


@pytest.mark.parametrize("shape", [(3, 4, 5), (70, 3, 1), (2, 6, 8), (0, 3, 2)])
@pytest.mark.parametrize("in_place", [False, True])
def test_prelu(shape, in_place, machine):
    x, dy = draw(shape, 2)
    slope = RNG.standard_normal(shape[1]).astype(np.float32)

    def call(ops):
        y, dx = (x.copy(), dy.copy()) if in_place else (x * np.nan, x * np.nan)
        ops.prelu(y if in_place else x, slope, y)
        ops.prelu_gradient(x, dy, dslope := np.ones_like(slope))
        ops.prelu_backward(x, slope, dx if in_place else dy, dx)
        return y, dx, dslope

    machine.agree(call)


def test_an_array_that_starts_off_a_vector(machine):
    """Slices of a blob may lie anywhere."""
    if machine.world is None:
        pytest.skip("the same on a GPU")
    import cupy

    x = cupy.asarray(np.arange(1, 43, dtype=np.float32))
    with machine.world.changed(mode="check"):
        machine.ops.ops.scale(x[1:22], x[1:22], 2.0)
        machine.ops.ops.dropout(x[3:11], x[3:11], cupy.zeros(9, "uint8")[1:], 0, KEY)
    expected = np.arange(1, 43)
    expected[1:22] *= 2
    np.testing.assert_array_equal(x.get(), expected)


def test_dropout_keeps_words_from_the_ratio_up(machine):
    x, drawn = np.ones((4, 9), np.float32), words(KEY, 4, 9, first_sample=3)
    edge = int(np.sort(drawn.reshape(-1))[17])

    def call(ops):
        y, mask = np.empty_like(x), np.empty(x.shape, np.uint8)
        ops.dropout(x, y, mask, edge / 2**32, KEY, first_sample=3)
        return [mask]

    assert machine.agree(call)[0].sum() == 19
