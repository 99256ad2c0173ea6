"""What is done channel by channel, and sums that were made in parts."""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.cuda.convolution.epilogue import Finish
from netspec.backends.cuda.launch import BLOCK, KernelFile, i32, i64

Array = Any

KERNELS = KernelFile("channels")
WARPS = 8  # of a block, as channels.cu has them
RUN = 2048  # positions that a warp sums at a time
BLOCKS = 512  # that fill any device
# Of a weights' gradient: eight for each processor of the largest devices, so that the
# last ones leave few idle. Their sums take 64 KiB each.
TILES = 1056
LEAST_SLABS = 8  # of a part


def finish_channels(y: Array, last: Finish) -> None:
    """Do to y (N, K, ...) what comes after a convolution, pooling excepted."""
    if not y.size or not last.flags:
        return
    channels = y.shape[1]
    numbers = (i64(y.size), i32(channels), i32(y.size // (len(y) * channels)))
    args = (*last.arrays(), y, *numbers, i32(last.flags))
    KERNELS.over("finish_channels", y.size, args)


def channel_sums(dy: Array, db: Array) -> None:
    """Add the sum of each channel of dy (N, K, ...) to db (K,)."""
    if not dy.size:
        return
    images, channels = dy.shape[:2]
    positions = dy.size // (images * channels)
    if positions == 1:
        numbers = (i32(images), i32(channels))
        KERNELS.launch(
            "column_sums", (-(-channels // BLOCK),), (BLOCK,), (dy, db, *numbers)
        )
        return
    runs = images * -(-positions // RUN)
    count = max(1, min(-(-BLOCKS // channels), -(-runs // WARPS)))
    parts = cupy.empty((count, channels), cupy.float32)
    args = (dy, parts, i32(images), i32(positions))
    KERNELS.launch("channel_sums", (channels, count), (WARPS * 32,), args)
    add_parts(parts, db)


def add_parts(parts: Array, total: Array) -> None:
    """total += the sum of parts (count, *total.shape), added in their order."""
    args = (parts, total, i32(total.size), i32(len(parts)))
    KERNELS.over("add_parts", total.size, args)


def sum_parts(parts: Array, total: Array) -> None:
    """total = the sum of parts (count, *total.shape), added in their order."""
    args = (parts, total, i32(total.size), i32(len(parts)))
    KERNELS.over("sum_parts", total.size, args)


def slabs_of_part(slabs: int, tiles: int, wanted: int = TILES) -> int:
    """How a long sum is cut into parts, so that *tiles* of them are *wanted* blocks.

    Returns:
        Slabs of one part: a function of the shapes, so that sums have one order.
    """
    parts = max(1, wanted // tiles)
    return max(LEAST_SLABS, -(-slabs // parts))
