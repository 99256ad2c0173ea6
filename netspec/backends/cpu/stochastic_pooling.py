"""Stochastic pooling by compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.base import PoolingGeometry
from netspec.backends.cpu.philox import WORD, philox
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.threads import claim
from netspec.backends.reference.stochastic_pooling import StochasticPoolingOps
from netspec.compiled import njit
from netspec.random import Key
from netspec.shapes import count

Array = Any


class CpuStochasticPoolingOps(StochasticPoolingOps):
    """float32 by a kernel, with the same draws; other types as the reference does."""

    def stochastic_pool(
        self,
        x: Array,
        y: Array,
        index: Array,
        g: PoolingGeometry,
        key: Key,
        first_sample: int = 0,
    ) -> None:
        """See :meth:`StochasticPoolingOps.stochastic_pool`."""
        if x.dtype != np.float32:
            super().stochastic_pool(x, y, index, g, key, first_sample)
            return
        fixed = np.array([*key.high_counter, *key.words], np.uint64)
        window = (*g.kernel, *g.stride)
        planes, size = g.batch * g.channels, count(g.kernel) * count(g.output)
        over(
            _stochastic_pool, planes, size, x, y, index, window, fixed,
            np.uint64(first_sample),
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _stochastic_pool(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, x, y, index, window, fixed, first
):
    batch, channels, out_h, out_w = y.shape
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, batch * channels)):
            n, c = p // channels, p % channels
            sample = (first + np.uint64(n)) & np.uint64(WORD)
            at = c * out_h * out_w
            _draw(x[n, c], y[n, c], index[n, c], window, at, sample, fixed)
        task = claim(counter)


@njit(cache=True, nogil=True)
def _draw(x, y, index, window, at, sample, fixed):  # type: ignore[no-untyped-def]
    """One plane, whose first output is element *at* of its sample."""
    words = philox(np.uint64(at // 4), sample, fixed[0], fixed[1], fixed[2], fixed[3])
    for oh in range(y.shape[0]):
        for ow in range(y.shape[1]):
            if at % 4 == 0:
                words = philox(
                    np.uint64(at // 4), sample, fixed[0], fixed[1], fixed[2], fixed[3]
                )
            drawn = np.float32(np.float64(words[at % 4]) * 2.0**-32)
            y[oh, ow], index[oh, ow] = _choose(x, oh, ow, window, drawn)
            at += 1


@njit(cache=True, nogil=True)
def _choose(x, oh, ow, window, drawn):  # type: ignore[no-untyped-def]
    """The first value of a window at which the running sum reaches its goal."""
    kernel_h, kernel_w, stride_h, stride_w = window
    top, left = oh * stride_h, ow * stride_w
    rows, columns = min(kernel_h, len(x) - top), min(kernel_w, x.shape[1] - left)
    goal = np.float32(0)
    for h in range(rows):
        for w in range(columns):
            goal += x[top + h, left + w]
    goal *= drawn
    total = np.float32(0)
    for h in range(rows):
        for w in range(columns):
            total += x[top + h, left + w]
            if total >= goal:
                return x[top + h, left + w], h * kernel_w + w
    return np.float32(0), kernel_h * kernel_w
