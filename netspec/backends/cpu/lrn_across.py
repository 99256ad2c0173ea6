"""Local response normalisation across channels, for beta = 3/4, in vector instructions.

A strip of pixels goes through all channels, so that what a window of them sees stays in
the cache.  s = k + share Σ x² over the window's channels, and powers of s, are never
stored: they are made again for each row, in registers.  What is emitted is called with
one tuple: addresses, then distances and counts of float32 values, then numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from netspec.backends.cpu import lanes
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.threads import claim
from netspec.backends.cpu.vectors import (
    VECTOR,
    WIDTH,
    Emitter,
    Value,
    Vector,
    emitted,
)
from netspec.compiled import njit

BETA = 0.75
STRIP = 1024  # pixels of all channels that a thread takes at once, at most
AT_ONCE = 4  # vectors, so that what one waits for another fills
_LARGEST = float(np.finfo(np.float32).max)

_ADDRESS, _COUNT, _FLOAT = types.uintp, types.intp, types.float32


@emitted(
    _ADDRESS, _ADDRESS, _ADDRESS, _COUNT, _COUNT, _COUNT, _FLOAT, _FLOAT, apart=True
)
def normalise(
    emit: Emitter,
    window: Value,
    x: Value,
    y: Value,
    rows: Value,
    step: Value,
    count: Value,
    share: Value,
    k: Value,
) -> None:
    """y = x s^-3/4; *window* is the first of *rows* rows of x, *step* apart."""
    for group in _groups(emit, count):
        for at in group[0]:  # of the next channel, which begins far from here
            emit.prefetch(window, emit.add(at, emit.mul(rows, step)))
        sums = _sums(emit, group, window, rows, step, square=True)
        for at, mask, total in zip(*group, sums, strict=True):
            _, power = _powers(emit, total, share, k)
            lanes.store(emit, mask, y, at, power.times(_load(emit, mask, x, at)))


@emitted(
    _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _COUNT, _COUNT, _COUNT,
    _FLOAT, _FLOAT, apart=True,
)  # fmt: skip
def begin_gradient(
    emit: Emitter,
    window: Value,
    x: Value,
    dy: Value,
    dx: Value,
    term: Value,
    rows: Value,
    step: Value,
    count: Value,
    share: Value,
    k: Value,
) -> None:
    """dx = dy s^-3/4, and term = dx x / s."""
    for group in _groups(emit, count):
        sums = _sums(emit, group, window, rows, step, square=True)
        for at, mask, total in zip(*group, sums, strict=True):
            inverse, power = _powers(emit, total, share, k)
            direct = power.times(_load(emit, mask, dy, at))
            lanes.store(emit, mask, dx, at, direct)
            direct = direct.times(_load(emit, mask, x, at))
            lanes.store(emit, mask, term, at, direct.times(inverse))


@emitted(_ADDRESS, _ADDRESS, _ADDRESS, _COUNT, _COUNT, _COUNT, _FLOAT, apart=True)
def end_gradient(
    emit: Emitter,
    terms: Value,
    x: Value,
    dx: Value,
    rows: Value,
    step: Value,
    count: Value,
    double: Value,
) -> None:
    """dx -= double x Σ terms; *terms* is the first of *rows* rows, *step* apart."""
    factor = emit.splat(double)
    for group in _groups(emit, count):
        sums = _sums(emit, group, terms, rows, step, square=False)
        for at, mask, total in zip(*group, sums, strict=True):
            less = factor.times(_load(emit, mask, x, at)).times(total)
            lanes.store(emit, mask, dx, at, _load(emit, mask, dx, at) - less)


Group = tuple[list[Value], list[Value]]


def _groups(emit: Emitter, count: Value) -> Iterator[Group]:
    """A loop over a row; gives where its vectors begin, and their masks."""
    some = AT_ONCE * WIDTH
    with emit.loop(emit.divide(emit.add(count, some - 1), some)) as turn:
        first = emit.mul(turn, some)
        starts = [emit.add(first, i * WIDTH) for i in range(AT_ONCE)]
        yield starts, [lanes.inside(emit, s, count) for s in starts]


def _sums(
    emit: Emitter, group: Group, row: Value, rows: Value, step: Value, square: bool
) -> list[Vector]:
    """Sums over rows, of values or their squares."""
    slots = [emit.register(emit.zero()) for _ in range(AT_ONCE)]
    with emit.loop(rows) as number:
        skipped = emit.mul(number, step)
        for start, mask, slot in zip(*group, slots, strict=True):
            value = _load(emit, mask, row, emit.add(start, skipped))
            value = value.times(value) if square else value
            emit.set(slot, emit.get(slot) + value)
    return [emit.get(slot) for slot in slots]


def _load(emit: Emitter, mask: Value, address: Value, offset: Value) -> Vector:
    return lanes.load(emit, mask, address, offset, 0.0)


def _powers(
    emit: Emitter, total: Vector, share: Value, k: Value
) -> tuple[Vector, Vector]:
    """1 / s and s^-3/4."""
    s = emit.splat(k) + emit.splat(share).times(total)
    root = _inverse_root(emit, s)
    inverse = root.times(root)
    return inverse, inverse.times(_inverse_root(emit, root))


def _inverse_root(emit: Emitter, s: Vector) -> Vector:
    """1 / √s, to a rounding or two: where the machine estimates it, by one step of
    Newton's method from there."""
    if WIDTH != 16:
        root = _call(emit, f"llvm.sqrt.v{WIDTH}f32", s)
        one = lanes.constant(VECTOR, 1.0)
        return Vector(emit.builder, emit.builder.fdiv(one, root.value))
    s = _at_most_largest(emit, s)
    nothing = emit.zero().value
    every = ir.Constant(ir.IntType(16), -1)
    near = _call(emit, "llvm.x86.avx512.rsqrt14.ps.512", s, nothing, every)
    half = (0.5 * s).times(near)
    three_halves = Vector(emit.builder, lanes.constant(VECTOR, 1.5))
    return near.times(three_halves - half.times(near))


