"""Resizing of 8-bit pictures in all of OpenCV's ways.

Each is a sum over neighbours, down and across in turn; taps beyond an edge take the
edge.  What OpenCV computes in fixed point may differ by one grey level.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from netspec.data.resize import resize as resize_linear
from netspec.proto import ResizeParameter

Picture = np.ndarray  # (H, W, C) uint8
Doubles = NDArray[np.float64]
Taps = tuple[NDArray[np.intp], NDArray[np.float32]]  # (n, k) each: places, weights

_CUBIC = -0.75  # OpenCV's


def scale(picture: Picture, height: int, width: int, mode: int) -> Picture:
    """A picture (H, W, C) as (height, width, C).

    Args:
        mode: a ``ResizeParameter.Interp_mode``.
    """
    before = picture.shape[:2]
    if before == (height, width):
        return picture
    if mode == ResizeParameter.LINEAR:
        return resize_linear(np.ascontiguousarray(picture), height, width)
    if mode == ResizeParameter.NEAREST:
        rows, columns = _nearest(before[0], height), _nearest(before[1], width)
        return picture[rows[:, None], columns]
    shrinks = height <= before[0] and width <= before[1]
    taps = _TAPS[mode] if mode != ResizeParameter.AREA or shrinks else _enlarging
    down, across = taps(before[0], height), taps(before[1], width)
    half = _sum(picture, down).transpose(1, 0, 2)
    found = _sum(half, across).transpose(1, 0, 2)
    return np.rint(found).clip(0, 255).astype(np.uint8)


def _sum(rows: np.ndarray, taps: Taps) -> NDArray[np.float32]:
    """Weighted sums of rows."""
    places, weights = taps
    total = weights[:, 0, None, None] * rows[places[:, 0]]
    for k in range(1, places.shape[1]):
        total += weights[:, k, None, None] * rows[places[:, k]]
    return total


def _nearest(source: int, target: int) -> NDArray[np.intp]:
    places = np.floor(np.arange(target) * (source / target)).astype(np.intp)
    return np.minimum(places, source - 1)


def _around(source: int, target: int, count: int, weight: Callable) -> Taps:
    """Taps at the *count* places about each centre, weighted by their distance."""
    centre = (np.arange(target) + 0.5) * (source / target) - 0.5
    left = np.floor(centre)
    steps = np.arange(count) - (count // 2 - 1)
    weights = weight(centre[:, None] - left[:, None] - steps)
    weights /= weights.sum(axis=1, keepdims=True)
    return _taps(left[:, None] + steps, weights, source)


def _taps(places: Doubles, weights: Doubles, source: int) -> Taps:
    return places.astype(np.intp).clip(0, source - 1), weights.astype(np.float32)


def _cubic_weight(away: Doubles) -> Doubles:
    x, a = np.abs(away), _CUBIC
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far: Doubles = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _lanczos_weight(away: Doubles) -> Doubles:
    found: Doubles = np.sinc(away) * np.sinc(away / 4)
    return found


@lru_cache(maxsize=64)
def _cubic(source: int, target: int) -> Taps:
    return _around(source, target, 4, _cubic_weight)


@lru_cache(maxsize=64)
def _lanczos(source: int, target: int) -> Taps:
    return _around(source, target, 8, _lanczos_weight)


@lru_cache(maxsize=64)
def _shrinking(source: int, target: int) -> Taps:
    """The part of each source pixel that a target pixel covers."""
    step = source / target
    start = np.arange(target)[:, None] * step
    places = np.floor(start) + np.arange(int(np.ceil(step)) + 1)
    low, high = np.maximum(places, start), np.minimum(places + 1, start + step)
    weights = np.maximum(high - low, 0)
    return _taps(places, weights / weights.sum(axis=1, keepdims=True), source)


@lru_cache(maxsize=64)
def _enlarging(source: int, target: int) -> Taps:
    """Each source pixel keeps its own colour as far as it can."""
    step = source / target
    left = np.floor(np.arange(target) * step)
    part = np.arange(1, target + 1) - (left + 1) / step
    part = np.where(part <= 0, 0, part - np.floor(part))
    places = np.stack([left, left + 1], axis=1)
    return _taps(places, np.stack([1 - part, part], axis=1), source)


_TAPS: dict[int, Callable[[int, int], Taps]] = {
    ResizeParameter.CUBIC: _cubic,
    ResizeParameter.LANCZOS4: _lanczos,
    ResizeParameter.AREA: _shrinking,
}
