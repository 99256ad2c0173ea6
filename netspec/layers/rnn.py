"""RNN: a recurrent network of one tanh layer over a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.layers.base import ParamSpec, Run, Scratch, Shapes, layer
from netspec.layers.recurrent import Recurrent


@layer("RNN")
class RNN(Recurrent):
    """Caffe's RNN: h = tanh(W x + b (+ V static) + U (cont h)), y = tanh(R h + r).

    Parameters are W (D × inputs), b (D), V where there is a static input, U (D × D), R
    (D × D) and r (D).  The state is h.
    """

    states = ("h",)
    gates = 1
    backward_reads_top = True

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """The output's weights and bias too."""
        return (*super().params(bottom), self.weights(self.width), self.bias(1))

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The hidden states too, and diffs of the outputs before their tanh."""
        sizes = self.geometry(bottom)
        hidden = (sizes.steps, sizes.batch, self.width)
        return {
            **super().scratch(bottom, in_place),
            "hidden": Scratch(hidden),
            "doutput": Scratch(hidden, training=True),
            "dhidden": Scratch(hidden, training=True),
            "dnext": Scratch(hidden[1:], training=True),
        }

    def macs(self, bottom: Shapes, top: Shapes) -> int:
        """The output's weights too."""
        sizes = self.geometry(bottom)
        return super().macs(bottom, top) + sizes.steps * sizes.batch * self.width**2

    def forward(self, ops: Any, run: Run) -> None:
        """Step by step; then all outputs at once."""
        self.transform(ops, run)
        gates, hidden = run.scratch["gates"], run.scratch["hidden"]
        before = self.initial(run, 0)
        for t in range(run.geometry.steps):
            self.hold(ops, run, t, before, run.param[-3])
            ops.tanh(gates[t], hidden[t])
            before = hidden[t]
        self.finish(ops, run, before)
        rows = run.geometry.rows
        y = run.top[0]
        ops.inner_product_forward(rows(hidden), run.param[-2], run.param[-1], rows(y))
        ops.tanh(y, y)

    def backward(self, ops: Any, run: Run) -> None:
        """All outputs at once; then step by step, last first."""
        self._backward_outputs(ops, run)
        dnext, final = run.scratch["dnext"], self.final_diff(run, 0)
        if final is None:
            ops.fill(dnext, 0.0)
        else:
            ops.copy(final, dnext)
        for t in reversed(range(run.geometry.steps)):
            self._step_back(ops, run, t)
        self.backward_initial(ops, run, dnext)
        self.backward_inputs(ops, run, weights=len(run.param) - 3)

    def _backward_outputs(self, ops: Any, run: Run) -> None:
        rows, doutput = run.geometry.rows, run.scratch["doutput"]
        ops.tanh_backward(run.top[0], run.top_diff[0], doutput)
        dw, db = run.param_diff[-2:]
        hidden = rows(run.scratch["hidden"])
        ops.inner_product_backward_weights(hidden, rows(doutput), dw, db)
        dhidden = rows(run.scratch["dhidden"])
        ops.inner_product_backward_data(rows(doutput), run.param[-2], dhidden)

    def _step_back(self, ops: Any, run: Run, t: int) -> None:
        """From the gradient of the state after step *t* to that before it."""
        dnext, dhidden = run.scratch["dnext"], run.scratch["dhidden"][t]
        dgates = run.scratch["dgates"][t]
        ops.add(dhidden, dnext, dhidden)
        ops.tanh_backward(run.scratch["hidden"][t], dhidden, dgates)
        ops.inner_product_backward_data(dgates, run.param[-3], run.scratch["dheld"])
        self.continued(ops, run, t, run.scratch["dheld"], dnext)
