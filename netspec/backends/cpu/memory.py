"""Memory of arrays: where it begins, and filling, copying and adding much of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from netspec.backends.cpu import lanes
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.scratch import aligned
from netspec.backends.cpu.threads import claim, share
from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    VECTOR,
    WIDTH,
    Emitter,
    Value,
    Vector,
    emitted,
)
from netspec.backends.reference.movement import MovementOps
from netspec.compiled import njit
from netspec.shapes import Shape

Array = Any

PAST_CACHES = 1 << 23  # float32 values of an array that no cache is worth filling with
PIECE = 1 << 18  # of one task that fills such an array, or copies it
NEAR_PIECE = 1 << 14  # of one task on an array that caches hold
EFFORT = 4  # multiply-adds that take as long as a value


class CpuMemoryOps(MovementOps):
    """Arrays that begin where a vector may."""

    def zeros(self, shape: int | Shape, dtype: str) -> Array:
        """See :meth:`MovementOps.zeros`; at the beginning of a cache line."""
        return aligned(int(np.prod(shape, dtype=np.int64)), dtype).reshape(shape)


def put_sum(value: float, y: Array, *terms: Array) -> None:
    """y = value, or the sum of one or two *terms*, each the same memory or another.

    All are contiguous vectors of float32, of one size.
    """
    a, b = [*terms, y, y][:2]
    tasks, work = -(-y.size // NEAR_PIECE), EFFORT * y.size
    share(_put, tasks, len(terms), np.float32(value), a, b, y, work=work)


@njit(cache=True, nogil=True)
def _put(counter, tasks, workspace, terms, value, a, b, y):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        at = task * NEAR_PIECE
        count = min(NEAR_PIECE, y.size - at)
        _put_piece(
            (terms, value, address(a, at), address(b, at), address(y, at), count)
        )
        task = claim(counter)


@emitted(
    types.intp, types.float32, types.uintp, types.uintp, types.uintp, types.intp,
    apart=True,
)  # fmt: skip
def _put_piece(
    emit: Emitter, terms: Value, value: Value, a: Value, b: Value, y: Value, size: Value
) -> None:
    """*size* values at *y*: *value*, those at *a*, or their sums with those at *b*."""
    for known in range(3):
        is_so = emit.builder.icmp_signed("==", terms, emit.index(known))
        with emit.builder.if_then(is_so):
            vectors = emit.divide(emit.add(size, WIDTH - 1), WIDTH)
            with emit.loop(vectors) as i:
                at = emit.mul(i, WIDTH)
                mask = lanes.inside(emit, at, size)
                total = emit.splat(value)
                if known > 0:
                    total = lanes.load(emit, mask, a, at, 0.0)
                if known > 1:
                    total = total + lanes.load(emit, mask, b, at, 0.0)
                lanes.store(emit, mask, y, at, total)


def fill_past_caches(y: Array, value: float) -> None:
    """Fill an array that is larger than caches, which keep what they hold.

    Writing to memory like that takes a third of the time: memory is not read before.
    """
    flat = y.reshape(-1)
    tasks = -(-flat.size // PIECE)
    share(_fill, tasks, flat, np.float32(value), work=flat.size)


@njit(cache=True, nogil=True)
def _fill(counter, tasks, workspace, y, value):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        start, stop = task * PIECE, min((task + 1) * PIECE, y.size)
        while start < stop and address(y, start) % (WIDTH * FLOAT_BYTES):
            y[start] = value
            start += 1
        vectors = (stop - start) // WIDTH
        _stream((address(y, start), vectors, value))
        for i in range(start + vectors * WIDTH, stop):
            y[i] = value
        task = claim(counter)


@emitted(types.uintp, types.intp, types.float32)
def _stream(emit: Emitter, target: Value, vectors: Value, value: Value) -> None:
    """Store the same vector, past the caches, from an aligned address on."""
    vector = emit.splat(value)
    with emit.loop(vectors) as i:
        _store_past(emit, emit.add(target, emit.mul(i, WIDTH * FLOAT_BYTES)), vector)


def copy_past_caches(x: Array, y: Array) -> None:
    """Copy float32 values from *x* to *y*, which caches need not hold, likewise.

    Such stores overtake others, but not the last :func:`claim` of who makes them: what
    is written after this can be taken for a sign that all is there.
    """
    tasks = -(-y.size // PIECE)
    share(_copy, tasks, x, y, work=y.size)


@njit(cache=True, nogil=True)
def _copy(counter, tasks, workspace, x, y):  # type: ignore[no-untyped-def]
    task = claim(counter)
    while task < tasks:
        start, stop = task * PIECE, min((task + 1) * PIECE, y.size)
        while start < stop and address(y, start) % (WIDTH * FLOAT_BYTES):
            y[start] = x[start]
            start += 1
        vectors = (stop - start) // WIDTH
        _stream_copy((address(x, start), address(y, start), vectors))
        for i in range(start + vectors * WIDTH, stop):
            y[i] = x[i]
        task = claim(counter)


@emitted(types.uintp, types.uintp, types.intp)
def _stream_copy(emit: Emitter, source: Value, target: Value, vectors: Value) -> None:
    """Copy vectors, past the caches, to an aligned address and on."""
    with emit.loop(vectors) as i:
        at = emit.mul(i, WIDTH * FLOAT_BYTES)
        _store_past(emit, emit.add(target, at), emit.load(emit.add(source, at)))


def _store_past(emit: Emitter, target: Value, vector: Vector) -> None:
    """Store a vector, past the caches, to an aligned address."""
    past = emit.builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
    pointer = emit.builder.inttoptr(target, VECTOR.as_pointer())
    store = emit.builder.store(vector.value, pointer, align=WIDTH * FLOAT_BYTES)
    store.set_metadata("nontemporal", past)
