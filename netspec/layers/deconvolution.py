"""Deconvolution: a convolution with its forward and its data gradient exchanged."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import ConvolutionGeometry
from netspec.errors import SpecError
from netspec.layers.base import Run, Shapes, Stage, Window, layer
from netspec.layers.convolution import PREFIX, Convolution, inputs, outputs
from netspec.shapes import (
    Shape,
    count,
    deconvolution_size,
    describe,
    window_extent,
)


@layer("Deconvolution")
class Deconvolution(Convolution):
    """Caffe's Deconvolution (transposed convolution), with Convolution's fields.

    Its geometry is that of the convolution it reverses: the top is that one's input,
    the bottom its output.
    """

    def _output(self, shape: Shape) -> Shape:
        geo = self.geometry((shape,))
        if any(n < 1 for n in geo.input):
            raise SpecError(
                f"pad {describe(geo.pad)} leaves nothing of the output "
                f"(kernel {describe(geo.kernel)}, stride {describe(geo.stride)}).",
                "Choose less padding.",
                field=f"{PREFIX}.pad{'_h' if self._two('pad') else ''}",
            )
        return geo.input

    def geometry(self, bottom: Shapes) -> ConvolutionGeometry:
        """The arithmetic of the convolution from top to bottom."""
        shape, axis = bottom[0], self._axis(bottom[0])
        window = self._window(bottom)
        axes = zip(
            shape[axis + 1 :],
            window.kernel,
            window.stride,
            window.pad,
            window.dilation,
            strict=True,
        )
        return ConvolutionGeometry(
            batch=count(shape, 0, axis),
            channels=self.filters,
            filters=shape[axis],
            input=tuple(deconvolution_size(*each) for each in axes),
            kernel=window.kernel,
            stride=window.stride,
            pad=window.pad,
            dilation=window.dilation,
            group=self.group,
        )

    def absorbs(self, stage: Stage, bottom: Shapes) -> bool:
        """Nothing."""
        return False

    def parts_top(self, ops: Any, bottom: Shapes, dtype: str) -> bool:
        """No."""
        return False

    def receptive(self, bottom: Shapes) -> Window:
        """What one output sees of the bottom, whose pixels lie a stride apart.

        The distance between outputs, a fraction of a bottom pixel, counts as one.
        """
        window = self._window(bottom)
        extents = map(window_extent, window.kernel, window.dilation)
        seen = tuple(-(-n // step) for n, step in zip(extents, window.stride))
        ones = (1,) * len(seen)
        return Window(seen, ones, (0,) * len(seen), ones)

    def forward(self, ops: Any, run: Run) -> None:
        """Deconvolve every bottom."""
        geo: ConvolutionGeometry = run.geometry
        for bottom, top in zip(run.bottom, run.top, strict=True):
            x, y = outputs(bottom, geo), inputs(top, geo)
            ops.deconvolution_forward(x, run.param[0], self._bias(run.param), y, geo)

    def backward(self, ops: Any, run: Run) -> None:
        """Gradients of every bottom; those of the parameters add up."""
        geo: ConvolutionGeometry = run.geometry
        arrays = zip(run.bottom, run.top_diff, run.bottom_diff, strict=True)
        for bottom, above, below in arrays:
            ops.deconvolution_backward(
                outputs(bottom, geo),
                run.param[0],
                inputs(above, geo),
                None if below is None else outputs(below, geo),
                run.param_diff[0],
                self._bias(run.param_diff),
                geo,
            )
