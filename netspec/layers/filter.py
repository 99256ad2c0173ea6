"""Filter: the rows that a selector keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, Layer, Run, Scratch, Shapes, at_least, layer
from netspec.layers.loss import refuse_gradient
from netspec.shapes import count, describe


@layer("Filter")
class Filter(Layer):
    """Caffe's Filter: of every bottom but the last, the rows where the last, the
    selector, is not 0; a top for each.

    How many rows there are is known when the selector is: every pass resizes the tops
    and what follows.  A batch may keep none only where no layer reads the tops.
    """

    bottoms, tops = at_least(2), at_least(1)
    resizes = True
    backward_reads_bottom = False

    def check_arity(self, bottoms: int, tops: int) -> None:
        """A top for each bottom but the selector."""
        super().check_arity(bottoms, tops)
        if tops != bottoms - 1:
            raise SpecError(
                f"has {tops} tops for {bottoms} bottoms.",
                "Give a top for each bottom but the last, which selects.",
                field="top",
            )

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """As if every row was kept."""
        *filtered, selector = bottom
        last = len(filtered)
        if not selector or count(selector, 1) != 1:
            raise SpecError(
                f"bottom {last}, the selector, has shape {describe(selector)}.",
                "It must hold one number a row.",
                field=f"bottom.{last}",
            )
        for i, shape in enumerate(filtered):
            if shape[:1] != selector[:1]:
                raise SpecError(
                    f"bottom {i} has shape {describe(shape)}, the selector (bottom "
                    f"{last}) has {describe(selector)}.",
                    "Both must have as many rows.",
                    field=f"bottom.{i}",
                )
        return tuple(filtered)

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """The numbers of the rows that are kept, in front."""
        return {"kept": Scratch(bottom[-1][:1], "int64")}

    def couples_batch(self, bottom: Shapes) -> bool:
        """Which row becomes which depends on the others."""
        return True

    def forward(self, ops: Any, run: Run) -> None:
        """Select, resize, copy."""
        *filtered, selector = run.bottom
        kept = ops.kept_rows(selector.reshape(-1), run.scratch["kept"])
        run.resize(tuple((kept, *x.shape[1:]) for x in filtered))
        index = run.scratch["kept"][:kept]
        for x, y in zip(filtered, run.top):
            ops.take_rows(_rows(x), index, _rows(y))

    def backward(self, ops: Any, run: Run) -> None:
        """Rows that were kept get their gradients, the others 0."""
        refuse_gradient(run, len(run.bottom) - 1, "selector")
        for i, dy in enumerate(run.top_diff):
            self._backward(ops, run, run.bottom_diff[i], dy)

    def _backward(self, ops: Any, run: Run, dx: Array | None, dy: Array) -> None:
        if dx is not None:
            ops.fill(dx, 0.0)
            index = run.scratch["kept"][: len(dy)]
            ops.add_rows(_rows(dy), index, _rows(dx))


def _rows(x: Array) -> Array:
    return x.reshape(len(x), count(x.shape, 1))
