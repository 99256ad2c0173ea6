"""Launches of kernels that treat each element by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.backends.cuda.launch import KernelFile, i32, i64
from netspec.errors import DeviceError

Array = Any

VECTOR = 4  # elements that a thread takes at a time: 16 bytes


def each(
    kernels: KernelFile, kernel: str, arrays: Sequence[Array], *numbers: Any
) -> None:
    """Launch a kernel (arrays ..., n, numbers ...) over the n elements of the arrays.

    Raises:
        DeviceError: the arrays differ in size, beside what a launch refuses.
    """
    sizes = [array.size for array in arrays]
    if len(set(sizes)) > 1:
        raise DeviceError(
            f"kernel {kernel!r}: arrays of {', '.join(map(str, sizes))} elements.",
            "Give arrays of one size.",
        )
    count = sizes[0]
    kernels.over(kernel, -(-count // VECTOR), (*arrays, i64(count), *numbers))


def each_in_channels(
    kernels: KernelFile,
    kernel: str,
    arrays: Sequence[Array],
    shape: tuple[int, int, int],
    *numbers: Any,
) -> None:
    """The same for a kernel (arrays ..., n, channels, inner, numbers ...).

    Args:
        shape: (outer, channels, inner) of the elements; arrays of one number a channel
            are among the others.
    """
    outer, channels, inner = shape
    count = outer * channels * inner
    sizes = i64(count), i32(channels), i64(inner)
    kernels.over(kernel, -(-count // VECTOR), (*arrays, *sizes, *numbers))
