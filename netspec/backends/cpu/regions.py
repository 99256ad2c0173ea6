"""Pooling of regions by compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.threads import claim
from netspec.backends.reference.regions import (
    RegionOps,
    part_bins,
    region_bins,
    whole_bins,
)
from netspec.compiled import njit

Array = Any


class CpuRegionOps(RegionOps):
    """float32 by kernels; other types as the reference does.

    Forward goes plane by plane of the regions, backward plane by plane of the maps, so
    that what adds up does so in order of the regions.
    """

    def region_max(
        self, x: Array, regions: Array, y: Array, index: Array, scale: float
    ) -> None:
        """See :meth:`RegionOps.region_max`."""
        if x.dtype != np.float32:
            super().region_max(x, regions, y, index, scale)
            return
        bins = region_bins(x, regions, y, scale, whole_bins)
        planes = y.shape[0] * y.shape[1]
        over(_maxima, planes, _pixels(x), x, _images(regions), *bins, y, index)

    def region_max_backward(
        self, dy: Array, regions: Array, index: Array, dx: Array
    ) -> None:
        """See :meth:`RegionOps.region_max_backward`."""
        if dy.dtype != np.float32:
            super().region_max_backward(dy, regions, index, dx)
            return
        planes = dx.shape[0] * dx.shape[1]
        over(_scatter, planes, _pixels(dx), dy, _images(regions), index, dx)

    def region_mean(self, x: Array, regions: Array, y: Array, scale: float) -> None:
        """See :meth:`RegionOps.region_mean`."""
        if x.dtype != np.float32:
            super().region_mean(x, regions, y, scale)
            return
        bins = region_bins(x, regions, y, scale, part_bins)
        planes = y.shape[0] * y.shape[1]
        over(_means, planes, _pixels(x), x, _images(regions), *bins, y)

    def region_mean_backward(
        self, dy: Array, regions: Array, dx: Array, scale: float
    ) -> None:
        """See :meth:`RegionOps.region_mean_backward`."""
        if dy.dtype != np.float32:
            super().region_mean_backward(dy, regions, dx, scale)
            return
        bins = region_bins(dx, regions, dy, scale, part_bins)
        planes = dx.shape[0] * dx.shape[1]
        over(_spread, planes, _pixels(dx), dy, _images(regions), *bins, dx)


def _images(regions: Array) -> Array:
    return regions[:, 0].astype(np.int64)


def _pixels(x: Array) -> int:
    """Roughly what one plane of a region looks at, or a map collects."""
    return int(x.shape[2] * x.shape[3])


@njit(cache=True, nogil=True)
def _maxima(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, x, images, rows, columns, y, index
):
    regions, channels, down, across = y.shape
    width = x.shape[3]
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, regions * channels)):
            r, c = p // channels, p % channels
            plane = x[images[r], c]
            for i in range(down):
                for j in range(across):
                    best, place = np.float32(0), -1
                    for h in range(rows[r, i, 0], rows[r, i, 1]):
                        for w in range(columns[r, j, 0], columns[r, j, 1]):
                            if place < 0 or plane[h, w] > best:
                                best, place = plane[h, w], h * width + w
                    y[r, c, i, j] = best
                    index[r, c, i, j] = place
        task = claim(counter)


@njit(cache=True, nogil=True)
def _scatter(counter, tasks, workspace, group, dy, images, index, dx):  # type: ignore[no-untyped-def]
    batch, channels, height, width = dx.shape
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, batch * channels)):
            n, c = p // channels, p % channels
            plane = dx[n, c].reshape(height * width)
            plane[:] = 0
            for r in range(len(dy)):
                if images[r] == n:
                    for i in range(dy.shape[2]):
                        for j in range(dy.shape[3]):
                            if index[r, c, i, j] >= 0:
                                plane[index[r, c, i, j]] += dy[r, c, i, j]
        task = claim(counter)


@njit(cache=True, nogil=True)
def _means(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, x, images, rows, columns, y
):
    regions, channels, bins, _ = y.shape
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, regions * channels)):
            r, k = p // channels, p % channels
            for i in range(bins):
                for j in range(bins):
                    plane = x[images[r], (k * bins + i) * bins + j]
                    total, pixels = 0.0, 0
                    for h in range(rows[r, i, 0], rows[r, i, 1]):
                        for w in range(columns[r, j, 0], columns[r, j, 1]):
                            total += np.float64(plane[h, w])
                            pixels += 1
                    y[r, k, i, j] = total / pixels if pixels else 0.0
        task = claim(counter)


@njit(cache=True, nogil=True)
def _spread(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, dy, images, rows, columns, dx
):
    batch, channels, _, _ = dx.shape
    bins = dy.shape[2]
    task = claim(counter)
    while task < tasks:
        for p in range(task * group, min((task + 1) * group, batch * channels)):
            n, c = p // channels, p % channels
            k, i, j = c // (bins * bins), c // bins % bins, c % bins
            dx[n, c] = 0
            for r in range(len(dy)):
                if images[r] == n:
                    top, bottom = rows[r, i]
                    left, right = columns[r, j]
                    area = max(bottom - top, 0) * max(right - left, 0)
                    if area:
                        dx[n, c, top:bottom, left:right] += dy[r, k, i, j] / np.float32(
                            area
                        )
        task = claim(counter)
