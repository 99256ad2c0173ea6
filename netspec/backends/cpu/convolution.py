"""Convolution on the CPU: one operation, several algorithms, chosen by geometry alone.

Every algorithm is a module with ``forward``, ``backward_data`` and
``backward_weights``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netspec.backends.base import ConvolutionGeometry, Epilogue, PoolingGeometry
from netspec.backends.cpu import depthwise, direct, winograd
from netspec.backends.cpu.channels import channel_sums
from netspec.backends.cpu.epilogue import finish
from netspec.backends.cpu.frame import AXES, plain, with_neighbours
from netspec.backends.cpu.recording import launches
from netspec.backends.cpu.vectors import ROWS
from netspec.backends.reference.convolution import ConvolutionOps

Array = Any
Suits = Callable[[ConvolutionGeometry], bool]

# Products of one tap in one group up to which lines are faster than matrices.
SLIVER = 4


class CpuConvolutionOps(ConvolutionOps):
    """float32 of up to three spatial axes is compiled; the rest is the reference's.

    Attributes:
        exact: only sums of products as the definition has them; no algorithm whose
            rounding errors are larger (about 1e-5 of the largest value).
    """

    exact = False

    @launches
    def convolution_forward(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        y: Array,
        geo: ConvolutionGeometry,
        after: Epilogue | None = None,
    ) -> None:
        """See :meth:`ConvolutionOps.convolution_forward`."""
        added = [] if after is None or after.other is None else [after.other]
        whole = with_neighbours(y)
        if not _compiled(geo, x, w, whole, *added):
            super().convolution_forward(x, w, b, y, geo, after)
            return
        # Also where a batch has become so small that it would not be chosen any more.
        pools = after is not None and after.pool
        algorithm = winograd if pools else self._choose(winograd.suits_forward, geo)
        algorithm.forward(x, w, whole, geo, finish(geo.filters, b, after, y))

    def pools_convolution(
        self,
        geo: ConvolutionGeometry,
        pooling: PoolingGeometry,
        dtype: str,
        placed: bool = False,
    ) -> bool:
        """See :meth:`ConvolutionOps.pools_convolution`: Winograd's tiles are 4 × 4."""
        window = (pooling.kernel, pooling.stride, pooling.pad)
        rests = (y - 2 * p for y, p in zip(geo.output, pooling.output))
        suits = window == ((2, 2), (2, 2), (0, 0)) and min(rests) >= 0
        return (
            suits
            and dtype == "float32"
            and self._choose(winograd.suits, geo) is winograd
        )

    def parts_convolution(self, geo: ConvolutionGeometry, dtype: str) -> bool:
        """See :meth:`ConvolutionOps.parts_convolution`: of products of one group, and
        some filters."""
        if dtype != "float32":
            return super().parts_convolution(geo, dtype)
        return geo.group == 1 and geo.filters >= ROWS and _products(geo) > SLIVER

    @launches
    def convolution_backward_data(
        self, dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry
    ) -> None:
        """See :meth:`ConvolutionOps.convolution_backward_data`."""
        if not _compiled(geo, dy, w, dx):
            super().convolution_backward_data(dy, w, dx, geo)
            return
        algorithm = self._choose(winograd.suits_data, geo)
        algorithm.backward_data(dy, w, dx, geo)

    @launches
    def convolution_backward_weights(
        self, x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry
    ) -> None:
        """See :meth:`ConvolutionOps.convolution_backward_weights`."""
        if not _compiled(geo, x, dy, dw):
            super().convolution_backward_weights(x, dy, dw, geo)
            return
        algorithm = self._choose(winograd.suits_weights, geo)
        algorithm.backward_weights(x, dy, dw, geo)

    def _choose(self, suits: Suits, geo: ConvolutionGeometry) -> Any:
        if not self.exact and suits(geo):
            return winograd
        return depthwise if _products(geo) <= SLIVER else direct

    @launches
    def channel_sums(self, dy: Array, db: Array) -> None:
        """See :meth:`ConvolutionOps.channel_sums`."""
        if not plain(dy, db):
            super().channel_sums(dy, db)
            return
        channel_sums(dy, db)


def _compiled(geo: ConvolutionGeometry, *arrays: Array) -> bool:
    return len(geo.input) <= AXES and plain(*arrays)


def _products(geo: ConvolutionGeometry) -> int:
    """Products that one tap makes of one position in one group."""
    return geo.channels // geo.group * (geo.filters // geo.group)
