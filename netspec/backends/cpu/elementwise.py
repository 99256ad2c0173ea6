"""Element-wise operations by compiled kernels.

Overridden is what NumPy takes several passes or a temporary array for, and what a
large array is worth several threads for.  Sigmoid, tanh, powers and products stay
NumPy's: its vectorised functions measure ten to fifty times faster than the C
library's, which a kernel would call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from netspec.backends.cpu.memory import (
    PAST_CACHES,
    copy_past_caches,
    fill_past_caches,
    put_sum,
)
from netspec.backends.cpu.philox import WORD, philox
from netspec.backends.cpu.recording import launches
from netspec.backends.cpu.threads import claim, share
from netspec.backends.reference.elementwise import ElementwiseOps, drop_below
from netspec.compiled import njit
from netspec.random import Key

Array = Any

LONG = 1 << 17  # elements from which on NumPy is slower than several workers
EFFORT = 4  # multiply-adds that take as long as an element
CHUNK = 1 << 14  # elements of one task: all its arrays fit the first-level cache


def as_vectors(*arrays: Array) -> list[Array] | None:
    """The arrays as vectors where the kernels take them: contiguous float32."""
    if all(a.dtype == np.float32 and a.flags.c_contiguous for a in arrays):
        return [a.reshape(-1) for a in arrays]
    return None


def unless_same(target: Array, source: Array) -> Array | None:
    """*target*, or None where it is *source*'s memory.

    A kernel that works in place is told so: the compiler makes vectors of a loop only
    where it knows that two arrays are one, or sees that they do not meet.
    """
    return None if np.may_share_memory(target, source) else target


def by_chunks(kernel: Callable[..., None], first: Array, *args: Any) -> None:
    """Run a kernel over *first* and its like, a chunk a task."""
    share(kernel, -(-first.size // CHUNK), first, *args, work=EFFORT * first.size)


class CpuElementwiseOps(ElementwiseOps):
    """float32 by kernels; other types as the reference does."""

    @launches
    def relu(self, x: Array, y: Array, slope: float = 0.0) -> None:
        """See :meth:`ElementwiseOps.relu`."""
        flat = as_vectors(x, y)
        if flat is None:
            super().relu(x, y, slope)
        else:
            x, y = flat
            by_chunks(_relu, x, unless_same(y, x), np.float32(slope))

    @launches
    def relu_backward(self, y: Array, dy: Array, dx: Array, slope: float = 0.0) -> None:
        """See :meth:`ElementwiseOps.relu_backward`."""
        flat = as_vectors(y, dy, dx)
        if flat is None:
            super().relu_backward(y, dy, dx, slope)
        else:
            y, dy, dx = flat
            by_chunks(_relu_backward, y, dy, unless_same(dx, dy), np.float32(slope))

    def dropout(
        self,
        x: Array,
        y: Array,
        mask: Array,
        ratio: float,
        key: Key,
        first_sample: int = 0,
    ) -> None:
        """See :meth:`ElementwiseOps.dropout`; the same masks, bit for bit."""
        if as_vectors(x, y) is None or not x.size:
            super().dropout(x, y, mask, ratio, key, first_sample)
            return
        rows = x.shape[0] if x.ndim else 1
        strips = -(-(x.size // rows) // CHUNK)
        fixed = np.array([*key.high_counter, *key.words], np.uint64)
        share(
            _dropout, rows * strips, strips,
            *(a.reshape(rows, -1) for a in (x, y, mask)),
            np.uint64(drop_below(ratio)), np.float32(1 / (1 - ratio)),
            fixed, np.uint64(first_sample), work=x.size,
        )  # fmt: skip

    @launches
    def dropout_backward(self, dy: Array, mask: Array, dx: Array, ratio: float) -> None:
        """See :meth:`ElementwiseOps.dropout_backward`."""
        flat = as_vectors(dy, dx)
        if flat is None:
            super().dropout_backward(dy, mask, dx, ratio)
        else:
            dy, dx = flat
            scale = np.float32(1 / (1 - ratio))
            by_chunks(_masked, dy, unless_same(dx, dy), mask.reshape(-1), scale)

    @launches
    def fill(self, y: Array, value: float) -> None:
        """See :meth:`ElementwiseOps.fill`."""
        flat = as_vectors(y)
        if flat is None or y.size < LONG:
            super().fill(y, value)
        elif y.size < PAST_CACHES:
            put_sum(value, *flat)
        else:
            fill_past_caches(y, value)

    @launches
    def copy(self, x: Array, y: Array) -> None:
        """See :meth:`ElementwiseOps.copy`."""
        flat = as_vectors(y, x)
        if flat is None or y.shape != x.shape or y.size < LONG:
            super().copy(x, y)
        elif y.size < PAST_CACHES:
            put_sum(0.0, *flat)
        else:
            copy_past_caches(*reversed(flat))

    @launches
    def add(self, a: Array, b: Array, y: Array) -> None:
        """See :meth:`ElementwiseOps.add`."""
        flat = as_vectors(y, a, b)
        if flat is None:
            super().add(a, b, y)
        else:
            put_sum(0.0, *flat)

    @launches
    def eltwise_sum(
        self,
        xs: Sequence[Array],
        y: Array,
        coefficients: Sequence[float],
        relu: bool = False,
    ) -> None:
        """See :meth:`ElementwiseOps.eltwise_sum`."""
        flat = as_vectors(y, *xs)
        if flat is None:
            super().eltwise_sum(xs, y, coefficients, relu)
            return
        out, total, *others = flat
        own, *factors = (np.float32(c) for c in coefficients)
        for i, (x, factor) in enumerate(zip(others, factors), start=1):
            floor = np.float32(0 if relu and i == len(others) else -np.inf)
            by_chunks(_weigh, total, own, x, factor, out, floor)
            total, own = out, np.float32(1)

    def eltwise_max(self, xs: Sequence[Array], y: Array, mask: Array) -> None:
        """See :meth:`ElementwiseOps.eltwise_max`."""
        flat = as_vectors(y, *xs)
        if flat is None:
            super().eltwise_max(xs, y, mask)
            return
        out, first, *others = flat
        index = mask.reshape(-1)
        by_chunks(_second, first, others[0], out, index)
        for i, x in enumerate(others[1:], start=2):
            by_chunks(_larger, x, out, index, np.int32(i))

    def eltwise_max_backward(self, mask: Array, i: int, dy: Array, dx: Array) -> None:
        """See :meth:`ElementwiseOps.eltwise_max_backward`."""
        flat = as_vectors(dy, dx)
        if flat is None:
            super().eltwise_max_backward(mask, i, dy, dx)
        else:
            by_chunks(_where, *flat, mask.reshape(-1), np.int32(i))


@njit(cache=True, nogil=True)
def _relu(counter, tasks, workspace, x, y, slope):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        part = slice(task * CHUNK, task * CHUNK + CHUNK)
        seen = x[part]
        out = seen if y is None else y[part]
        for i in range(seen.size):
            # + 0 turns -0 into 0; a NaN is not below 0 and passes.
            out[i] = seen[i] * slope + np.float32(0) if seen[i] < 0 else seen[i]
        task = claim(counter)


@njit(cache=True, nogil=True)
def _relu_backward(counter, tasks, workspace, y, dy, dx, slope):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        part = slice(task * CHUNK, task * CHUNK + CHUNK)
        sign, diff = y[part], dy[part]
        out = diff if dx is None else dx[part]
        for i in range(sign.size):
            out[i] = diff[i] * (np.float32(1) if sign[i] > 0 else slope)
        task = claim(counter)


@njit(cache=True, nogil=True)
def _masked(counter, tasks, workspace, dy, dx, mask, scale):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        part = slice(task * CHUNK, task * CHUNK + CHUNK)
        diff, keep = dy[part], mask[part]
        out = diff if dx is None else dx[part]
        for i in range(diff.size):
            out[i] = diff[i] * np.float32(keep[i]) * scale
        task = claim(counter)


@njit(cache=True, nogil=True)
def _weigh(counter, tasks, workspace, a, alpha, b, beta, y, floor):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        part = slice(task * CHUNK, task * CHUNK + CHUNK)
        first, second, out = a[part], b[part], y[part]
        for i in range(out.size):
            total = alpha * first[i] + beta * second[i]
            out[i] = floor if total < floor else total
        task = claim(counter)


@njit(cache=True, nogil=True)
def _second(counter, tasks, workspace, a, b, y, mask):  # type: ignore[no-untyped-def]
    """The larger of the first two; the second of equals."""
    task = claim(counter)
    while task < tasks:
        part = slice(task * CHUNK, task * CHUNK + CHUNK)
        first, second, out, index = a[part], b[part], y[part], mask[part]
        for i in range(out.size):
            leads = first[i] > second[i]
            out[i] = first[i] if leads else second[i]
            index[i] = np.int32(0) if leads else np.int32(1)
        task = claim(counter)


@njit(cache=True, nogil=True)
def _larger(counter, tasks, workspace, x, y, mask, number):  # type: ignore[no-untyped-def]
    """A later one only where it is larger."""
    task = claim(counter)
    while task < tasks:
        part = slice(task * CHUNK, task * CHUNK + CHUNK)
        seen, out, index = x[part], y[part], mask[part]
        for i in range(out.size):
            leads = seen[i] > out[i]
            index[i] = number if leads else index[i]
            out[i] = seen[i] if leads else out[i]
        task = claim(counter)


@njit(cache=True, nogil=True)
def _where(counter, tasks, workspace, dy, dx, mask, number):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        part = slice(task * CHUNK, task * CHUNK + CHUNK)
        diff, out, index = dy[part], dx[part], mask[part]
        for i in range(diff.size):
            out[i] = diff[i] * np.float32(index[i] == number)
        task = claim(counter)


@njit(cache=True, nogil=True)
def _dropout(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, strips, x, y, mask, below, scale, fixed, first
):
    """A task is a strip of one row; *fixed* is the counter's and key's same words."""
    task = claim(counter)
    while task < tasks:
        row, start = task // strips, task % strips * CHUNK
        sample = (first + np.uint64(row)) & np.uint64(WORD)
        stop = min(start + CHUNK, x.shape[1])
        for at in range(start, stop, 4):
            words = philox(
                np.uint64(at // 4), sample, fixed[0], fixed[1], fixed[2], fixed[3]
            )
            for i in range(at, min(at + 4, stop)):
                keep = words[i - at] >= below
                mask[row, i] = keep
                y[row, i] = x[row, i] * np.float32(keep) * scale
        task = claim(counter)
