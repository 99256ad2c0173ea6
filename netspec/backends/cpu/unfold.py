"""Unfolding: the values that each output position meets, as the columns of a matrix.

A matrix holds one row a tap (channel, then kernel position) and one column an output
position, for a stretch of positions only, so that it stays in the cache.
"""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True)
def unfold(image, columns, first, last, f):  # type: ignore[no-untyped-def]
    """Fill *columns* for output positions *first* to *last* of image (C, D, H, W)."""
    taps = f.kernel_d * f.kernel_h * f.kernel_w
    start = first
    while start < last:
        line, left = divmod(start, f.out_w)
        stop = min(last, start + f.out_w - left)
        d0, h0 = origin(line, f)
        for tap in range(taps):
            d, h, shift = meets(d0, h0, tap, f)
            if 0 <= d < image.shape[1] and 0 <= h < image.shape[2]:
                low, high = inside(left, stop - start, shift, f.stride_w, image)
                for c in range(image.shape[0]):
                    target = columns[c * taps + tap, start - first : stop - first]
                    source = image[c, d, h]
                    _pick(source, target, low, high, left, shift, f.stride_w)
            else:
                for c in range(image.shape[0]):
                    fill(columns[c * taps + tap, start - first : stop - first], 0)
        start = stop


@njit(nogil=True, cache=True)
def fold(image, columns, first, last, f):  # type: ignore[no-untyped-def]
    """Add *columns* back onto the image they would have come from: unfold's adjoint."""
    taps = f.kernel_d * f.kernel_h * f.kernel_w
    start = first
    while start < last:
        line, left = divmod(start, f.out_w)
        stop = min(last, start + f.out_w - left)
        d0, h0 = origin(line, f)
        for tap in range(taps):
            d, h, shift = meets(d0, h0, tap, f)
            if 0 <= d < image.shape[1] and 0 <= h < image.shape[2]:
                low, high = inside(left, stop - start, shift, f.stride_w, image)
                for c in range(image.shape[0]):
                    source = columns[c * taps + tap, start - first : stop - first]
                    _drop(source, image[c, d, h], low, high, left, shift, f.stride_w)
        start = stop


@njit(nogil=True, cache=True)
def origin(line, f):  # type: ignore[no-untyped-def]
    """Where the window of an output line begins, in depth and height."""
    od, oh = divmod(line, f.out_h)
    return od * f.stride_d - f.pad_d, oh * f.stride_h - f.pad_h


@njit(nogil=True, cache=True)
def meets(d0, h0, tap, f):  # type: ignore[no-untyped-def]
    """The input line that a tap meets, and the shift of its columns."""
    rest, kw = divmod(tap, f.kernel_w)
    kd, kh = divmod(rest, f.kernel_h)
    d, h = d0 + kd * f.dilation_d, h0 + kh * f.dilation_h
    return d, h, kw * f.dilation_w - f.pad_w


@njit(nogil=True, cache=True)
def inside(left, width, shift, stride, image):  # type: ignore[no-untyped-def]
    """Which of *width* outputs from *left* on meet the input and not its margin."""
    low = (max(-shift, 0) + stride - 1) // stride - left
    high = (image.shape[3] - shift + stride - 1) // stride - left
    low = min(max(low, 0), width)
    return low, min(max(high, low), width)


@njit(nogil=True, cache=True)
def fill(values, value):  # type: ignore[no-untyped-def]
    """Set all of a vector; an assignment to a slice takes far longer to compile."""
    for i in range(values.size):
        values[i] = value


# Loops over views that start at 0: an index that might be negative, which NumPy would
# count from the end, keeps the compiler from using vectors.


@njit(nogil=True, cache=True)
def _pick(source, target, low, high, left, shift, stride):  # type: ignore[no-untyped-def]
    fill(target[:low], 0)
    fill(target[high:], 0)
    taken = source[(left + low) * stride + shift :]
    filled = target[low:high]
    if stride == 1:
        for i in range(filled.size):
            filled[i] = taken[i]
    else:
        for i in range(filled.size):
            filled[i] = taken[i * stride]


@njit(nogil=True, cache=True)
def _drop(source, target, low, high, left, shift, stride):  # type: ignore[no-untyped-def]
    given = source[low:high]
    grown = target[(left + low) * stride + shift :]
    if stride == 1:
        for i in range(given.size):
            grown[i] += given[i]
    else:
        for i in range(given.size):
            grown[i * stride] += given[i]
