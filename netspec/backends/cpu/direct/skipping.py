"""Convolution with one tap and a stride: it passes over inputs, and is a product of
matrices for those that it meets."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from numba import types

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu import lanes
from netspec.backends.cpu.frame import Array, Frame, frame, image, planes
from netspec.backends.cpu.lines import address, copy
from netspec.backends.cpu.pieces import over
from netspec.backends.cpu.threads import buffer, claim
from netspec.backends.cpu.vectors import FLOAT_BYTES, WIDTH, Emitter, Value, emitted
from netspec.compiled import njit
from netspec.shapes import count

EFFORT = 2  # multiply-adds that take as long as passing over an input

_ADDRESS, _COUNT = types.uintp, types.intp


@lru_cache(maxsize=1024)
def met(geo: ConvolutionGeometry) -> ConvolutionGeometry | None:
    """The geometry of the inputs that are met, where some are passed over."""
    if count(geo.kernel) > 1 or any(geo.pad) or frame(geo).pointwise:
        return None
    return replace(geo, input=geo.output, stride=(1,) * len(geo.stride))


def pick(x: Array, geo: ConvolutionGeometry) -> Array:
    """The inputs that are met, flat.

    Returns:
        An array that is valid until the next operation.
    """
    some = room(geo)
    _share(_pick, image(x, geo), _shaped(some, geo), frame(geo))
    return some


def place(some: Array, x: Array, geo: ConvolutionGeometry) -> None:
    """The reverse: *some*, as :func:`pick` has them, to x, and zeros between them."""
    _share(_place, image(x, geo), _shaped(some, geo), frame(geo))


def room(geo: ConvolutionGeometry) -> Array:
    """Room for the inputs that are met, until the next operation."""
    return buffer("inputs", geo.batch * geo.channels * count(geo.output))


def _shaped(some: Array, geo: ConvolutionGeometry) -> Array:
    """As (N, G, C, D, H, W)."""
    return planes(some, replace(geo, filters=geo.channels))


def _share(kernel, x: Array, some: Array, f: Frame) -> None:  # type: ignore[no-untyped-def]
    channels, size = count(x.shape[:3]), count(x.shape[3:])
    over(kernel, channels, size, x, some, f, effort=EFFORT)


@njit(nogil=True, cache=True)
def _pick(counter, tasks, workspace, group, x, some, f):  # type: ignore[no-untyped-def]
    """*group* channels a task."""
    task = claim(counter)
    while task < tasks:
        for plane in range(task * group, min((task + 1) * group, _planes(x))):
            source, target = _plane(x, plane), _plane(some, plane)
            rows, wide = target.shape[1:]
            apart = f.stride_h * source.shape[2]
            for d in range(target.shape[0]):
                start, to = address(source[d * f.stride_d], 0), address(target[d], 0)
                if f.stride_w == 2:
                    take_even((start, apart, source.shape[2], to, wide, rows))
                else:
                    for h in range(rows):
                        line = start + h * apart * FLOAT_BYTES
                        copy((line, f.stride_w, to + h * wide * FLOAT_BYTES, wide))
        task = claim(counter)


@njit(inline="always")
def _planes(x):  # type: ignore[no-untyped-def]
    return x.shape[0] * x.shape[1] * x.shape[2]


@njit(inline="always")
def _plane(x, number):  # type: ignore[no-untyped-def]
    """One channel of one image."""
    image, c = divmod(number, x.shape[2])
    n, g = divmod(image, x.shape[1])
    return x[n, g, c]


@emitted(_ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _COUNT, apart=True)
def take_even(
    emit: Emitter,
    source: Value,
    step: Value,
    width: Value,
    target: Value,
    wide: Value,
    rows: Value,
) -> None:
    """Every second value of each of *rows* lines, *step* apart and *width* long, into
    lines of *wide* values, one after the other."""
    blocks = emit.divide(emit.add(wide, WIDTH - 1), WIDTH)
    with emit.loop(rows) as row, emit.loop(blocks) as block:
        line, to = emit.mul(row, step), emit.mul(row, wide)
        at = emit.mul(block, WIDTH)
        pair = []
        for half in range(2):
            begin = emit.add(emit.mul(at, 2), half * WIDTH)
            mask = lanes.inside(emit, begin, width)
            pair.append(lanes.load(emit, mask, source, emit.add(line, begin), 0.0))
        mask = lanes.inside(emit, at, wide)
        lanes.store(emit, mask, target, emit.add(to, at), emit.in_turn(*pair)[0])


@njit(nogil=True, cache=True)
def _place(counter, tasks, workspace, group, x, some, f):  # type: ignore[no-untyped-def]
    """*group* channels a task."""
    task = claim(counter)
    while task < tasks:
        for plane in range(task * group, min((task + 1) * group, _planes(x))):
            source, target = _plane(some, plane), _plane(x, plane)
            for d in range(target.shape[0]):
                for h in range(target.shape[1]):
                    target[d, h] = 0
                    if d % f.stride_d == 0 and h % f.stride_h == 0:
                        line = source[d // f.stride_d, h // f.stride_h]
                        for w in range(line.size):
                            target[d, h, w * f.stride_w] = line[w]
        task = claim(counter)