def _at_most_largest(emit: Emitter, s: Vector) -> Vector:
    """Infinity becomes the largest number, from which Newton's step leads to no NaN."""
    largest = lanes.constant(VECTOR, _LARGEST)
    beyond = emit.builder.fcmp_ordered(">", s.value, largest)
    return Vector(emit.builder, emit.builder.select(beyond, largest, s.value))


def _call(emit: Emitter, name: str, vector: Vector, *others: Value) -> Vector:
    arguments = [vector.value, *others]
    kind = ir.FunctionType(VECTOR, [value.type for value in arguments])
    function = cgutils.get_or_insert_function(emit.builder.module, kind, name)
    return Vector(emit.builder, emit.builder.call(function, arguments))


@njit(cache=True, nogil=True)
def _normalise_strip(x, y, start, stop, size, share, k):  # type: ignore[no-untyped-def]
    """Pixels *start* to *stop* of one image, (C, pixels), for beta = 3/4."""
    channels, pixels = x.shape
    for c in range(channels):
        low, high = window_of(c, channels, size)
        at, count = c * pixels + start, stop - start
        window, rows = address(x, low * pixels + start), high - low
        normalise(
            (window, address(x, at), address(y, at), rows, pixels, count, share, k)
        )


@njit(cache=True, nogil=True)
def _gradient_strip(x, dy, dx, terms, part, size, share, k, double):  # type: ignore[no-untyped-def]
    """Some pixels of one image, (C, pixels), for beta = 3/4; *terms* has a row of STRIP
    for each channel.  A channel ends as soon as its window has begun."""
    channels, pixels = x.shape
    start, count = part[0], part[1] - part[0]
    for begun in range(channels + size // 2):
        if begun < channels:
            low, high = window_of(begun, channels, size)
            at, window = begun * pixels + start, address(x, low * pixels + start)
            begin_gradient(
                (
                    window, address(x, at), address(dy, at), address(dx, at),
                    address(terms, begun * STRIP), high - low, pixels, count, share, k,
                )
            )  # fmt: skip
        c = begun - size // 2
        if c >= 0:
            low, high = window_of(c, channels, size)
            at, window = c * pixels + start, address(terms, low * STRIP)
            rows = high - low
            end_gradient(
                (window, address(x, at), address(dx, at), rows, STRIP, count, double)
            )


@njit(cache=True, nogil=True)
def window_of(c, channels, size):  # type: ignore[no-untyped-def]
    """First and end of the channels around channel *c*."""
    return max(0, c - size // 2), min(channels, c + size // 2 + 1)


@njit(cache=True, nogil=True)
def across(counter, tasks, workspace, group, x, y, size, share, beta, k, double):  # type: ignore[no-untyped-def]
    """Strips of x and y, (N, C, pixels)."""
    batch, _, pixels = x.shape
    strips = (pixels + STRIP - 1) // STRIP
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, batch * strips)):
            n, strip = thing // strips, thing % strips
            start, stop = strip * pixels // strips, (strip + 1) * pixels // strips
            _normalise_strip(x[n], y[n], start, stop, size, share, k)
        task = claim(counter)


@njit(cache=True, nogil=True)
def across_backward(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, group, x, dy, dx, size, share, beta, k, double
):
    """The same; the workspace holds a row of STRIP for each channel."""
    batch, _, pixels = x.shape
    strips = (pixels + STRIP - 1) // STRIP
    task = claim(counter)
    while task < tasks:
        for thing in range(task * group, min((task + 1) * group, batch * strips)):
            n, strip = thing // strips, thing % strips
            part = strip * pixels // strips, (strip + 1) * pixels // strips
            own = x[n], dy[n], dx[n]
            _gradient_strip(*own, workspace, part, size, share, k, double)
        task = claim(counter)
