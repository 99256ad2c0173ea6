"""What is done channel by channel, and sums that were made in parts."""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.cuda.launch import KernelFile, i32, i64

Array = Any

KERNELS = KernelFile("channels")
WARPS = 8  # of a block, as channels.cu has them
RUN = 2048  # positions that a warp sums at a time
BLOCKS = 512  # that fill any device


def channel_bias(y: Array, b: Array) -> None:
    """Add b[k] to channel k of y (N, K, ...)."""
    if not y.size:
        return
    positions = y.size // (y.shape[0] * y.shape[1])
    args = (b, y, i64(y.size), i32(y.shape[1]), i32(positions))
    KERNELS.over("channel_bias", y.size, args)


def channel_sums(dy: Array, db: Array) -> None:
    """Add the sum of each channel of dy (N, K, ...) to db (K,)."""
    if not dy.size:
        return
    images, channels = dy.shape[:2]
    positions = dy.size // (images * channels)
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
