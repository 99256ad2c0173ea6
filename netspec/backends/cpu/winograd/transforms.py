"""Winograd's transforms along both axes, in vector instructions.

Vectors run along tiles side by side where a product needs tiles as columns, and along
channels where it sums over tiles.  Every function is called with one tuple of
arguments; addresses, then distances in float32 values.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from numba import types

from netspec.backends.cpu import lanes
from netspec.backends.cpu.finishing import scaled_sums
from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    LANES,
    WIDTH,
    Emitter,
    Value,
    Vector,
    emitted,
)
from netspec.backends.cpu.winograd import formulas
from netspec.backends.cpu.winograd.formulas import SPAN, TILE, Numbers
from netspec.backends.cpu.winograd.grid import of_grid
from netspec.backends.reference.pooling import LOWEST

PLANES = SPAN * SPAN
VECTORS = LANES // WIDTH
STRIP = TILE * LANES + 2 * WIDTH  # a line of the pixels of a panel's tiles, padded
PLACES = TILE // 2 * STRIP  # from pooled pixels to their places

Formula = Callable[[Numbers], Numbers]
_ADDRESS, _COUNT = types.uintp, types.intp
_FLOAT, _FLAG = types.float32, types.boolean


@emitted(
    _ADDRESS, *[_COUNT] * 5, _ADDRESS, _ADDRESS, _ADDRESS, apart=True
)  # fmt: skip
def lines_by_tile(
    emit: Emitter,
    plane: Value,
    height: Value,
    width: Value,
    top: Value,
    left: Value,
    pixels: Value,
    nowhere: Value,
    lines: Value,
    after: Value,
) -> None:
    """Bᵀ d of tiles in a row of an image, whose pixels from (top, left) on they see;
    zeros outside it.

    Args: the image, its height and width; where the tiles begin, and how many pixels
    they see in a line; WIDTH zeros; the result, SPAN lines STRIP apart, and the same
    from the second tile on.  To the result may be written to the next whole vector.
    """
    build, starts = emit.builder, []
    for r in range(SPAN):
        row = emit.add(top, r)
        place = emit.mul(emit.add(emit.mul(row, width), left), FLOAT_BYTES)
        is_inside = build.icmp_unsigned("<", row, height)
        starts.append((is_inside, emit.add(plane, place)))
    with emit.loop(emit.divide(emit.add(pixels, WIDTH - 1), WIDTH)) as block:
        at = emit.mul(block, WIDTH)
        mask = lanes.inside(emit, emit.add(left, at), width)
        second = emit.sub(at, TILE)
        beyond = lanes.inside(emit, second, emit.index(STRIP))
        taken = []
        for is_inside, start in starts:
            here = emit.add(start, emit.mul(at, FLOAT_BYTES))
            source = build.select(is_inside, here, nowhere)
            taken.append(lanes.load(emit, mask, source, emit.index(0), 0.0))
        for r, vector in enumerate(formulas.inputs(taken)):
            emit.store(lines, emit.add(at, r * STRIP), vector)
            to = emit.add(second, r * STRIP)
            lanes.store(emit, beyond, after, to, vector)


@emitted(_ADDRESS, _ADDRESS, _ADDRESS, _COUNT, _COUNT, apart=True)
def inputs_by_tile(
    emit: Emitter, lines: Value, after: Value, out: Value, step: Value, vectors: Value
) -> None:
    """(Bᵀ d) B of tiles side by side, of whichever rows of tiles.

    Args: what :func:`lines_by_tile` makes, of all tiles; the result and the distance
    of its planes; how many vectors of tiles.
    """
    with emit.loop(vectors) as block:
        for row in range(SPAN):
            at = emit.add(emit.mul(block, TILE * WIDTH), row * STRIP)
            columns = [
                column
                for source in (lines, after)
                for column in _columns_of_tiles(emit, source, at)
            ]
            values = formulas.inputs(columns[:SPAN])
            _store_row(emit, values, out, step, row, emit.mul(block, WIDTH))


def _columns_of_tiles(emit: Emitter, lines: Value, at: Value) -> list[Vector]:
    """The first TILE columns of a vector of tiles: a vector for each."""
    parts = [emit.load(lines, emit.add(at, i * WIDTH)) for i in range(TILE)]
    return emit.deinterleave(parts)


@emitted(
    _ADDRESS, _COUNT, _COUNT, _ADDRESS, _FLAG, _FLOAT, _FLAG, _FLAG, _ADDRESS,
    apart=True,
)  # fmt: skip
def outputs_by_tile(
    emit: Emitter,
    m: Value,
    step: Value,
    vectors: Value,
    terms: Value,
    scaled: Value,
    floor: Value,
    pool: Value,
    placed: Value,
    block: Value,
) -> None:
    """Aᵀ m A of a panel of tiles, finished, as lines of pixels.

    Args: the products and the distance of their planes; how many vectors of tiles; a
    filter's terms, and the rest of :class:`~netspec.backends.cpu.epilogue.Finish`; the
    result, TILE lines STRIP apart, or half as many of half the pixels where *pool*, and
    where *placed* as many of their places.
    """

    def term(number: int) -> Vector:
        return emit.load_one(terms, number)

    with emit.loop(vectors) as v:
        at = emit.mul(v, WIDTH)
        columns = _transformed_columns(emit, formulas.outputs, m, step, at)
        rows = [
            formulas.outputs([column[row] for column in columns]) for row in range(TILE)
        ]
        pixels = scaled_sums(emit, list(chain(*rows)), term, scaled)
        pixels = [pixel.at_least(emit.splat(floor)) for pixel in pixels]
        rows = [pixels[i : i + TILE] for i in range(0, len(pixels), TILE)]
        with emit.builder.if_else(pool) as (then, otherwise):
            with then, emit.builder.if_else(placed) as (with_places, without):
                with with_places:
                    _store_pooled_and_placed(emit, rows, block, at)
                with without:
                    _store_pooled(emit, rows, block, at)
            with otherwise:
                for row, line in enumerate(rows):
                    for i, part in enumerate(emit.interleave(line)):
                        place = emit.add(emit.mul(at, TILE), row * STRIP + i * WIDTH)
                        emit.store(block, place, part)


def _store_pooled(emit: Emitter, rows: list[Numbers], block: Value, at: Value) -> None:
    """The largest of each 2 × 2 pixels, row by row of the two."""
    for row, windows in enumerate(_windows(rows)):
        largest = []
        for window in windows:
            best = emit.splat(emit.float(LOWEST))
            for pixel in window:
                best = best.or_greater(pixel)
            largest.append(best)
        _store_half(emit, largest, block, at, row * STRIP)


def _store_pooled_and_placed(
    emit: Emitter, rows: list[Numbers], block: Value, at: Value
) -> None:
    """The same, and the number of each in its window; of equals, the first's."""
    for row, windows in enumerate(_windows(rows)):
        largest, numbers = [], []
        for window in windows:
            best = emit.splat(emit.float(LOWEST))
            number = emit.splat(emit.float(len(window)))
            for i, pixel in enumerate(window):
                above = pixel.exceeds(best)
                best = emit.chosen(above, pixel, best)
                number = emit.chosen(above, emit.splat(emit.float(i)), number)
            largest.append(best)
            numbers.append(number)
        _store_half(emit, largest, block, at, row * STRIP)
        _store_half(emit, numbers, block, at, row * STRIP + PLACES)


