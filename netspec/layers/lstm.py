"""LSTM: long short-term memory over a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.layers.base import Run, Scratch, Shapes, layer
from netspec.layers.recurrent import Recurrent


@layer("LSTM")
class LSTM(Recurrent):
    """Caffe's LSTM: gates = W x + b (+ V static) + U (cont h), then a step of the cell,
    c = cont f c + i g and h = o tanh(c), the gates in the order i, f, o, g.

    Parameters are W (4 D × inputs), b (4 D), V where there is a static input, and U
    (4 D × D).  The states are h, then c.
    """

    states = ("h", "c")
    gates = 4

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The cells too: row 0 is the initial one."""
        sizes = self.geometry(bottom)
        cells = (sizes.steps + 1, sizes.batch, self.width)
        return {
            **super().scratch(bottom, in_place),
            "cells": Scratch(cells),
            "dhidden": Scratch(cells[1:], training=True),
            "dcell": Scratch(cells[1:], training=True),
        }

    def forward(self, ops: Any, run: Run) -> None:
        """Step by step."""
        self.transform(ops, run)
        y, gates, cells = run.top[0], run.scratch["gates"], run.scratch["cells"]
        hidden = self.initial(run, 0)
        ops.copy(self.initial(run, 1), cells[0])
        for t in range(run.geometry.steps):
            self.hold(ops, run, t, hidden, run.param[-1])
            ops.lstm_unit(cells[t], gates[t], run.bottom[1][t], cells[t + 1], y[t])
            hidden = y[t]
        self.finish(ops, run, hidden, cells[-1])

    def backward(self, ops: Any, run: Run) -> None:
        """Step by step, last first."""
        dhidden, dcell = run.scratch["dhidden"], run.scratch["dcell"]
        for state, diff in enumerate((dhidden, dcell)):
            final = self.final_diff(run, state)
            if final is None:
                ops.fill(diff, 0.0)
            else:
                ops.copy(final, diff)
        for t in reversed(range(run.geometry.steps)):
            self._step_back(ops, run, t)
        self.backward_initial(ops, run, dhidden, dcell)
        self.backward_inputs(ops, run, weights=len(run.param) - 1)

    def _step_back(self, ops: Any, run: Run, t: int) -> None:
        """From the gradients of the states after step *t* to those before it."""
        dhidden, dcell = run.scratch["dhidden"], run.scratch["dcell"]
        cells, dgates = run.scratch["cells"], run.scratch["dgates"][t]
        above: Any = run.top_diff[0]
        ops.add(dhidden, above[t], dhidden)
        ops.lstm_unit_backward(
            cells[t], run.scratch["gates"][t], run.bottom[1][t], cells[t + 1],
            dcell, dhidden, dcell, dgates,
        )  # fmt: skip
        ops.inner_product_backward_data(dgates, run.param[-1], run.scratch["dheld"])
        self.continued(ops, run, t, run.scratch["dheld"], dhidden)
