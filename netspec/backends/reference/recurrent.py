"""One step of an LSTM's cell."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def _sigmoid(x: Array) -> Array:
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _activated(gates: Array) -> tuple[Array, Array, Array, Array]:
    """Input, forget and output gate and the new value, each (N, D)."""
    i, f, o, g = np.split(gates, 4, axis=1)
    return _sigmoid(i), _sigmoid(f), _sigmoid(o), np.tanh(g)


class RecurrentOps:
    """Cells c and outputs h are (N, D), gates (N, 4 D) in the order input, forget,
    output, new value, before their activation; cont is (N,), 0 where a sequence starts.
    """

    def lstm_unit(
        self, before: Array, gates: Array, cont: Array, c: Array, h: Array
    ) -> None:
        """c = cont f before + i g, h = o tanh(c).

        *before* is the cell of the step before.
        """
        i, f, o, g = _activated(gates)
        c[...] = cont[:, None] * f * before + i * g
        np.multiply(o, np.tanh(c), out=h)

    def lstm_unit_backward(
        self,
        before: Array,
        gates: Array,
        cont: Array,
        c: Array,
        dc: Array,
        dh: Array,
        dbefore: Array,
        dgates: Array,
    ) -> None:
        """Gradients of the cell before and of the gates; dbefore may be dc."""
        i, f, o, g = _activated(gates)
        out, kept = np.tanh(c), cont[:, None] * f
        cell = dc + dh * o * (1 - out * out)
        parts = np.split(dgates, 4, axis=1)
        parts[0][...] = cell * g * i * (1 - i)
        parts[1][...] = cell * before * kept * (1 - f)
        parts[2][...] = dh * out * o * (1 - o)
        parts[3][...] = cell * i * (1 - g * g)
        np.multiply(cell, kept, out=dbefore)
