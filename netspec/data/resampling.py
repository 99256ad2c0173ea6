"""Compiled loops that sample pictures; imported where they are used, as is kernels.

Without fast-math every machine computes the same bits.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.compiled import njit

_compiled = njit(cache=True, nogil=True)


@_compiled
def taps(size, origin, step, count):  # type: ignore[no-untyped-def]
    """Source pixels of *count* target pixels, and their weights (taps, count).

    Target pixel j covers source *origin* + j * *step* to *origin* + (j + 1) * *step*,
    in pixels. Its weights are a triangle about the middle of that, which reaches as
    far as the step, or a source pixel where that is more; outside the *size* pixels
    there are, the edge counts.
    """
    reach = max(step, 1.0)
    first = np.empty(count, np.int64)
    most = min(size, math.ceil(2 * reach))
    weights = np.zeros((most, count), np.float32)
    for j in range(count):
        centre = min(max(origin + (j + 0.5) * step, 0.0), float(size))
        low = max(math.floor(centre - reach + 0.5), 0)
        # A sum rounded up may seem to reach one further; the weight there would be 0.
        high = min(math.floor(centre + reach + 0.5), size, low + most)
        first[j] = min(low, size - most)
        total = 0.0
        for at in range(low, high):
            total += max(0.0, 1.0 - abs(at + 0.5 - centre) / reach)
        for at in range(low, high):
            share = max(0.0, 1.0 - abs(at + 0.5 - centre) / reach) / total
            weights[at - first[j], j] = share
    return first, weights


@_compiled
def sample(source, rows, columns, bias, scale, mirror, out):  # type: ignore[no-untyped-def]
    """Fill *out* (C, n, m) with (value + bias[c]) * scale from *source* (H, W, C).

    *rows* and *columns* are (origin, step) of :func:`taps`. Rows are blended first:
    that runs along memory, and leaves less to gather.
    """
    channels, height, width = out.shape
    top, down = taps(source.shape[0], rows[0], rows[1], height)
    left, across = taps(source.shape[1], columns[0], columns[1], width)
    start = left.min()
    wide = left.max() + len(across) - start
    left = (left - start) * channels
    begin, end = start * channels, (start + wide) * channels
    lines = source.reshape(source.shape[0], -1)
    blend = np.empty(wide * channels, np.float32)
    for i in range(height):
        for k in range(len(down)):
            if k == 0 or down[k, i] != 0:
                _add(lines[top[i] + k, begin:end], down[k, i], k, blend)
        for c in range(channels):
            _gather(blend[c:], left, channels, across, out[c, i])
            _finish(out[c, i], bias[c], scale, mirror)


@_compiled
def _add(row, weight, number, out):  # type: ignore[no-untyped-def]
    """The first of the rows overwrites what is there, the others are added."""
    if number:
        for x in range(len(out)):
            out[x] += weight * np.float32(row[x])
    else:
        for x in range(len(out)):
            out[x] = weight * np.float32(row[x])


@_compiled
def _gather(line, left, apart, weights, out):  # type: ignore[no-untyped-def]
    """Sums of pixels of one channel; they are *apart* in memory."""
    for j in range(len(out)):
        out[j] = weights[0, j] * line[left[j]]
    for k in range(1, len(weights)):
        for j in range(len(out)):
            out[j] += weights[k, j] * line[left[j] + k * apart]


@_compiled
def _finish(line, bias, scale, mirror):  # type: ignore[no-untyped-def]
    for j in range(len(line)):
        line[j] = (line[j] + bias) * scale
    if mirror:
        line[:] = line[::-1].copy()


@_compiled
def turn(source, cosine, sine, out):  # type: ignore[no-untyped-def]
    """Fill *out* (C, n, m) from the middle of *source* (C, h, w), turned about it.

    What is seen turns against the clock by the angle; pixels are of one size in both.
    """
    channels, height, width = out.shape
    high, wide = source.shape[1], source.shape[2]
    for i in range(height):
        down = i + 0.5 - 0.5 * height
        for j in range(width):
            right = j + 0.5 - 0.5 * width
            y = 0.5 * high - 0.5 + right * sine + down * cosine
            x = 0.5 * wide - 0.5 + right * cosine - down * sine
            y = min(max(y, 0.0), high - 1.0)
            x = min(max(x, 0.0), wide - 1.0)
            above, left = int(y), int(x)
            below, beside = min(above + 1, high - 1), min(left + 1, wide - 1)
            v, u = np.float32(y - above), np.float32(x - left)
            for c in range(channels):
                plane = source[c]
                upper = plane[above, left] + u * (
                    plane[above, beside] - plane[above, left]
                )
                lower = plane[below, left] + u * (
                    plane[below, beside] - plane[below, left]
                )
                out[c, i, j] = upper + v * (lower - upper)


@_compiled
def recolour(picture, matrix, offset):  # type: ignore[no-untyped-def]
    """Replace each colour x of *picture* (3, n, m) by *matrix* x + *offset*."""
    _, height, width = picture.shape
    for i in range(height):
        for j in range(width):
            b, g, r = picture[0, i, j], picture[1, i, j], picture[2, i, j]
            for c in range(3):
                picture[c, i, j] = (
                    matrix[c, 0] * b + matrix[c, 1] * g + matrix[c, 2] * r + offset[c]
                )
