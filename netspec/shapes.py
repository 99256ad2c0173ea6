"""Output-size arithmetic: pure functions of integers and tuples.

Every layer that slides a window asks here; nothing else in netspec divides by a
stride.  The hand-worked cases are in ``tests/test_shapes.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from netspec.errors import SpecError

Shape = tuple[int, ...]


def window_extent(kernel: int, dilation: int = 1) -> int:
    """Pixels a dilated kernel spans: ``dilation * (kernel - 1) + 1``."""
    return dilation * (kernel - 1) + 1


def convolution_size(
    size: int, kernel: int, stride: int = 1, pad: int = 0, dilation: int = 1
) -> int:
    """Output length of a convolution: rounds towards zero, as Caffe's Convolution.

    So a kernel that sticks out by less than a stride still gives one output, which
    sees zeros beyond the input.  May be zero or negative when the kernel does not
    fit; the caller reports it.
    """
    span = size + 2 * pad - window_extent(kernel, dilation)
    return (span // stride if span >= 0 else -(-span // stride)) + 1


def deconvolution_size(
    size: int, kernel: int, stride: int = 1, pad: int = 0, dilation: int = 1
) -> int:
    """Output length of a deconvolution, the inverse of :func:`convolution_size`."""
    return stride * (size - 1) + window_extent(kernel, dilation) - 2 * pad


def pooling_size(
    size: int,
    kernel: int,
    stride: int = 1,
    pad: int = 0,
    ceil: bool = True,
    padded: bool | None = None,
) -> int:
    """Output length of Caffe's Pooling.

    Rounds up by default; where there is padding, a last window that would start
    at or beyond the far edge of the unpadded input is dropped.  Caffe drops it along
    both axes when either has padding: *padded*, by default whether this one has.
    """
    span = size + 2 * pad - kernel
    pooled = (-(-span // stride) if ceil else span // stride) + 1
    padded = pad > 0 if padded is None else padded
    if padded and (pooled - 1) * stride >= size + pad:
        pooled -= 1
    return pooled


def canonical_axis(axis: int, axes: int, field: str = "axis") -> int:
    """*axis* counted from the front; negative axes count from the back.

    Raises:
        SpecError: outside ``[-axes, axes)``.
    """
    if not -axes <= axis < axes:
        raise SpecError(
            f"{field} {axis} is out of range for a blob of {axes} axes.",
            f"Choose from {-axes} to {axes - 1}." if axes else "The blob has no axes.",
            field=field,
        )
    return axis % axes


def per_axis(values: Sequence[int], axes: int, default: int, field: str) -> Shape:
    """One value for each of *axes* spatial axes from a repeated Caffe field.

    The field may be absent (*default* everywhere), given once for all axes, or
    given once per axis.

    Raises:
        SpecError: another number of values.
    """
    if len(values) not in (0, 1, axes):
        raise SpecError(
            f"{field} is given {len(values)} times for {axes} spatial axes.",
            f"Give it once, or {axes} times.",
            field=field,
        )
    if not values:
        return (default,) * axes
    return tuple(values) if len(values) == axes else (values[0],) * axes


def count(shape: Shape, start: int = 0, stop: int | None = None) -> int:
    """Number of elements along axes *start* to *stop* (1 for no axes)."""
    return prod(shape[start:stop])


def describe(shape: Shape) -> str:
    """A shape as messages print it: ``2x3x224x224``, or ``scalar``."""
    return "x".join(map(str, shape)) or "scalar"
