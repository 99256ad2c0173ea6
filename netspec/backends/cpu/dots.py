"""Products of a slender matrix with the rows of a large one: weights are what is read.

BLAS brings both matrices into panels first, which is time lost where each weight meets
few values.  Here a few rows of weights are read as they lie, from left to right at the
pace at which memory gives them, and each vector meets the whole batch while it is in
the first cache.  Sums are vectors of partial sums until a row is through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types

from netspec.backends.cpu import lanes
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.threads import claim, share
from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    WIDTH,
    Emitter,
    Value,
    Vector,
    emitted,
)
from netspec.compiled import njit

Array = Any

SIDE = 4  # sums of SIDE × SIDE pairs of rows are in registers at once
ROWS = 2 * SIDE  # rows of weights that are read at once
GROUP = 4 * ROWS  # of one task
STEPS = 16  # vectors of a row that meet the whole batch before the next do
AHEAD = STEPS * WIDTH  # values that a row is fetched ahead of its sums
HELD = 1 << 18  # values of the batch that stay in the second cache

_ADDRESS, _COUNT = types.uintp, types.intp


def sums_of_products(a: Array, b: Array, bias: Array, c: Array) -> None:
    """c = a bᵀ + bias; a (N, K), b (M, K), bias (M,) or empty, all contiguous."""
    batch, length = a.shape
    padded = -(-batch // SIDE) * SIDE
    chunk = max(STEPS, HELD // max(1, padded * WIDTH))
    room = (ROWS + -(-length // WIDTH)) * padded * WIDTH
    tasks, work = -(-len(b) // GROUP), c.size * length
    share(_dots, tasks, a, b, bias, c, chunk, workspace=room, work=work)


@njit(nogil=True, cache=True)
def _dots(counter, tasks, workspace, a, b, bias, c, chunk):  # type: ignore[no-untyped-def]
    """One task is GROUP rows of b, *chunk* vectors of them at once."""
    batch, length = a.shape
    quads, vectors = -(-batch // SIDE), -(-length // WIDTH)
    partial = workspace[vectors * quads * SIDE * WIDTH :]
    packed, sums = address(workspace, 0), address(partial, 0)
    task = claim(counter)
    if task < tasks:
        _pack((address(a, 0), packed, batch, length, quads))
    while task < tasks:
        first, end = task * GROUP, min((task + 1) * GROUP, len(b))
        for n in range(batch):
            for m in range(first, end):
                c[n, m] = bias[m] if bias.size else 0
        for start in range(0, vectors, chunk):
            stop = min(start + chunk, vectors)
            for m in range(first, end, ROWS):
                rows = min(ROWS, end - m)
                weights = address(b, m * length)
                _sweep((packed, weights, length, sums, quads, rows, start, stop))
                _collect((sums, -(-rows // SIDE) * quads))
                _add_sums(partial, quads, c, m, m + rows)
        task = claim(counter)


@emitted(_ADDRESS, _ADDRESS, _COUNT, _COUNT, _COUNT, apart=True)
def _pack(
    emit: Emitter, a: Value, target: Value, batch: Value, length: Value, quads: Value
) -> None:
    """Vector by vector the rows of a, filled up with zeros.

    Where there is no SIDE of rows, the last one stands for those that lack.
    """
    whole, rows = emit.divide(length, WIDTH), emit.mul(quads, SIDE)
    mask = lanes.inside(emit, emit.mul(whole, WIDTH), length)
    with emit.loop(rows) as n:
        row = _start(emit, a, length, n, batch)
        with emit.loop(whole) as v:
            at = emit.mul(emit.add(emit.mul(v, rows), n), WIDTH)
            emit.store(target, at, emit.load(row, emit.mul(v, WIDTH)))
        rest = emit.builder.icmp_signed("<", emit.mul(whole, WIDTH), length)
        with emit.builder.if_then(rest):
            at = emit.mul(emit.add(emit.mul(whole, rows), n), WIDTH)
            last = lanes.load(emit, mask, row, emit.mul(whole, WIDTH), 0.0)
            emit.store(target, at, last)


@emitted(
    _ADDRESS, _ADDRESS, _COUNT, _ADDRESS, _COUNT, _COUNT, _COUNT, _COUNT, apart=True
)
def _sweep(
    emit: Emitter,
    a: Value,
    b: Value,
    length: Value,
    partial: Value,
    quads: Value,
    rows: Value,
    start: Value,
    stop: Value,
) -> None:
    """Partial sums of packed rows of a with *rows* of b, vectors *start* to *stop*.

    Where there is no SIDE of rows, the last one stands for those that lack.
    """
    sides = emit.divide(emit.add(rows, SIDE - 1), SIDE)
    with emit.loop(emit.mul(emit.mul(sides, quads), SIDE * SIDE)) as i:
        emit.store(partial, emit.mul(i, WIDTH), emit.zero())

    def meet(first: Value, steps: Value, load: Load) -> None:
        """Vectors *first* on of all rows."""
        with emit.loop(sides) as side:
            numbers = [emit.add(emit.mul(side, SIDE), j) for j in range(SIDE)]
            right = [_start(emit, b, length, number, rows) for number in numbers]
            with emit.loop(quads) as quad:
                at = emit.add(emit.mul(side, quads), quad)
                sums = emit.add(
                    partial, emit.mul(at, SIDE * SIDE * WIDTH * FLOAT_BYTES)
                )
                left = emit.add(a, emit.mul(quad, SIDE * WIDTH * FLOAT_BYTES))
                _tile(
                    emit,
                    left,
                    emit.mul(quads, SIDE * WIDTH),
                    right,
                    sums,
                    first,
                    steps,
                    load,
                )

    whole = emit.divide(length, WIDTH)
    last = _least(emit, stop, whole)
    turns = emit.divide(emit.add(emit.sub(last, start), STEPS - 1), STEPS)
    with emit.loop(turns) as turn:
        first = emit.add(start, emit.mul(turn, STEPS))
        meet(first, _least(emit, emit.index(STEPS), emit.sub(last, first)), emit.load)
    with emit.builder.if_then(emit.builder.icmp_signed("<", last, stop)):
        mask = lanes.inside(emit, emit.mul(whole, WIDTH), length)
        meet(
            whole,
            emit.index(1),
            lambda address, offset: lanes.load(emit, mask, address, offset, 0.0),
        )


Load = Callable[[Value, Value], Vector]


def _tile(
    emit: Emitter,
    left: Value,
    step: Value,
    right: list[Value],
    sums: Value,
    first: Value,
    steps: Value,
    load: Load,
) -> None:
    """Some vectors of SIDE rows with those of SIDE others."""
    cells = [(i, j) for i in range(SIDE) for j in range(SIDE)]
    totals = {
        (i, j): emit.register(emit.load(sums, (i * SIDE + j) * WIDTH)) for i, j in cells
    }
    with emit.loop(steps) as vector:
        number = emit.add(first, vector)
        at = emit.mul(number, WIDTH)
        for row in right:
            emit.prefetch(row, emit.add(at, AHEAD))
        values = [load(row, at) for row in right]
        for i in range(SIDE):
            factor = emit.load(left, emit.add(emit.mul(number, step), i * WIDTH))
            for j in range(SIDE):
                total = emit.get(totals[i, j]) + factor.times(values[j])
                emit.set(totals[i, j], total)
    for i, j in cells:
        emit.store(sums, (i * SIDE + j) * WIDTH, emit.get(totals[i, j]))


@emitted(_ADDRESS, _COUNT, apart=True)
def _collect(emit: Emitter, partial: Value, tiles: Value) -> None:
    """The sums of partial sums: WIDTH of them fill a vector, tile after tile."""
    with emit.loop(emit.mul(tiles, SIDE * SIDE // WIDTH)) as i:
        at = emit.mul(i, WIDTH * WIDTH)
        vectors = [emit.load(partial, emit.add(at, j * WIDTH)) for j in range(WIDTH)]
        emit.store(partial, emit.mul(i, WIDTH), emit.sums(vectors))


@njit(nogil=True, cache=True)
def _add_sums(partial, quads, c, first, end):  # type: ignore[no-untyped-def]
    """Add tiles of sums to columns *first* to *end* of c."""
    for n in range(len(c)):
        for m in range(first, end):
            side, j = divmod(m - first, SIDE)
            c[n, m] += partial[(side * quads * SIDE + n) * SIDE + j]


def _start(emit: Emitter, a: Value, step: Value, number: Value, rows: Value) -> Value:
    """Where a row begins, or the last one where there are not so many."""
    there = _least(emit, number, emit.sub(rows, 1))
    return emit.add(a, emit.mul(there, emit.mul(step, FLOAT_BYTES)))


def _least(emit: Emitter, a: Value, b: Value) -> Value:
    return emit.builder.select(emit.builder.icmp_signed("<", a, b), a, b)
