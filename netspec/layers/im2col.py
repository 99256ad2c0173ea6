"""Im2col: the values that every output of a convolution would meet."""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.backends.base import ConvolutionGeometry
from netspec.layers.base import Array, ParamSpec, Run, Shapes, Stage, exactly, layer
from netspec.layers.convolution import PREFIX, Convolution, inputs
from netspec.shapes import count


@layer("Im2col")
class Im2col(Convolution):
    """Caffe's Im2col, with Convolution's fields: each channel becomes as many as the
    kernel has taps, and has no weights."""

    bottoms: ClassVar = exactly(1)
    tops: ClassVar = exactly(1)
    backward_reads_bottom = False

    def setup(self) -> None:
        """Read convolution_param; there are no filters."""
        self.message = getattr(self.proto, PREFIX)
        self.filters = self.group = 1

    def infer_shapes(self, bottom: Shapes) -> Shapes:
        """Channels times taps, each spatial size what the window leaves."""
        shape, axis = bottom[0], self._axis(bottom[0])
        output = self._output(shape)
        channels = shape[axis] * count(self.geometry(bottom).kernel)
        return ((*shape[:axis], channels, *output),)

    def params(self, bottom: Shapes) -> tuple[ParamSpec, ...]:
        """None."""
        return ()

    def absorbs(self, stage: Stage, bottom: Shapes) -> bool:
        """Nothing."""
        return False

    def parts_top(self, ops: Any, bottom: Shapes, dtype: str) -> bool:
        """No."""
        return False

    def macs(self, bottom: Shapes, top: Shapes) -> int:
        """None: values are copied."""
        return 0

    def forward(self, ops: Any, run: Run) -> None:
        """Copy what each window meets."""
        geo = run.geometry
        ops.image_to_columns(inputs(run.bottom[0], geo), _columns(run.top[0], geo), geo)

    def backward(self, ops: Any, run: Run) -> None:
        """A pixel's gradient is the sum over the windows that met it."""
        geo, dx = run.geometry, run.bottom_diff[0]
        ops.columns_to_image(_columns(run.top_diff[0], geo), inputs(dx, geo), geo)


def _columns(top: Array, geo: ConvolutionGeometry) -> Array:
    """A top as (N, C · taps, out...)."""
    return top.reshape(geo.batch, geo.channels * count(geo.kernel), *geo.output)
