"""LSTMUnit: one step of an LSTM's cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, Layer, Run, Scratch, Shapes, exactly, layer
from netspec.layers.loss import refuse_gradient
from netspec.shapes import describe


@layer("LSTMUnit")
class LSTMUnit(Layer):
    """Caffe's LSTMUnit: the cell before (1, N, D), gates (1, N, 4 D) in the order
    input, forget, output, new value, and cont (1, N), to the cell and the output.
    """

    bottoms, tops = exactly(3), exactly(2)
    backward_reads_top = True

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """Both tops have the shape of the cell."""
        cell = bottom[0]
        if len(cell) != 3 or cell[0] != 1:
            raise SpecError(
                f"bottom 0 has shape {describe(cell)}.",
                "It must have 1 x sequences x size, the cells of one step.",
                field="bottom.0",
            )
        wanted = (cell, (*cell[:2], 4 * cell[2]), cell[:2])
        for i, (found, fits) in enumerate(zip(bottom, wanted)):
            if found != fits:
                raise SpecError(
                    f"bottom {i} has shape {describe(found)}, bottom 0 has "
                    f"{describe(cell)}.",
                    f"Bottom {i} must have {describe(fits)}.",
                    field=f"bottom.{i}",
                )
        return (cell, cell)

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """Gradients that no bottom wants."""
        shapes = {"dcell": bottom[0], "dgates": bottom[1]}
        return {name: Scratch(s, training=True) for name, s in shapes.items()}

    def couples_batch(self, bottom: Shapes) -> bool:
        """The first axis is that of the steps."""
        return True

    def allows_force_backward(self, bottom: int) -> bool:
        """Everything but cont has a gradient."""
        return bottom != 2

    def forward(self, ops: Any, run: Run) -> None:
        """One step."""
        cell, gates, cont = (b[0] for b in run.bottom)
        ops.lstm_unit(cell, gates, cont, run.top[0][0], run.top[1][0])

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients of the cell before and of the gates."""
        refuse_gradient(run, 2, "sequence indicators (cont)")
        cell, gates, cont = (b[0] for b in run.bottom)
        dc: Array
        dh: Array
        dc, dh = run.top_diff
        wanted = run.bottom_diff
        dcell = run.scratch["dcell"] if wanted[0] is None else wanted[0]
        dgates = run.scratch["dgates"] if wanted[1] is None else wanted[1]
        ops.lstm_unit_backward(
            cell, gates, cont, run.top[0][0], dc[0], dh[0], dcell[0], dgates[0]
        )