def _windows(rows: list[Numbers]) -> list[list[Numbers]]:
    """The windows of 2 × 2 pixels, whose pixels are row by row."""
    starts = range(0, TILE, 2)
    return [
        [[*rows[i][j : j + 2], *rows[i + 1][j : j + 2]] for j in starts] for i in starts
    ]


def _store_half(
    emit: Emitter, columns: list[Vector], block: Value, at: Value, line: int
) -> None:
    """Tiles of two pixels, to a line of the block."""
    for k, part in enumerate(emit.alternate(*columns)):
        place = emit.add(emit.mul(at, TILE // 2), line + k * WIDTH)
        emit.store(block, place, part)


@of_grid(_ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _COUNT, _COUNT)
def kernels(
    emit: Emitter,
    taps: int,
    w: Value,
    tap: Value,
    channel: Value,
    u: Value,
    jump: Value,
    pitch: Value,
    channels: Value,
) -> None:
    """G w Gᵀ of the kernels of a vector of filters.

    Args: the weights and the distances of their taps and of their channels; the
    result and the distances of its planes and of its channels; how many channels.
    """
    with emit.loop(channels) as c:
        first, at = emit.mul(channel, c), emit.mul(c, pitch)
        places = [emit.add(first, emit.mul(tap, i)) for i in range(taps * taps)]
        loaded = [emit.load(w, place) for place in places]
        columns = [formulas.weights(loaded[i::taps]) for i in range(taps)]
        for row in range(SPAN):
            values = formulas.weights([column[row] for column in columns])
            _store_row(emit, values, u, jump, row, at)


@of_grid(_ADDRESS, _COUNT, _ADDRESS, _COUNT, _COUNT)
def kernel_gradients(
    emit: Emitter,
    taps: int,
    u: Value,
    step: Value,
    w: Value,
    jump: Value,
    vectors: Value,
) -> None:
    """Gᵀ u G of many kernels side by side: the transpose of :func:`kernels`."""

    def formula(values: Numbers) -> Numbers:
        return formulas.weight_gradients(values, taps)

    with emit.loop(vectors) as block:
        at = emit.mul(block, WIDTH)
        columns = _transformed_columns(emit, formula, u, step, at)
        for row in range(taps):
            values = formula([column[row] for column in columns])
            for i, value in enumerate(values):
                tap = emit.mul(jump, taps * row + i)
                emit.store(w, emit.add(at, tap), value)


def _transformed_columns(
    emit: Emitter, formula: Formula, m: Value, step: Value, at: Value | int
) -> list[Numbers]:
    """A formula along the columns of SPAN × SPAN planes, *step* apart."""
    columns = []
    for column in range(SPAN):
        planes = [emit.mul(step, SPAN * row + column) for row in range(SPAN)]
        loaded = [emit.load(m, emit.add(plane, at)) for plane in planes]
        columns.append(formula(loaded))
    return columns


_BY_CHANNEL = (_ADDRESS, _COUNT, _ADDRESS, _COUNT, _COUNT)


@of_grid(*_BY_CHANNEL)
def inputs_by_channel(emit: Emitter, taps: int, *args: Value) -> None:
    """Bᵀ d B, with channels side by side; see :func:`_by_channel`."""
    _by_channel(emit, formulas.inputs, SPAN, SPAN + 1 - taps, *args)


@of_grid(*_BY_CHANNEL)
def output_gradients_by_channel(emit: Emitter, taps: int, *args: Value) -> None:
    """A dy Aᵀ, likewise."""
    tile = SPAN + 1 - taps
    _by_channel(emit, formulas.output_gradients, tile, tile, *args)


def _by_channel(
    emit: Emitter,
    formula: Formula,
    span: int,
    tile: int,
    pixels: Value,
    line: Value,
    out: Value,
    step: Value,
    tiles: Value,
) -> None:
    """Transform tiles of LANES channels by a formula of *span* numbers.

    Args: pixels, LANES channels of each side by side; how many pixels a line has; the
    result and the distance of its planes; how many tiles, *tile* pixels apart.
    """

    def load(row: int, column: int) -> Vector:
        pixel = emit.add(emit.mul(line, row), emit.add(left, column))
        return emit.load(pixels, emit.add(emit.mul(pixel, LANES), half))

    with emit.loop(tiles) as number, emit.loop(emit.index(VECTORS)) as v:
        left, half = emit.mul(number, tile), emit.mul(v, WIDTH)
        square = [[load(r, c) for r in range(span)] for c in range(span)]
        columns = [formula(column) for column in square]
        at = emit.add(emit.mul(number, LANES), half)
        for row in range(SPAN):
            values = formula([column[row] for column in columns])
            _store_row(emit, values, out, step, row, at)


@of_grid(_ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _COUNT)
def outputs_by_channel(
    emit: Emitter,
    taps: int,
    m: Value,
    step: Value,
    wide: Value,
    pixels: Value,
    line: Value,
    tiles: Value,
) -> None:
    """Aᵀ m A of tiles of some filters side by side.

    Args: the products, the distance of their planes, and the values of a tile; the
    pixels, as many values each, and how many a line has; how many tiles.
    """
    tile = SPAN + 1 - taps

    def formula(values: Numbers) -> Numbers:
        return formulas.outputs(values, tile)

    with (
        emit.loop(tiles) as number,
        emit.loop(emit.divide(wide, WIDTH)) as v,
    ):
        at = emit.mul(v, WIDTH)
        left = emit.mul(number, tile)
        first = emit.add(emit.mul(number, wide), at)
        columns = _transformed_columns(emit, formula, m, step, first)
        for row in range(tile):
            for i, value in enumerate(formula([column[row] for column in columns])):
                pixel = emit.add(emit.mul(line, row), emit.add(left, i))
                emit.store(pixels, emit.add(emit.mul(pixel, wide), at), value)


def _store_row(
    emit: Emitter, values: Numbers, out: Value, step: Value, row: int, at: Value
) -> None:
    """Store the SPAN values of one row of planes."""
    for column, vector in enumerate(values):
        plane = emit.mul(step, SPAN * row + column)
        emit.store(out, emit.add(plane, at), vector)
