"""Tile: copies of the bottom, one after another along an axis."""

from __future__ import annotations

from typing import Any

from netspec.errors import SpecError
from netspec.layers.base import Array, Layer, Run, Shapes, layer
from netspec.shapes import Shape, canonical_axis, count

PREFIX = "tile_param"


@layer("Tile")
class Tile(Layer):
    """Caffe's Tile."""

    backward_reads_bottom = False

    def setup(self) -> None:
        """Read the axis and the number of copies."""
        self.message = self.proto.tile_param
        self.tiles: int = self.message.tiles
        if self.tiles < 1:
            found = (
                f"is {self.tiles}" if self.message.HasField("tiles") else "is missing"
            )
            raise SpecError(
                f"tiles {found}.", "It must be at least 1.", field=f"{PREFIX}.tiles"
            )

    def _axis(self, bottom: Shapes) -> int:
        return canonical_axis(self.message.axis, len(bottom[0]), f"{PREFIX}.axis")

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """The axis times the number of copies."""
        shape, axis = bottom[0], self._axis(bottom)
        return ((*shape[:axis], shape[axis] * self.tiles, *shape[axis + 1 :]),)

    def geometry(self, bottom: Shapes) -> Shape:
        """Blocks before the axis, and elements of a copy of one."""
        axis = self._axis(bottom)
        return count(bottom[0], 0, axis), count(bottom[0], axis)

    def couples_batch(self, bottom: Shapes) -> bool:
        """Whether the batch itself is repeated."""
        return self._axis(bottom) == 0

    def forward(self, ops: Any, run: Run) -> None:
        """Copy."""
        ops.tile(run.bottom[0].reshape(run.geometry), self._tiled(run.top[0], run))

    def backward(self, ops: Any, run: Run) -> None:
        """The copies' gradients add up."""
        dx: Array = run.bottom_diff[0]
        dy = self._tiled(run.top_diff[0], run)
        ops.tile_backward(dy, dx.reshape(run.geometry))

    def _tiled(self, y: Array, run: Run) -> Array:
        outer, size = run.geometry
        return y.reshape(outer, self.tiles, size)
