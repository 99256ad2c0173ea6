"""The operations of convolution: each is done by the algorithm that was chosen."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cupy

from netspec.backends.base import ConvolutionGeometry, Epilogue, PoolingGeometry
from netspec.backends.cuda.choice import Choices
from netspec.backends.cuda.convolution import columns
from netspec.backends.cuda.convolution.candidates import (
    DATA,
    FORWARD,
    POOLED,
    WEIGHTS,
    Algorithm,
    default,
    suitable,
)
from netspec.backends.cuda.convolution.channels import channel_sums, finish_channels
from netspec.backends.cuda.convolution.epilogue import finish
from netspec.backends.cuda.convolution.frame import AXES
from netspec.backends.reference.convolution import ConvolutionOps
from netspec.shapes import Shape, describe

Array = Any

KEPT = 1024  # questions, with what suits them


class CudaConvolutionOps(ConvolutionOps):
    """Convolution of float32 by kernels, and by cuBLAS.

    Attributes:
        precision: what the multipliers are fed: "fp32", "tf32" or "fp16".
        exact: only sums of products as the definition has them; no algorithm whose
            rounding errors are larger (about 1e-5 of the largest value).
        choices: which algorithm computes what.
    """

    precision = "fp32"
    exact = False
    choices: Choices

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
        last = finish(geo.filters, b, after)
        operation = POOLED if last.pools else FORWARD
        self._do(operation, geo, lambda a: a.forward(x, w, y, geo, last))

    def pools_convolution(
        self,
        geo: ConvolutionGeometry,
        pooling: PoolingGeometry,
        dtype: str,
        placed: bool = False,
    ) -> bool:
        """See :meth:`ConvolutionOps.pools_convolution`; places nobody writes."""
        window = (pooling.kernel, pooling.stride, pooling.pad)
        if placed or window != ((2, 2), (2, 2), (0, 0)) or len(geo.input) != AXES:
            return False
        rests = (y - 2 * p for y, p in zip(geo.output, pooling.output))
        if min(rests) < 0 or dtype != "float32":
            return False
        # A depthwise convolution is quicker than a tile, and leaves pooling to others.
        ways = suitable(geo, FORWARD, self.precision, self.exact)
        return ways[default(geo, FORWARD, ways)].pools

    def adds_to_convolution(self) -> bool:
        """No: what is added to a convolution is added in a pass of its own."""
        return False

    def parts_convolution(self, geo: ConvolutionGeometry, dtype: str) -> bool:
        """No: kernels store images one after the other."""
        return False

    def convolution_backward_data(
        self, dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry
    ) -> None:
        """See :meth:`ConvolutionOps.convolution_backward_data`."""
        self._backward_data(dy, w, None, dx, geo)

    def _backward_data(
        self, dy: Array, w: Array, b: Array | None, dx: Array, geo: ConvolutionGeometry
    ) -> None:
        last = finish(geo.channels, b)
        self._do(DATA, geo, lambda a: a.backward_data(dy, w, dx, geo, last))

    def convolution_backward_weights(
        self, x: Array, dy: Array, dw: Array, geo: ConvolutionGeometry
    ) -> None:
        """See :meth:`ConvolutionOps.convolution_backward_weights`."""

        def trial(algorithm: Algorithm) -> None:
            algorithm.backward_weights(x, dy, cupy.zeros_like(dw), geo)

        self._do(WEIGHTS, geo, lambda a: a.backward_weights(x, dy, dw, geo), trial)

    def deconvolution_forward(
        self, x: Array, w: Array, b: Array | None, y: Array, geo: ConvolutionGeometry
    ) -> None:
        """See :meth:`ConvolutionOps.deconvolution_forward`."""
        self._backward_data(x, w, b, y, geo)

    def channel_bias(self, y: Array, b: Array) -> None:
        """See :meth:`ConvolutionOps.channel_bias`."""
        finish_channels(y, finish(len(b), b))

    def channel_sums(self, dy: Array, db: Array) -> None:
        """See :meth:`ConvolutionOps.channel_sums`."""
        channel_sums(dy, db)

    def image_to_columns(self, x: Array, y: Array, geo: ConvolutionGeometry) -> None:
        """See :meth:`ColumnOps.image_to_columns`."""
        columns.image_to_columns(x, y, geo)

    def columns_to_image(self, dy: Array, dx: Array, geo: ConvolutionGeometry) -> None:
        """See :meth:`ColumnOps.columns_to_image`."""
        columns.columns_to_image(dy, dx, geo)

    def _do(
        self,
        operation: str,
        geo: ConvolutionGeometry,
        work: Callable[[Algorithm], None],
        trial: Callable[[Algorithm], None] | None = None,
    ) -> None:
        """Do the work by the algorithm that was chosen; *trial* is harmless work."""
        asked, ways, usual = _asked(operation, geo, self.precision, self.exact)
        tried = trial or work
        name = self.choices.pick(asked, ways, usual, lambda name: tried(ways[name]))
        work(ways[name])


@lru_cache(maxsize=KEPT)
def _asked(
    operation: str, geo: ConvolutionGeometry, precision: str, exact: bool
) -> tuple[str, dict[str, Algorithm], str]:
    """The question, what suits it, and the default."""
    ways = suitable(geo, operation, precision, exact)
    return question(operation, geo, precision), ways, default(geo, operation, ways)


def question(operation: str, geo: ConvolutionGeometry, precision: str) -> str:
    """What :class:`Choices` is asked, in words that a person can read."""
    window = (geo.kernel, geo.stride, geo.pad, geo.dilation)
    names = ("kernel", "stride", "pad", "dilation")
    axes = (f"{name} {_axes(value)}" for name, value in zip(names, window))
    return (
        f"{operation} {precision}, {geo.batch} of {geo.channels} x {_axes(geo.input)} "
        f"to {geo.filters}, {', '.join(axes)}, group {geo.group}"
    )


def _axes(shape: Shape) -> str:
    return describe(shape) if shape else "1"
