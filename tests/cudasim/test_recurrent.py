"""A step of an LSTM's cell against the reference."""

from __future__ import annotations

import numpy as np
import pytest

RNG = np.random.default_rng(51)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(("batch", "width"), [(3, 5), (70, 4)])
def test_lstm_unit(batch, width, in_place, machine):
    shapes = (batch, width), (batch, 4 * width), (batch, width), (batch, width)
    before, gates, slope, dh = (
        RNG.standard_normal(shape).astype(np.float32) for shape in shapes
    )
    cont = (np.arange(batch) % 3 > 0).astype(np.float32)

    def call(ops):
        c, h = np.full_like(before, np.nan), np.full_like(before, np.nan)
        dc, dgates = slope.copy(), np.full_like(gates, np.nan)
        dbefore = dc if in_place else np.full_like(dc, np.nan)
        ops.lstm_unit(before, gates, cont, c, h)
        ops.lstm_unit_backward(before, gates, cont, c, dc, dh, dbefore, dgates)
        return c, h, dbefore, dgates

    machine.agree(call)
