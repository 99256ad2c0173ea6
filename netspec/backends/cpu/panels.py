"""The matrix product of panels, the heart of convolution, in vector instructions.

A panel is a few rows or columns of a matrix, stored so that what one step of the sum
needs lies side by side: LANES values of the right matrix, or up to WIDEST vectors, and
best ROWS of the left one, of which a row may also lie elsewhere.  Every
element is summed in the order of the inner index, whatever the machine's vectors.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import types

from netspec.backends.cpu import lanes
from netspec.backends.cpu.epilogue import TERMS
from netspec.backends.cpu.finishing import completed, scaled_sums
from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    ROWS,
    WIDTH,
    Emitter,
    Value,
    Vector,
    emitted,
)
from netspec.compiled import njit

VECTORS = 2  # that LANES fill
WIDEST = 3  # vectors of columns at most; ROWS times as many sums still fit registers
MATRICES = 6  # whose columns are multiplied at once
NOWHERE = np.uintp(0)  # address of what need not be fetched
NEVER = 62  # a shift after which no time is left
MOST_HALVINGS = 3
STEPS = 4  # of the sums between looks at what is to be fetched
LINE = 16  # values that come from memory at once

_ADDRESS, _COUNT = types.uintp, types.intp


_PRODUCT = (
    _ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _ADDRESS, _COUNT, _COUNT, types.boolean
)  # fmt: skip
_MEANWHILE = _ADDRESS, _COUNT, _COUNT, _COUNT
_FINISH = (
    _ADDRESS, *[_COUNT] * 3, _ADDRESS, types.boolean, types.boolean, _COUNT,
    types.float32,
)  # fmt: skip


@emitted(*_PRODUCT)
def multiply(emit: Emitter, *args: Value) -> None:
    """c = a b, or c + a b where *add*, for ROWS × *inner* times *inner* × LANES.

    Called with one tuple of: the address of a, its values from one row to the next and
    from one inner index to the next; the address of b and its values from one inner
    index to the next; the address of c and its values from one row to the next;
    *inner*; *add*.
    """
    _store(emit, _sums(emit, VECTORS, *args), *args[5:7])


@emitted(
    _ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _COUNT, _ADDRESS, *[_COUNT] * 3,
    types.boolean, apart=True,
)  # fmt: skip
def multiply_column(
    emit: Emitter,
    a: Value,
    a_step: Value,
    a_next: Value,
    b: Value,
    b_step: Value,
    b_next: Value,
    c: Value,
    c_row: Value,
    c_next: Value,
    inner: Value,
    add: Value,
) -> None:
    """c = a b, or c + a b where *add*, for WIDTH rows and one column of MATRICES
    products; the same sums.

    Called with one tuple of: the address of a, whose WIDTH rows lie side by side, its
    values from one inner index to the next and from one product to the next; the same
    of b; the address of c, its values from one row to the next and from one product to
    the next; *inner*; *add*.
    """
    sums = [emit.register(emit.zero()) for _ in range(MATRICES)]
    places = [
        [emit.add(emit.mul(c_next, n), emit.mul(c_row, i)) for i in range(WIDTH)]
        for n in range(MATRICES)
    ]
    with emit.builder.if_then(add):
        for total, rows in zip(sums, places):
            emit.set(total, emit.together([emit.number(c, at) for at in rows]))
    with emit.loop(inner) as p:
        at_a, at_b = emit.mul(a_step, p), emit.mul(b_step, p)
        for n, total in enumerate(sums):
            left = emit.load(a, emit.add(at_a, emit.mul(a_next, n)))
            right = emit.load_one(b, emit.add(at_b, emit.mul(b_next, n)))
            emit.set(total, emit.get(total) + left.times(right))
    for total, rows in zip(sums, places):
        for i, at in enumerate(rows):
            emit.store_one(c, at, emit.lane(emit.get(total), i))


@emitted(*_PRODUCT, *_MEANWHILE, apart=True)
def multiply_meanwhile(emit: Emitter, *args: Value) -> None:
    """As :func:`multiply`, and have what is needed later brought near meanwhile.

    Called with one tuple of: what :func:`multiply` takes; an address, two distances,
    and a shift.  Every STEPS << shift inner indices two lines are fetched: ROWS times
    the first distance apart, and again from the second distance on.
    """
    _store(emit, _sums(emit, VECTORS, *args), *args[5:7])


@emitted(*_PRODUCT, *_MEANWHILE, types.boolean, *_FINISH, apart=True)
def multiply_outputs(emit: Emitter, *args: Value) -> None:
    """a b, or c + a b, of WIDEST vectors: to c, or finished as outputs of ROWS filters.

    Called with one tuple of: what :func:`multiply_meanwhile` takes; whether the sums
    are finished, and not written to c; the address of the
    outputs and their values from one filter to the next; how many of the filters,
    and of the columns, there are; the filters' terms,
    and *scaled*, *adds*, *other* and *floor* of
    :class:`~netspec.backends.cpu.epilogue.Finish`.
    """
    _outputs(emit, WIDEST, args)


@emitted(*_PRODUCT, *_MEANWHILE, types.boolean, *_FINISH, apart=True)
def multiply_two_outputs(emit: Emitter, *args: Value) -> None:
    """The same for two vectors."""
    _outputs(emit, 2, args)


@emitted(*_PRODUCT, *_MEANWHILE, types.boolean, *_FINISH, apart=True)
def multiply_one_output(emit: Emitter, *args: Value) -> None:
    """The same for one vector."""
    _outputs(emit, 1, args)


def _outputs(emit: Emitter, vectors: int, args: tuple[Value, ...]) -> None:
    taken = len(_PRODUCT) + len(_MEANWHILE)
    product, (is_last, y, y_step, *last) = args[:taken], args[taken:]
    build, (adds, other) = emit.builder, last[-3:-1]
    rows = build.select(adds, emit.index(2 * ROWS), emit.index(ROWS))
    rows = build.select(is_last, rows, emit.index(0))

    def fetch(time: Value) -> None:
        """A row of the outputs, or of what is added to them, at the first times."""
        with build.if_then(build.icmp_unsigned("<", time, rows)):
            is_own = build.icmp_unsigned("<", time, emit.index(ROWS))
            start = build.select(is_own, y, emit.add(y, other))
            row = build.and_(time, emit.index(ROWS - 1))
            for j in range(vectors):
                at = emit.add(emit.mul(row, y_step), j * WIDTH)
                emit.prefetch(start, at, write=True)

    sums = _sums(emit, vectors, *product, also=fetch)
    with emit.builder.if_else(is_last) as (finished, unfinished):
        with finished:
            _finish(emit, sums, y, y_step, *last)
        with unfinished:
            _store(emit, sums, *product[5:7])


def _sums(
    emit: Emitter,
    vectors: int,
    a: Value,
    a_row: Value,
    a_step: Value,
    b: Value,
    b_step: Value,
    c: Value,
    c_step: Value,
    inner: Value,
    add: Value,
    *meanwhile: Value,
    also: Callable[[Value], None] | None = None,
) -> list[list[Vector]]:
    """The vectors of each of ROWS rows; *also* emits what else is done meanwhile."""
    columns = range(vectors)
    sums = [[emit.register(emit.zero()) for _ in columns] for _ in range(ROWS)]
    with emit.builder.if_then(add):
        for i, row in enumerate(sums):
            for j, total in enumerate(row):
                place = emit.add(emit.mul(c_step, i), j * WIDTH)
                emit.set(total, emit.load(c, place))

    def step(p: Value) -> None:
        at_a, at_b = emit.mul(a_step, p), emit.mul(b_step, p)
        right = [emit.load(b, emit.add(at_b, j * WIDTH)) for j in columns]
        for i, row in enumerate(sums):
            left = emit.load_one(a, emit.add(at_a, emit.mul(a_row, i)))
            for total, factor in zip(row, right):
                emit.set(total, emit.get(total) + left.times(factor))

    done: Value | int = 0
    if meanwhile:
        fours = emit.divide(inner, STEPS)
        with emit.loop(fours) as four:
            _fetch(emit, max(vectors, VECTORS), four, *meanwhile)
            if also:
                also(four)
            for p in range(STEPS):
                step(emit.add(emit.mul(four, STEPS), p))
        done = emit.mul(fours, STEPS)
    with emit.loop(emit.sub(inner, done)) as p:
        step(emit.add(p, done))
    return [[emit.get(total) for total in row] for row in sums]


def _fetch(
    emit: Emitter,
    lines: int,
    time: Value,
    start: Value,
    near: Value,
    far: Value,
    shift: Value,
) -> None:
    """Fetch some lines, at some of the times."""
    build = emit.builder
    unit = build.lshr(time, shift)
    is_due = build.icmp_unsigned("==", build.shl(unit, shift), time)
    with build.if_then(is_due):
        row = emit.mul(build.and_(unit, emit.index(ROWS - 1)), near)
        at = emit.add(row, emit.mul(emit.divide(unit, ROWS), far))
        for line in range(lines):
            emit.prefetch(start, emit.add(at, line * LINE))


def _store(emit: Emitter, sums: list[list[Vector]], c: Value, c_step: Value) -> None:
    for i, row in enumerate(sums):
        for j, total in enumerate(row):
            emit.store(c, emit.add(emit.mul(c_step, i), j * WIDTH), total)


def _finish(
    emit: Emitter,
    sums: list[list[Vector]],
    y: Value,
    y_step: Value,
    rows: Value,
    columns: Value,
    terms: Value,
    scaled: Value,
    adds: Value,
    other: Value,
    floor: Value,
) -> None:
    starts = [emit.index(j * WIDTH) for j in range(len(sums[0]))]
    masks = [lanes.inside(emit, start, columns) for start in starts]
    beside = emit.add(y, other)
    for i, row in enumerate(sums):
        line = emit.mul(y_step, i)

        def term(number: int, first: int = i * TERMS) -> Vector:
            return emit.load_one(terms, first + number)

        def load(j: int, line: Value = line) -> Vector:
            return lanes.load(emit, masks[j], beside, emit.add(line, starts[j]), 0.0)

        is_there = emit.builder.icmp_signed("<", emit.index(i), rows)
        with emit.builder.if_then(is_there, likely=True):
            values = scaled_sums(emit, row, term, scaled)
            for j, total in enumerate(completed(emit, values, load, adds, floor)):
                lanes.store(emit, masks[j], y, emit.add(line, starts[j]), total)


@njit(inline="always")
def meanwhile(tile, filters, tap, depth, step, after):  # type: ignore[no-untyped-def]
    """What the product of one tile fetches: all of a panel's fetch the next panel.

    *tile* is its number among those of all *filters*, *tap* its first inner index, and
    *depth* how many it has; *after* is the address of the next panel or NOWHERE, and
    *step* the distance of its rows.

    Returns:
        What :func:`multiply_meanwhile` takes.
    """
    shift, times = _halvings(filters // (ROWS * STEPS)), depth // STEPS
    if after == NOWHERE or tile >= STEPS << shift:
        return NOWHERE, 0, 0, NEVER
    row = tap + tile * (times >> shift)
    return after + row * step * FLOAT_BYTES, step, ROWS * step, shift


@njit(inline="always")
def _halvings(shares):  # type: ignore[no-untyped-def]
    """How often what is to be fetched is cut in two for that many tiles."""
    shift = 0
    while shift < MOST_HALVINGS and 2 << shift <= shares:
        shift += 1
    return shift
