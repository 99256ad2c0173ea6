"""Split: one blob for several readers."""

from __future__ import annotations

from typing import Any

from netspec.layers.base import Alias, Layer, Run, Shapes, at_least, layer


@layer("Split")
class Split(Layer):
    """Caffe's Split: the tops are the bottom's own memory, and their diffs add up."""

    tops = at_least(1)
    alias = Alias.DATA
    backward_reads_bottom = False
    repeats = True

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The bottom's shape for every top."""
        return (bottom[0],) * len(self.proto.top)

    def forward(self, ops: Any, run: Run) -> None:
        """Nothing: the tops are the bottom's memory."""

    def backward(self, ops: Any, run: Run) -> None:
        """Add the tops' diffs in order; a top without one adds nothing."""
        dx = run.bottom_diff[0]
        diffs = [dy for dy in run.top_diff if dy is not None]
        if not diffs:
            ops.fill(dx, 0.0)
        elif len(diffs) == 1:
            ops.copy(diffs[0], dx)
        else:
            ops.add(diffs[0], diffs[1], dx)
            for dy in diffs[2:]:
                ops.add(dx, dy, dx)
