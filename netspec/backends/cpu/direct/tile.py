"""Sums of outer products: the heart of the gradients.

One side is taken as it lies, a value of a few rows at a time; of the other a few
vectors begin anywhere.  Sums stay in registers while up to three loops pass by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
# More, side by side, with fewer rows: fewer values are loaded for as many products.
# Fewer registers have no room for them.
WIDE, WIDE_ROWS = (4, 6) if WIDTH == 16 else (VECTORS, ROWS)

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
    tiles = {
        (VECTORS + 1) * count + each: (count, each)
        for count in range(1, ROWS + 1)
        for each in range(1, VECTORS + 1)
    }
    left, b, (*rest, next_a) = where[:5], where[5 : 5 + VECTORS], where[5 + VECTORS :]

    def build(count: int, each: int) -> None:
        def fetch(p: Value, at: Value) -> None:
            turn = emit.builder.and_(p, emit.index(ROWS - 1))
            emit.prefetch(next_a, emit.add(at, emit.mul(left[1], turn)))

        _tile(emit, count, b[:each], fetch, *left, *rest)

    _choose(emit, emit.add(emit.mul(rows, VECTORS + 1), vectors), tiles, build)


@emitted(
    _COUNT, _ADDRESS, *[_COUNT] * 4, _ADDRESS, *[_COUNT] * 3,
    _ADDRESS, *[_COUNT] * 4, types.boolean, apart=True,
)  # fmt: skip
def add_wide_products(emit: Emitter, rows: Value, *where: Value) -> None:
    """The same for 1 to WIDE_ROWS *rows* and WIDE vectors, which lie side by side.

    Called with one tuple of what :func:`add_products` takes, less the vectors' number,
    their addresses but for the first, and the address of what is fetched.
    """
    left, b, rest = where[:5], where[5], where[6:]
    vectors = [emit.add(b, j * WIDTH * FLOAT_BYTES) for j in range(WIDE)]

    def build(count: int, each: int) -> None:
        _tile(emit, count, vectors[:each], lambda p, at: None, *left, *rest)

    tiles = {count: (count, WIDE) for count in range(1, WIDE_ROWS + 1)}
    _choose(emit, rows, tiles, build)


def _choose(
    emit: Emitter,
    number: Value,
    tiles: dict[int, tuple[int, int]],
    body: Callable[[int, int], None],
) -> None:
    """What *body* emits for the tile of that number; nothing where there is none."""
    build = emit.builder
    done = build.append_basic_block("done")
    choice = build.switch(number, done)
    for case, (rows, vectors) in tiles.items():
        block = build.append_basic_block(f"{rows} x {vectors}")
        choice.add_case(ir.Constant(INDEX, case), block)
        with build.goto_block(block):
            body(rows, vectors)
            build.branch(done)
    build.position_at_end(done)


def _tile(
    emit: Emitter,
    rows: int,
    b: Sequence[Value],
    fetch: Callable[[Value, Value], None],
    a: Value,
    a_row: Value,
    a_image: Value,
    a_line: Value,
    a_step: Value,
    b_image: Value,
    b_line: Value,
    b_step: Value,
    c: Value,
    c_row: Value,
    images: Value,
    lines: Value,
    columns: Value,
    add: Value,
) -> None:
    """*fetch* is told the position and where its values of a are."""
    vectors = len(b)
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
            fetch(p, at_a)
            values = [emit.load(start, at_b) for start in b]
            for i in range(rows):
                factor = emit.load_one(a, emit.add(at_a, emit.mul(a_row, i)))
                for j in range(vectors):
                    total = emit.get(sums[i, j]) + factor.times(values[j])
                    emit.set(sums[i, j], total)
    for cell, at in cells.items():
        emit.store(c, at, emit.get(sums[cell]))
