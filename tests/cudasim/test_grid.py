"""Loops over a grid that is smaller than the work, as that of a large blob is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec.backends.base import AxisSplit, Interpolation, LrnWindow
from netspec.random import Key
from tests.backends.test_pooling import geometry
from tests.cudasim.harness import Machine
from tests.cudasim.test_update import STEPS, stepped

RNG = np.random.default_rng(91)
POOL = geometry(2, 3, (21, 17), (3, 3), (2, 2), (0, 0))
SHAPE = 2, 3, 21, 17
INDEX = RNG.integers(0, 9, (2, 3, 10, 8), np.uint8)
FACES = np.array([[0, 0, 0, 16, 20], [1, 2, 3, 9, 12]], np.float32)

# The output's shape, and a call that fills it from a number x.
CALLS: dict[str, tuple[tuple[int, ...], Callable[..., Any]]] = {
    "map": ((3, 1111), lambda ops, x, y: ops.sigmoid(x(3, 1111), y)),
    "channels": (
        (5, 7, 64),
        lambda ops, x, y: ops.affine(x(5, 7, 64), x(7), x(7), y),
    ),
    "channels in single elements": (
        (5, 7, 33),
        lambda ops, x, y: ops.affine(x(5, 7, 33), x(7), x(7), y),
    ),
    "dropout": (
        (3, 1111),
        lambda ops, x, y: ops.dropout(
            x(3, 1111), y, np.zeros((3, 1111), np.uint8), 0.4, Key(1, "drop")
        ),
    ),
    "pooling": ((2, 3, 10, 8), lambda ops, x, y: ops.average_pool(x(*SHAPE), y, POOL)),
    "pooling backward": (
        SHAPE,
        lambda ops, x, y: ops.max_pool_backward(x(2, 3, 10, 8), INDEX, y, POOL),
    ),
    "lrn": (
        (2, 40, 9, 31),
        lambda ops, x, y: ops.lrn_across(x(2, 40, 9, 31), y, LrnWindow(5, 1, 0.75, 2)),
    ),
    "softmax": (
        (2, 3, 600),
        lambda ops, x, y: ops.softmax(x(2, 3, 600), y, AxisSplit(2, 3, 600)),
    ),
    "permute": (
        (7, 5, 3, 11),
        lambda ops, x, y: ops.permute(x(11, 3, 5, 7), y, (3, 2, 1, 0)),
    ),
    "block": ((3, 400), lambda ops, x, y: ops.read_block(x(3, 1000), y, 3, 200)),
    "rows": (
        (90, 12),
        lambda ops, x, y: ops.take_rows(x(5, 12), np.arange(90) % 5, y),
    ),
    "interpolate": (
        (3, 19, 23),
        lambda ops, x, y: ops.interpolate(
            x(3, 7, 5), y, Interpolation(0, (7, 5), (19, 23))
        ),
    ),
    "regions": (
        (2, 12, 5, 6),
        lambda ops, x, y: ops.region_max(
            x(2, 12, 21, 17), FACES, y, np.zeros(y.shape, np.int32), 0.5
        ),
    ),
    "lstm": (
        (9, 111),
        lambda ops, x, y: ops.lstm_unit(
            x(9, 111), x(9, 444), np.ones(9, np.float32), x(9, 111), y
        ),
    ),
    "unpool": (
        (2, 700),
        lambda ops, x, y: ops.unpool(
            x(2, 300), np.tile(np.arange(300, dtype=np.float32), (2, 1)), y
        ),
    ),
}


@pytest.fixture
def one_block(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose grids are of one block."""
    from netspec.backends.cuda import launch, update

    monkeypatch.setattr(launch, "GRID_CAP", 1)
    monkeypatch.setattr(update, "GRID_CAP", 1)
    return machine


@pytest.mark.parametrize("name", CALLS)
def test_one_block_does_it_all(name: str, one_block: Machine) -> None:
    shape, operation = CALLS[name]

    def call(ops: Any) -> list[np.ndarray]:
        rng = np.random.default_rng(5)
        y = np.full(shape, np.nan, np.float32)
        operation(ops, lambda *s: rng.standard_normal(s).astype(np.float32), y)
        return [y]

    one_block.agree(call, 2e-6)
    if one_block.world is not None:
        assert {launched.grid for launched in one_block.world.launches[-3:]} == {(1,)}


def test_one_block_steps_all_segments(one_block: Machine) -> None:
    one_block.agree(lambda ops: stepped(ops, "adam", STEPS), 3e-7)
