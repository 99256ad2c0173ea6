"""Sums of outer products: the heart of the gradients.

One side is taken as it lies, a value of a few rows at a time; of the other a few
vectors begin anywhere.  Sums stay in registers while up to three loops pass by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from llvmlite import ir
from numba import types

from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    INDEX,
    ROWS,
    WIDTH,
    Emitter,
    Value,
    emitted,
)

VECTORS = 3  # at most, at once; with ROWS rows their sums fill the registers
# More of them with fewer rows: less is loaded for as many products, where registers are
# many.
WIDE, WIDE_ROWS = (4, 6) if WIDTH == 16 else (VECTORS, ROWS)
MOST = max(VECTORS, WIDE)
TILES = tuple(product(range(1, ROWS + 1), range(1, VECTORS + 1)))  # rows and vectors
WIDE_TILES = tuple((rows, WIDE) for rows in range(1, WIDE_ROWS + 1))

Fetch = Callable[[Value, Value, list[Value]], None]

_ADDRESS, _COUNT = types.uintp, types.intp


@emitted(
    _COUNT, _COUNT, _ADDRESS, *[_COUNT] * 4, *[_ADDRESS] * VECTORS,
    _COUNT, _COUNT, _COUNT, _ADDRESS, _COUNT, _COUNT, _COUNT, _COUNT, types.boolean,
    _ADDRESS, apart=True,
)  # fmt: skip
def add_products(emit: Emitter, rows: Value, vectors: Value, *where: Value) -> None:
    """c[i, j] = Σ a[i] b[j], or more of it, for 1 to ROWS *rows* i and *vectors* j.

    Called with one tuple of: rows; vectors; the address of a and its values from one
    row, image, line and position to the next; the addresses of as many vectors as there
    may be of b, and their values from one image, line and position to the next; the
    address of c and its values from one row to the next; images, lines and positions;
    whether to add to what c holds; the address of what a is next time, which is fetched
    meanwhile.
    """
    a, a_row, *steps = where[:5]
    b, rest, next_a = where[5 : 5 + VECTORS], where[5 + VECTORS : -1], where[-1]

    def fetch(p: Value, at_a: Value, _: list[Value]) -> None:
        turn = emit.builder.and_(p, emit.index(ROWS - 1))
        emit.prefetch(next_a, emit.add(at_a, emit.mul(a_row, turn)))

    _choose(emit, TILES, rows, vectors, a, a_row, steps, b, rest, fetch)


@emitted(
    _COUNT, _ADDRESS, *[_COUNT] * 4, _ADDRESS, *[_COUNT] * 3, _ADDRESS, *[_COUNT] * 4,
    types.boolean, apart=True,
)  # fmt: skip
def add_wide_products(emit: Emitter, rows: Value, *where: Value) -> None:
    """The same for 1 to WIDE_ROWS *rows* and WIDE vectors, which lie side by side.

    Called with one tuple of what :func:`add_products` takes, less the number of vectors
    and their addresses but for the first, and the address of what is fetched.
    """
    a, a_row, *steps = where[:5]
    b = [emit.add(where[5], j * WIDTH * FLOAT_BYTES) for j in range(WIDE)]

    def fetch(*_: Any) -> None:
        """The weights are what comes from afar."""

    wide = emit.index(WIDE)
    _choose(emit, WIDE_TILES, rows, wide, a, a_row, steps, b, where[6:], fetch)


@emitted(
    _COUNT, _COUNT, _ADDRESS, *[_COUNT] * 3, _ADDRESS, *[_COUNT] * 3,
    _ADDRESS, _COUNT, _COUNT, _COUNT, _COUNT, types.boolean, _ADDRESS, *[_COUNT] * 3,
    apart=True,
)  # fmt: skip
def add_beside(emit: Emitter, rows: Value, vectors: Value, *where: Value) -> None:
    """The same, quicker, where rows of a and vectors of b lie side by side.

    Called with one tuple of: rows; vectors; the address of a and its values from one
    image, line and position to the next; the same of b; the address of c and its values
    from one row to the next; images, lines and positions; whether to add; the address
    of what is fetched meanwhile and its values from one image, line and position to the
    next.
    """
    a, *steps = where[:4]
    b = [emit.add(where[4], j * WIDTH * FLOAT_BYTES) for j in range(VECTORS)]
    rest, (start, *nexts) = where[5:-4], where[-4:]

    def fetch(_: Value, __: Value, at: list[Value]) -> None:
        places = [emit.mul(i, each) for i, each in zip(at, nexts, strict=True)]
        emit.prefetch(start, emit.add(emit.add(*places[:2]), places[2]))

    _choose(emit, TILES, rows, vectors, a, 1, steps, b, rest, fetch)


def _choose(
    emit: Emitter,
    tiles: Sequence[tuple[int, int]],
    rows: Value,
    vectors: Value,
    *where: Any,
) -> None:
    """The tile of that many rows and vectors."""
    build = emit.builder
    done = build.append_basic_block("done")
    choice = build.switch(emit.add(emit.mul(rows, MOST + 1), vectors), done)
    for count, each in tiles:
        block = build.append_basic_block(f"{count} x {each}")
        choice.add_case(ir.Constant(INDEX, count * (MOST + 1) + each), block)
        with build.goto_block(block):
            _tile(emit, count, each, *where)
            build.branch(done)
    build.position_at_end(done)


def _tile(
    emit: Emitter,
    rows: int,
    vectors: int,
    a: Value,
    a_row: Value | int,
    a_steps: Sequence[Value],
    b: Sequence[Value],
    rest: Sequence[Value],
    fetch: Fetch,
) -> None:
    b_image, b_line, b_step, c, c_row, images, lines, columns, add = rest
    a_image, a_line, a_step = a_steps
    cells = {
        (i, j): emit.add(emit.mul(c_row, i), j * WIDTH)
        for i in range(rows)
        for j in range(vectors)
    }
    sums = {cell: emit.register(emit.zero()) for cell in cells}
    with emit.builder.if_then(add):
        for cell, at in cells.items():
            emit.set(sums[cell], emit.load(c, at))
    with emit.loop(images) as n, emit.loop(lines) as line:
        left = emit.add(emit.mul(n, a_image), emit.mul(line, a_line))
        right = emit.add(emit.mul(n, b_image), emit.mul(line, b_line))
        with emit.loop(columns) as p:
            at_a, at_b = (
                emit.add(left, emit.mul(p, a_step)),
                emit.add(right, emit.mul(p, b_step)),
            )
            fetch(p, at_a, [n, line, p])
            values = [emit.load(start, at_b) for start in b[:vectors]]
            for i in range(rows):
                factor = emit.load_one(a, emit.add(at_a, emit.mul(a_row, i)))
                for j in range(vectors):
                    total = emit.get(sums[i, j]) + factor.times(values[j])
                    emit.set(sums[i, j], total)
    for cell, at in cells.items():
        emit.store(c, at, emit.get(sums[cell]))
