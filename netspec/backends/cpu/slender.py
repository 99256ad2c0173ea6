"""Matrix products in which a batch has few rows, so that the weights are what is read.

BLAS brings both matrices into panels first, which is time lost where each weight meets
few values.  Here weights are taken as they lie: read from memory once, a few rows at a
time, and used for the whole batch while they are in the first cache.

Every element is summed in an order that the shapes alone decide.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from netspec.backends.cpu.lines import address
from netspec.backends.cpu.threads import claim, share
from netspec.backends.cpu.vectors import (
    FLOAT,
    FLOAT_BYTES,
    VECTOR,
    WIDTH,
    Emitter,
    Value,
    emitted,
)
from netspec.compiled import njit

Array = Any

SEGMENT = 64 * WIDTH  # columns that are worked on at once: a page of memory or less
STRETCH = 64 * WIDTH  # elements of a sum that are added before others are begun
HELD = 64  # rows of a result that stay in the cache while weights pass by
SOME = 16  # rows of a result where there are more
GROUP = 32  # rows of weights of one task
SIDE = 4  # sums of SIDE × SIDE pairs of rows are in registers at once
TERMS = 8  # rows of weights that are combined at once, and
ROWS = 2 if WIDTH == 16 else 1  # rows of a result that they make: registers hold both
SHORT = 16  # terms of a sum that is made in registers, and then added

_ADDRESS, _COUNT = types.uintp, types.intp


def sums_of_products(a: Array, b: Array, bias: Array, c: Array) -> None:
    """c = a bᵀ + bias; a (N, K), b (M, K)."""
    work = c.size * a.shape[1]
    share(_dots, -(-len(b) // GROUP), a, b, bias, c, work=work)


def combinations(a: Array, b: Array, bias: Array, c: Array) -> None:
    """c = a b + bias; a (N, K), b (K, M)."""
    work = c.size * a.shape[1]
    share(_combine, -(-c.shape[1] // SEGMENT), a, b, bias, c, work=work)


def add_combinations(a: Array, b: Array, c: Array) -> None:
    """c += a b, each sum made alone and added once; a (N, K), b (K, M)."""
    room, work = HELD * SEGMENT, c.size * a.shape[1]
    tasks = -(-c.shape[1] // SEGMENT)
    if len(b) <= SHORT:
        share(_combine_onto, tasks, a, b, c, work=work)
    else:
        share(_combine_and_add, tasks, a, b, c, workspace=room, work=work)


@njit(nogil=True, cache=True)
def _dots(counter, tasks, workspace, a, b, bias, c):  # type: ignore[no-untyped-def]
    """One task is GROUP rows of b."""
    task = claim(counter)
    while task < tasks:
        first, end = task * GROUP, min((task + 1) * GROUP, len(b))
        _begin(c, bias, first, first, end - first)
        for start in range(0, a.shape[1], STRETCH):
            stop = min(start + STRETCH, a.shape[1])
            m = first
            while m < end:
                rows = SIDE if m + SIDE <= end else 1
                n = 0
                while n < len(a):
                    each = SIDE if n + SIDE <= len(a) else 1
                    _add_dots(a, b, c, n, each, m, rows, start, stop)
                    n += each
                m += rows
        task = claim(counter)


@njit(nogil=True, cache=True)
def _add_dots(a, b, c, n, each, m, rows, start, stop):  # type: ignore[no-untyped-def]
    """Some rows of a with some of b: SIDE or one of each."""
    vectors = (stop - start) // WIDTH
    left, right, out = address(a, 0), address(b, 0), address(c, 0)
    left += (n * a.shape[1] + start) * FLOAT_BYTES
    right += (m * b.shape[1] + start) * FLOAT_BYTES
    out += (n * c.shape[1] + m) * FLOAT_BYTES
    where = left, a.shape[1], right, b.shape[1], out, c.shape[1], vectors
    if each == SIDE and rows == SIDE:
        _square(where)
    elif rows == SIDE:
        _flat(where)
    elif each == SIDE:
        _tall(where)
    else:
        _single(where)
    for i in range(n, n + each):
        for j in range(m, m + rows):
            for k in range(start + vectors * WIDTH, stop):
                c[i, j] += a[i, k] * b[j, k]


def _dot_tile(each: int, rows: int) -> Any:
    """c += a bᵀ, for *each* rows of a, *rows* of b, and whole vectors of columns.

    Called with one tuple of: address and length of a row of a; the same of b; the
    same of c; how many vectors.
    """

    def tile(
        emit: Emitter,
        a: Value,
        a_step: Value,
        b: Value,
        b_step: Value,
        c: Value,
        c_step: Value,
        vectors: Value,
    ) -> None:
        cells = [(i, j) for i in range(each) for j in range(rows)]
        sums = {cell: emit.register(emit.zero()) for cell in cells}
        with emit.loop(vectors) as block:
            at = emit.mul(block, WIDTH)
            right = [
                emit.load(b, emit.add(at, emit.mul(b_step, j))) for j in range(rows)
            ]
            for i in range(each):
                left = emit.load(a, emit.add(at, emit.mul(a_step, i)))
                for j in range(rows):
                    total = emit.get(sums[i, j]) + left.times(right[j])
                    emit.set(sums[i, j], total)
        for i, j in cells:
            at = emit.add(emit.mul(c_step, i), j)
            total = _sum_of_lanes(emit, emit.get(sums[i, j]).value)
            before = emit.number(c, at)
            emit.store_one(c, at, emit.builder.fadd(before, total))

    tile.__name__ = f"dots_of_{each}_and_{rows}"
    kinds = (_ADDRESS, _COUNT, _ADDRESS, _COUNT, _ADDRESS, _COUNT, _COUNT)
    return emitted(*kinds, apart=True)(tile)


def _sum_of_lanes(emit: Emitter, vector: Value) -> Value:
    """By halves: the order is that of the machine's vectors."""
    kind = ir.FunctionType(FLOAT, [FLOAT, VECTOR])
    name = f"llvm.vector.reduce.fadd.v{WIDTH}f32"
    reduce = emit.builder.module.globals.get(name)
    if reduce is None:
        reduce = ir.Function(emit.builder.module, kind, name)
    return emit.builder.call(reduce, [emit.float(0), vector], fastmath=("reassoc",))


