"""The values that every output of a convolution meets, as an array, and back."""

from __future__ import annotations

from typing import Any

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.reference.convolution import inside, taps, with_margins
from netspec.shapes import count

Array = Any


class ColumnOps:
    """Caffe's Im2col: x (N, C, in...), y (N, C · taps, out...); padding is 0.

    Channel c and tap t, counted row by row, are channel c · taps + t of y.
    """

    def image_to_columns(self, x: Array, y: Array, geo: ConvolutionGeometry) -> None:
        """y = what each output position meets."""
        wide, columns = with_margins(x, geo), _by_tap(y, geo)
        for number, (_, window) in enumerate(taps(geo)):
            columns[:, :, number] = wide[window]

    def columns_to_image(self, dy: Array, dx: Array, geo: ConvolutionGeometry) -> None:
        """dx = the sums of what each pixel was met as: the gradient."""
        wide, columns = with_margins(dx, geo), _by_tap(dy, geo)
        wide[...] = 0
        for number, (_, window) in enumerate(taps(geo)):
            wide[window] += columns[:, :, number]
        dx[...] = wide[inside(geo)]


def _by_tap(y: Array, geo: ConvolutionGeometry) -> Array:
    """A view (N, C, taps, out...)."""
    return y.reshape(geo.batch, geo.channels, count(geo.kernel), *geo.output)
