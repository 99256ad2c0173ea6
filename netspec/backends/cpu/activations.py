"""Activations by compiled kernels; an output of None is the input: `unless_same`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netspec.backends.cpu.elementwise import (
    CHUNK,
    as_vectors,
    by_chunks,
    unless_same,
)
from netspec.backends.cpu.threads import claim
from netspec.backends.cpu.vector_math import ONE, ZERO, exp, log, sigmoid, softplus
from netspec.backends.reference.activations import ActivationOps
from netspec.compiled import njit

Array = Any


def _run(kernel: Callable[..., None], arrays: tuple[Array, ...], *numbers: Any) -> bool:
    """Run a kernel whose last array may be the one before; False: not these types."""
    vectors = as_vectors(*arrays)
    if vectors is None:
        return False
    *given, source, target = vectors
    numbers = tuple(map(np.float32, numbers))
    by_chunks(kernel, *given, source, unless_same(target, source), *numbers)
    return True


class CpuActivationOps(ActivationOps):
    """float32 by kernels; other types as the reference does."""

    def softplus(self, x: Array, y: Array) -> None:
        """See :meth:`ActivationOps.softplus`."""
        if not _run(_softplus, (x, y)):
            super().softplus(x, y)

    def softplus_backward(self, y: Array, dy: Array, dx: Array) -> None:
        """See :meth:`ActivationOps.softplus_backward`."""
        if not _run(_softplus_backward, (y, dy, dx)):
            super().softplus_backward(y, dy, dx)

    def clip(self, x: Array, y: Array, low: float, high: float) -> None:
        """See :meth:`ActivationOps.clip`."""
        if not _run(_clip, (x, y), low, high):
            super().clip(x, y, low, high)

    def clip_backward(
        self, x: Array, dy: Array, dx: Array, low: float, high: float
    ) -> None:
        """See :meth:`ActivationOps.clip_backward`."""
        if not _run(_clip_backward, (x, dy, dx), low, high):
            super().clip_backward(x, dy, dx, low, high)

    def elu(self, x: Array, y: Array, alpha: float) -> None:
        """See :meth:`ActivationOps.elu`."""
        if not _run(_elu, (x, y), alpha):
            super().elu(x, y, alpha)

    def elu_backward(
        self, sign: Array, y: Array, dy: Array, dx: Array, alpha: float
    ) -> None:
        """See :meth:`ActivationOps.elu_backward`."""
        if not _run(_elu_backward, (sign, y, dy, dx), alpha):
            super().elu_backward(sign, y, dy, dx, alpha)

    def exponential(self, x: Array, y: Array, scale: float, factor: float) -> None:
        """See :meth:`ActivationOps.exponential`."""
        if not _run(_exponential, (x, y), scale, factor):
            super().exponential(x, y, scale, factor)

    def logarithm(
        self, x: Array, y: Array, scale: float, shift: float, factor: float
    ) -> None:
        """See :meth:`ActivationOps.logarithm`."""
        if not _run(_logarithm, (x, y), scale, shift, factor):
            super().logarithm(x, y, scale, shift, factor)

    def swish(self, x: Array, y: Array, beta: float) -> None:
        """See :meth:`ActivationOps.swish`."""
        if not _run(_swish, (x, y), beta):
            super().swish(x, y, beta)

    def swish_backward(self, x: Array, dy: Array, dx: Array, beta: float) -> None:
        """See :meth:`ActivationOps.swish_backward`."""
        if not _run(_swish_backward, (x, dy, dx), beta):
            super().swish_backward(x, dy, dx, beta)


@njit(cache=True, nogil=True)
def _part(task):  # type: ignore[no-untyped-def]
    return slice(task * CHUNK, task * CHUNK + CHUNK)


@njit(cache=True, nogil=True, error_model="numpy")
def _softplus(counter, tasks, workspace, x, y):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        seen = x[_part(task)]
        out = seen if y is None else y[_part(task)]
        for i in range(seen.size):
            out[i] = softplus(seen[i])
        task = claim(counter)


@njit(cache=True, nogil=True)
def _softplus_backward(counter, tasks, workspace, y, dy, dx):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        made, diff = y[_part(task)], dy[_part(task)]
        out = diff if dx is None else dx[_part(task)]
        for i in range(made.size):
            out[i] = diff[i] * (ONE - exp(-made[i]))
        task = claim(counter)


@njit(cache=True, nogil=True)
def _clip(counter, tasks, workspace, x, y, low, high):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        seen = x[_part(task)]
        out = seen if y is None else y[_part(task)]
        for i in range(seen.size):
            value = low if seen[i] < low else seen[i]
            out[i] = high if value > high else value
        task = claim(counter)


@njit(cache=True, nogil=True)
def _clip_backward(counter, tasks, workspace, x, dy, dx, low, high):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        seen, diff = x[_part(task)], dy[_part(task)]
        out = diff if dx is None else dx[_part(task)]
        for i in range(seen.size):
            inside = (seen[i] >= low) & (seen[i] <= high)
            out[i] = diff[i] * np.float32(inside)
        task = claim(counter)


@njit(cache=True, nogil=True)
def _elu(counter, tasks, workspace, x, y, alpha):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        seen = x[_part(task)]
        out = seen if y is None else y[_part(task)]
        for i in range(seen.size):
            below = alpha * (exp(seen[i]) - ONE)
            out[i] = seen[i] if seen[i] > ZERO else below
        task = claim(counter)


@njit(cache=True, nogil=True)
def _elu_backward(counter, tasks, workspace, sign, y, dy, dx, alpha):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        told, made, diff = sign[_part(task)], y[_part(task)], dy[_part(task)]
        out = diff if dx is None else dx[_part(task)]
        for i in range(told.size):
            out[i] = diff[i] * (ONE if told[i] > ZERO else made[i] + alpha)
        task = claim(counter)


@njit(cache=True, nogil=True)
def _exponential(counter, tasks, workspace, x, y, scale, factor):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        seen = x[_part(task)]
        out = seen if y is None else y[_part(task)]
        for i in range(seen.size):
            out[i] = factor * exp(scale * seen[i])
        task = claim(counter)


@njit(cache=True, nogil=True)
def _logarithm(counter, tasks, workspace, x, y, scale, shift, factor):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        seen = x[_part(task)]
        out = seen if y is None else y[_part(task)]
        for i in range(seen.size):
            out[i] = factor * log(scale * seen[i] + shift)
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _swish(counter, tasks, workspace, x, y, beta):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        seen = x[_part(task)]
        out = seen if y is None else y[_part(task)]
        for i in range(seen.size):
            out[i] = seen[i] * sigmoid(beta * seen[i])
        task = claim(counter)


@njit(cache=True, nogil=True, error_model="numpy")
def _swish_backward(counter, tasks, workspace, x, dy, dx, beta):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        seen, diff = x[_part(task)], dy[_part(task)]
        out = diff if dx is None else dx[_part(task)]
        for i in range(seen.size):
            steep = beta * seen[i]
            gate = sigmoid(steep)
            out[i] = diff[i] * (gate * (ONE + steep * (ONE - gate)))
        task = claim(counter)