_square, _flat = _dot_tile(SIDE, SIDE), _dot_tile(1, SIDE)
_tall, _single = _dot_tile(SIDE, 1), _dot_tile(1, 1)


@njit(nogil=True, cache=True)
def _combine(counter, tasks, workspace, a, b, bias, c):  # type: ignore[no-untyped-def]
    """One task is a segment of columns."""
    some = len(a) if len(a) <= HELD else SOME
    task = claim(counter)
    while task < tasks:
        start = task * SEGMENT
        columns = min(SEGMENT, c.shape[1] - start)
        for first in range(0, len(a), some):
            rows = c[first : first + some]
            _begin(rows, bias, start, start, columns)
            _add_all(a[first : first + some], b, start, rows, start, columns)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _combine_onto(counter, tasks, workspace, a, b, c):  # type: ignore[no-untyped-def]
    """One task is a segment of columns; sums are so short that registers hold them."""
    task = claim(counter)
    while task < tasks:
        start = task * SEGMENT
        columns = min(SEGMENT, c.shape[1] - start)
        for n in range(0, len(a), SIDE):
            rows = min(SIDE, len(a) - n)
            _add_sums(a, b, c, n, rows, start, columns)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _add_sums(a, b, c, n, rows, start, columns):  # type: ignore[no-untyped-def]
    """SIDE rows of c, or fewer one by one, in some columns from *start* on."""
    row, column = a.strides[0] // FLOAT_BYTES, a.strides[1] // FLOAT_BYTES
    vectors, source = columns // WIDTH, address(b, start)
    for i in range(n, n + rows, SIDE if rows == SIDE else 1):
        factors = a.ctypes.data + i * row * FLOAT_BYTES
        out = address(c, i * c.shape[1] + start)
        where = (
            factors, row, column, source, b.shape[1], len(b), out, c.shape[1], vectors,
        )  # fmt: skip
        if rows == SIDE:
            _add_sums_to_rows(where)
        else:
            _add_sums_to_row(where)
    for i in range(n, n + rows):
        for m in range(start + vectors * WIDTH, start + columns):
            total = a[i, 0] * b[0, m]
            for k in range(1, len(b)):
                total += a[i, k] * b[k, m]
            c[i, m] += total


@njit(nogil=True, cache=True)
def _combine_and_add(counter, tasks, workspace, a, b, c):  # type: ignore[no-untyped-def]
    """One task is a segment of columns, whose sums are made in the workspace."""
    some = len(a) if len(a) <= HELD else SOME
    task = claim(counter)
    while task < tasks:
        start = task * SEGMENT
        columns = min(SEGMENT, c.shape[1] - start)
        for first in range(0, len(a), some):
            rows = c[first : first + some]
            sums = workspace[: len(rows) * columns].reshape(len(rows), columns)
            _begin(sums, workspace[:0], 0, 0, columns)
            _add_all(a[first : first + some], b, start, sums, 0, columns)
            for n in range(len(rows)):
                for m in range(columns):
                    rows[n, start + m] += sums[n, m]
        task = claim(counter)


@njit(nogil=True, cache=True)
def _begin(rows, bias, start, left, columns):  # type: ignore[no-untyped-def]
    """What sums are added to, in some columns from *left* on."""
    for n in range(len(rows)):
        for m in range(columns):
            rows[n, left + m] = bias[start + m] if bias.size else 0


@njit(nogil=True, cache=True)
def _add_all(a, b, start, rows, left, columns):  # type: ignore[no-untyped-def]
    """Columns of a b from *start* on, added to those of some rows from *left* on."""
    for k in range(0, len(b) - TERMS + 1, TERMS):
        _add_terms(a, b, k, TERMS, start, rows, left, columns)
    for k in range(len(b) - len(b) % TERMS, len(b)):
        _add_terms(a, b, k, 1, start, rows, left, columns)


