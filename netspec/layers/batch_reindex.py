"""BatchReindex: the rows of a batch in another order, some more than once or never."""

from __future__ import annotations

from typing import Any

from netspec.errors import DataError, SpecError
from netspec.layers.base import Array, Layer, Run, Shapes, exactly, layer
from netspec.layers.loss import refuse_gradient
from netspec.shapes import describe


@layer("BatchReindex")
class BatchReindex(Layer):
    """Caffe's BatchReindex: row i of the top is the row of bottom 0 that bottom 1[i]
    names."""

    bottoms = exactly(2)

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """Bottom 0 with as many rows as there are indices."""
        if not bottom[0] or len(bottom[1]) != 1:
            raise SpecError(
                f"bottom 0 has shape {describe(bottom[0])}, bottom 1 has "
                f"{describe(bottom[1])}.",
                "Bottom 0 must have rows, bottom 1 one axis, of indices.",
                field="bottom.1",
            )
        return ((*bottom[1], *bottom[0][1:]),)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Indices may name any row of the batch."""
        return True

    def forward(self, ops: Any, run: Run) -> None:
        """Look the rows up.

        Raises:
            DataError: an index that is no row.
        """
        x, index = run.bottom
        at = ops.first_bad_label(index, len(x), None)
        if at >= 0:
            raise DataError(
                f"index {float(index[at]):g} is outside 0 to {len(x) - 1}: there are "
                f"{len(x)} rows.",
                "Correct the indices.",
            )
        rows = x.reshape(len(x), -1)
        ops.take_rows(rows, index, run.top[0].reshape(len(index), -1))

    def backward(self, ops: Any, run: Run) -> None:
        """A row's gradient is the sum over its copies."""
        refuse_gradient(run, what="indices")
        dx, index = run.bottom_diff[0], run.bottom[1]
        dy: Array = run.top_diff[0]
        if dx is not None:
            ops.fill(dx, 0.0)
            rows = dx.reshape(len(dx), -1)
            ops.add_rows(dy.reshape(len(index), -1), index, rows)
