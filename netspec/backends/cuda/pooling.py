"""Pooling: a thread for each output, or for each pixel of a gradient."""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.base import PoolingGeometry
from netspec.backends.cuda.launch import KernelFile, i32, i64, u32
from netspec.backends.cuda.rows import over_rows
from netspec.random import Key
from netspec.shapes import count

Array = Any

KERNELS = KernelFile("pooling")


def _pool(
    kernel: str, arrays: tuple[Array, ...], over: Array, g: PoolingGeometry, *more: Any
) -> None:
    """Launch (arrays, n, geometry, more) for each element of *over*."""
    sizes = (*g.input, *g.output, *g.kernel, *g.stride, *g.pad)
    arguments = *arrays, i64(over.size), *map(i32, sizes), *more
    KERNELS.over(kernel, over.size, arguments)


def _is_global(g: PoolingGeometry) -> bool:
    """Whether one window covers the whole plane, and nothing else."""
    return g.kernel == g.input and count(g.output) == 1 and not any(g.pad)


class CudaPoolingOps:
    """The kernels' names end in the type of the index."""

    def max_pool(
        self, x: Array, y: Array, index: Array | None, g: PoolingGeometry
    ) -> None:
        """See :meth:`PoolingOps.max_pool`."""
        if index is None:
            _pool("max_pool", (x, y), y, g)
        else:
            _pool(f"max_pool_{index.dtype.name}", (x, y, index), y, g)

    def max_pool_backward(
        self, dy: Array, index: Array, dx: Array, g: PoolingGeometry
    ) -> None:
        """See :meth:`PoolingOps.max_pool_backward`."""
        _pool(f"max_pool_backward_{index.dtype.name}", (dy, index, dx), dx, g)

    def max_pool_mask(self, index: Array, mask: Array, g: PoolingGeometry) -> None:
        """See :meth:`PoolingOps.max_pool_mask`."""
        _pool(f"max_pool_mask_{index.dtype.name}", (index, mask), mask, g)

    def average_pool(self, x: Array, y: Array, g: PoolingGeometry) -> None:
        """See :meth:`PoolingOps.average_pool`."""
        if _is_global(g):
            arguments = x, y, i64(y.size), i32(count(g.input))
            over_rows(KERNELS, "average_planes", y.size, count(g.input), arguments)
        else:
            _pool("average_pool", (x, y), y, g)

    def average_pool_backward(self, dy: Array, dx: Array, g: PoolingGeometry) -> None:
        """See :meth:`PoolingOps.average_pool_backward`."""
        _pool("average_pool_backward", (dy, dx), dx, g)

    def stochastic_pool(
        self,
        x: Array,
        y: Array,
        index: Array,
        g: PoolingGeometry,
        key: Key,
        first_sample: int = 0,
    ) -> None:
        """See :meth:`StochasticPoolingOps.stochastic_pool`: the same words."""
        words = first_sample & 0xFFFFFFFF, *key.high_counter, *key.words
        each = i64(g.channels * count(g.output))
        kernel = f"stochastic_pool_{index.dtype.name}"
        _pool(kernel, (x, y, index), y, g, each, *map(u32, words))

    def expected_pool(self, x: Array, y: Array, g: PoolingGeometry) -> None:
        """See :meth:`StochasticPoolingOps.expected_pool`."""
        _pool("expected_pool", (x, y), y, g)

    def expected_pool_backward(
        self, x: Array, y: Array, dy: Array, dx: Array, g: PoolingGeometry
    ) -> None:
        """See :meth:`StochasticPoolingOps.expected_pool_backward`."""
        share = cupy.empty(dy.shape, cupy.float32)
        _pool("window_shares", (x, dy, share), dy, g)
        _pool("expected_pool_backward", (x, y, share, dx), dx, g)