@njit(nogil=True, cache=True)
def _add_terms(a, b, k, terms, start, rows, left, columns):  # type: ignore[no-untyped-def]
    """Rows *k* on of b, TERMS or one, times their factors, to some rows."""
    pitch, vectors = rows.shape[1], columns // WIDTH
    row, column = a.strides[0] // FLOAT_BYTES, a.strides[1] // FLOAT_BYTES
    factors = a.ctypes.data + k * column * FLOAT_BYTES
    source = address(b, 0) + (k * b.shape[1] + start) * FLOAT_BYTES
    out = address(rows, left)
    pairs = len(rows) // ROWS if terms == TERMS else 0
    rest = len(rows) - pairs * ROWS
    _add_to_rows((factors, row, column, source, b.shape[1], out, pitch, pairs, vectors))
    factors += pairs * ROWS * row * FLOAT_BYTES
    out += pairs * ROWS * pitch * FLOAT_BYTES
    where = factors, row, column, source, b.shape[1], out, pitch, rest, vectors
    if terms == TERMS:
        _add_eight(where)
    else:
        _add_one(where)
    for n in range(len(rows)):
        for m in range(vectors * WIDTH, columns):
            total = rows[n, left + m]
            for i in range(k, k + terms):
                total += a[n, i] * b[i, start + m]
            rows[n, left + m] = total


def _combination(terms: int, at_once: int) -> Any:
    """c += a b, for *terms* rows of b, some rows of a and c, whole vectors of columns.

    Called with one tuple of: address of a, its steps from row to row and from factor
    to factor; address and length of a row of b; the same of c; how often *at_once*
    rows; vectors.
    """

    def combination(
        emit: Emitter,
        a: Value,
        a_row: Value,
        a_column: Value,
        b: Value,
        b_step: Value,
        c: Value,
        c_step: Value,
        rounds: Value,
        vectors: Value,
    ) -> None:
        with emit.loop(rounds) as turn:
            rows = [emit.add(emit.mul(turn, at_once), i) for i in range(at_once)]
            starts = [emit.mul(a_row, row) for row in rows]
            columns = [emit.mul(a_column, k) for k in range(terms)]
            factors = [
                [emit.load_one(a, emit.add(start, column)) for column in columns]
                for start in starts
            ]
            outs = [emit.mul(c_step, row) for row in rows]
            with emit.loop(vectors) as block:
                at = emit.mul(block, WIDTH)
                places = [emit.add(out, at) for out in outs]
                totals = [emit.load(c, place) for place in places]
                for k in range(terms):
                    weights = emit.load(b, emit.add(at, emit.mul(b_step, k)))
                    for i in range(at_once):
                        totals[i] = totals[i] + factors[i][k].times(weights)
                for place, total in zip(places, totals, strict=True):
                    emit.store(c, place, total)

    combination.__name__ = f"combination_of_{terms}_for_{at_once}"
    kinds = (
        _ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _ADDRESS, _COUNT, _COUNT, _COUNT,
    )  # fmt: skip
    return emitted(*kinds, apart=True)(combination)


def _sums_onto(rows: int) -> Any:
    """c += a b, for *rows* rows of a and c, a few of b, whole vectors of columns.

    Called with one tuple of: address of a, its steps from row to row and from factor
    to factor; address and length of a row of b, and how many; address and length of a
    row of c; vectors.
    """

    def sums_onto(
        emit: Emitter,
        a: Value,
        a_row: Value,
        a_column: Value,
        b: Value,
        b_step: Value,
        terms: Value,
        c: Value,
        c_step: Value,
        vectors: Value,
    ) -> None:
        sums = [emit.register(emit.zero()) for _ in range(rows)]
        with emit.loop(vectors) as block:
            at = emit.mul(block, WIDTH)
            for total in sums:
                emit.set(total, emit.zero())
            with emit.loop(terms) as k:
                weights = emit.load(b, emit.add(at, emit.mul(b_step, k)))
                for i, total in enumerate(sums):
                    place = emit.add(emit.mul(a_row, i), emit.mul(a_column, k))
                    factor = emit.load_one(a, place)
                    emit.set(total, emit.get(total) + factor.times(weights))
            for i, total in enumerate(sums):
                place = emit.add(emit.mul(c_step, i), at)
                emit.store(c, place, emit.load(c, place) + emit.get(total))

    sums_onto.__name__ = f"sums_onto_{rows}"
    kinds = (
        _ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _COUNT,
    )  # fmt: skip
    return emitted(*kinds, apart=True)(sums_onto)


_add_sums_to_rows, _add_sums_to_row = _sums_onto(SIDE), _sums_onto(1)
_add_to_rows = _combination(TERMS, ROWS)
_add_eight, _add_one = _combination(TERMS, 1), _combination(1, 1)
