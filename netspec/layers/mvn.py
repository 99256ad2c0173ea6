"""MVN: each channel of an image brought to mean 0 and deviation 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netspec.layers.base import Array, Layer, Run, Scratch, Shapes, layer
from netspec.shapes import Shape, count


@layer("MVN")
class MVN(Layer):
    """Caffe's MVN: (x - mean) / (deviation + eps) for each channel of each image, or
    for each image (across_channels); or the mean is subtracted only.

    The gradient takes the deviation to be without eps.  It is told from the output, so
    that it is right in place as well, where Caffe's is not.
    """

    allows_in_place = True
    backward_reads_bottom = False

    def setup(self) -> None:
        """Read mvn_param."""
        param = self.proto.mvn_param
        self.divides: bool = param.normalize_variance
        self.eps: float = param.eps
        self.axes = 1 if param.across_channels else 2
        self.backward_reads_top = self.divides

    def geometry(self, bottom: Shapes) -> Shape:
        """Means, and values behind each."""
        return count(bottom[0], 0, self.axes), count(bottom[0], self.axes)

    def scratch(self, bottom: Shapes, in_place: bool) -> Mapping[str, Scratch]:
        """What each row was divided by."""
        rows = self.geometry(bottom)[:1]
        return {"deviation": Scratch(rows)} if self.divides else {}

    def forward(self, ops: Any, run: Run) -> None:
        """Normalise."""
        x, y = (a.reshape(run.geometry) for a in (run.bottom[0], run.top[0]))
        ops.normalize_rows(x, y, run.scratch.get("deviation"), self.eps)

    def backward(self, ops: Any, run: Run) -> None:
        """(dy - mean(dy) - y · mean(dy · y)) / deviation."""
        arrays: list[Array] = [run.top[0], run.top_diff[0], run.bottom_diff[0]]
        y, dy, dx = (a.reshape(run.geometry) for a in arrays)
        ops.normalize_rows_backward(y, run.scratch.get("deviation"), dy, dx)
