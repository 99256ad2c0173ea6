"""Products of a slender matrix with a large one: combinations of its rows.

BLAS brings both matrices into panels first, which is time lost where each weight meets
few values.  Here a few rows of weights at a time are read as they lie; what is in
registers of them is multiplied with the factors of the whole batch, and added to sums
that stay in the cache.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from numba import types

from netspec.backends.cpu import lanes
from netspec.backends.cpu.columns import packer
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.threads import claim, share
from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    LANES,
    WIDTH,
    Emitter,
    Value,
    emitted,
)
from netspec.compiled import njit

Array = Any

HELD = 1 << 17  # sums that stay in the second cache
SHARES = 4  # tasks of a product, or a multiple: workers get as much
TERMS = 8 if WIDTH == 16 else 4  # rows of weights that registers hold
GROUP = 2 * TERMS  # that are read at once: as many streams as a core follows
VECTORS = LANES // WIDTH

_ADDRESS, _COUNT = types.uintp, types.intp


def combinations(a: Array, b: Array, bias: Array, c: Array) -> None:
    """c = a b + bias; a (N, K), b (K, M), bias (M,) or empty, all contiguous."""
    batch, columns = c.shape
    shares, panels = SHARES * -(-c.size // (SHARES * HELD)), -(-columns // LANES)
    tasks = min(shares, panels)
    room = batch * (-(-panels // max(1, tasks)) * LANES + GROUP)
    share(_combine, tasks, a, b, bias, c, panels, workspace=room, work=batch * b.size)


@njit(nogil=True, cache=True)
def _combine(counter, tasks, workspace, a, b, bias, c, panels):  # type: ignore[no-untyped-def]
    """One task is a segment of columns: some of all *panels* of LANES, about as many
    as the others have."""
    batch, (length, columns) = len(a), b.shape
    factors = workspace[: batch * GROUP]
    sums = workspace[batch * GROUP :]
    task = claim(counter)
    while task < tasks:
        start = task * panels // tasks * LANES
        count = min((task + 1) * panels // tasks * LANES, columns) - start
        _begin(sums, bias, batch, start, count)
        for first in range(0, length, GROUP):
            last = min(first + GROUP, length)
            _add_rows(a, b, first, last, start, count, factors, sums)
        _end((address(sums, 0), address(c, start), columns, batch, count))
        task = claim(counter)


@njit(nogil=True, cache=True)
def _begin(sums, bias, batch, start, count):  # type: ignore[no-untyped-def]
    """Sums, panel by panel, before anything is added."""
    for panel in range((count + LANES - 1) // LANES):
        for n in range(batch):
            for i in range(LANES):
                at = panel * LANES + i
                there = bias.size > 0 and at < count
                sums[(panel * batch + n) * LANES + i] = bias[start + at] if there else 0


@njit(nogil=True, cache=True)
def _add_rows(a, b, first, last, start, count, factors, sums):  # type: ignore[no-untyped-def]
    """Add rows *first* to *last* of b, times their factors: blocks of TERMS, and one by
    one what is left."""
    batch, columns = len(a), b.shape[1]
    blocks = (last - first) // TERMS
    rest = first + blocks * TERMS
    packed, out = address(factors, 0), address(sums, 0)
    size = batch * TERMS * FLOAT_BYTES
    for i in range(blocks):
        at = address(a, first + i * TERMS)
        _pack((at, a.shape[1], packed + i * size, batch))
    weights = address(b, first * columns + start)
    _add_blocks((weights, columns, packed, out, batch, blocks, count))
    for i in range(last - rest):
        for n in range(batch):
            factors[i * batch + n] = a[n, rest + i]
    weights = address(b, rest * columns + start)
    _add_single((weights, columns, packed, out, batch, last - rest, count))


def _combination(terms: int) -> Any:
    """Add blocks of *terms* rows of b, times their factors, to sums.

    Called with one tuple of: the address of the first row; its step to the next;
    factors, *terms* for each of the batch, block by block; sums; how many in the batch;
    blocks; columns.
    """

    def combination(
        emit: Emitter,
        b: Value,
        step: Value,
        factors: Value,
        sums: Value,
        batch: Value,
        blocks: Value,
        columns: Value,
    ) -> None:
        panels = emit.divide(emit.add(columns, LANES - 1), LANES)
        with emit.loop(panels) as panel:
            starts = [
                emit.add(emit.mul(panel, LANES), v * WIDTH) for v in range(VECTORS)
            ]
            masks = [lanes.inside(emit, start, columns) for start in starts]
            panel_sums = emit.mul(emit.mul(panel, batch), LANES)
            with emit.loop(blocks) as block:
                rows = [emit.add(emit.mul(block, terms), k) for k in range(terms)]
                weights = [
                    [
                        lanes.load(
                            emit, mask, b, emit.add(emit.mul(row, step), at), 0.0
                        )
                        for mask, at in zip(masks, starts, strict=True)
                    ]
                    for row in rows
                ]
                for row, at in product(rows, starts):
                    later = emit.add(row, GROUP)
                    emit.prefetch(b, emit.add(emit.mul(later, step), at))
                first = emit.mul(emit.mul(block, batch), terms)
                with emit.loop(batch) as n:
                    at = emit.add(panel_sums, emit.mul(n, LANES))
                    own = emit.add(first, emit.mul(n, terms))
                    totals = [
                        emit.load(sums, emit.add(at, v * WIDTH)) for v in range(VECTORS)
                    ]
                    for k in range(terms):
                        factor = emit.load_one(factors, emit.add(own, k))
                        for v in range(VECTORS):
                            totals[v] = totals[v] + factor.times(weights[k][v])
                    for v in range(VECTORS):
                        emit.store(sums, emit.add(at, v * WIDTH), totals[v])

    combination.__name__ = f"combination_of_{terms}"
    kinds = _ADDRESS, _COUNT, _ADDRESS, _ADDRESS, _COUNT, _COUNT, _COUNT
    return emitted(*kinds, apart=True)(combination)


_pack = packer(TERMS)
_add_blocks, _add_single = _combination(TERMS), _combination(1)


@emitted(_ADDRESS, _ADDRESS, _COUNT, _COUNT, _COUNT, apart=True)
def _end(
    emit: Emitter, sums: Value, c: Value, step: Value, batch: Value, columns: Value
) -> None:
    """Sums, panel by panel, to rows of c."""
    vectors = emit.divide(emit.add(columns, WIDTH - 1), WIDTH)
    with emit.loop(vectors) as vector:
        at = emit.mul(vector, WIDTH)
        mask = lanes.inside(emit, at, columns)
        panel = emit.divide(at, LANES)
        within = emit.sub(at, emit.mul(panel, LANES))
        with emit.loop(batch) as n:
            number = emit.add(emit.mul(panel, batch), n)
            total = emit.load(sums, emit.add(emit.mul(number, LANES), within))
            lanes.store(emit, mask, c, emit.add(emit.mul(n, step), at), total)
