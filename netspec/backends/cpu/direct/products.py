"""Convolution over unfolded stretches of positions: forward, and backward to the data
where the stride is 1, which is a convolution again.

Where the weights of a group fit the cache, each worker unfolds a stretch of positions
and multiplies it with all of them.  It has packed them for itself, a panel of filters
side by side: rows of the array often fall into the same set of the cache.  Where they
are larger, all workers unfold a chunk of positions, and then share out the filters, so
that weights are read from memory only once a chunk.
"""

from __future__ import annotations

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.cut import cut
from netspec.backends.cpu.direct.packing import (
    load_columns,
    pack_weights,
    store_rows,
)
from netspec.backends.cpu.epilogue import TERMS, Finish
from netspec.backends.cpu.frame import Array, frame, macs
from netspec.backends.cpu.lines import address
from netspec.backends.cpu.panels import (
    LINE,
    NOWHERE,
    WIDEST,
    meanwhile,
    multiply_one_output,
    multiply_outputs,
    multiply_two_outputs,
)
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.unfold import stage_size
from netspec.backends.cpu.vectors import FLOAT_BYTES, ROWS, WIDTH
from netspec.compiled import njit
from netspec.shapes import count

PANEL = WIDEST * WIDTH  # positions of a panel, at most
DEPTH = 128  # rows of columns multiplied at once: a panel of them fits the first cache
BLOCK = 128  # filters whose outputs a worker holds at once, at most
# Values of a group's weights from which on filters are shared.
LARGE_WEIGHTS = (1 << 17) + 1
CHUNK_VALUES = 1 << 21  # of a chunk's columns: the cache that cores share
CHUNK = 10 * WIDEST  # vectors of positions of a chunk, at most
PARTED = 8  # vectors of positions from which on a chunk is two parts
CHUNK_TAPS = 128  # taps that one task unfolds, about
EFFORT = 8  # multiply-adds that take as long as unfolding a value


def convolve(
    x: Array,
    w: Array,
    y: Array,
    finish: Finish,
    geo: ConvolutionGeometry,
    turned: bool = False,
) -> None:
    """y = w * x, finished.

    x (N, G, C, D, H, W), w (G, K, taps) or if *turned* (G, taps, K), and
    y (N, G, K, positions), or with neighbours in the third axis.
    """
    large = w.shape[1] * w.shape[2] >= LARGE_WEIGHTS
    run = _by_chunk if large else _by_piece
    run(x, w, y, finish, geo, turned)


def _by_piece(
    x: Array,
    w: Array,
    y: Array,
    finish: Finish,
    geo: ConvolutionGeometry,
    turned: bool,
) -> None:
    pieces, filters = cut(geo).pieces, w.shape[2 if turned else 1]
    vectors = -(-geo.batch * count(geo.output) // WIDTH)
    most = -(-vectors // pieces) * WIDTH
    # A spare vector, lest rows of lines fall into the same set of the cache.
    pitch = PANEL if frame(geo).pointwise else most + WIDTH
    block, size = block_size(filters), geo.taps * pitch
    room = size + geo.taps * _up(filters, WIDTH) + block * PANEL
    room += stage_size(geo, geo.channels // geo.group, most)
    share(
        _pieces, geo.group * pieces, x, w, y, finish, geo.taps, turned, pieces, pitch,
        block, frame(geo), workspace=room, work=macs(geo),
    )  # fmt: skip


def block_size(filters: int) -> int:
    """Filters of one block, in whole panels: all blocks have about as many."""
    return _up(-(-filters // -(-filters // BLOCK)), WIDTH)


def _up(number: int, unit: int) -> int:
    return -(-number // unit) * unit


def _by_chunk(
    x: Array,
    w: Array,
    y: Array,
    finish: Finish,
    geo: ConvolutionGeometry,
    turned: bool,
) -> None:
    positions, filters = geo.batch * count(geo.output), w.shape[2 if turned else 1]
    vectors = -(-positions // WIDTH)
    chunks = -(-vectors // min(CHUNK, max(WIDEST, CHUNK_VALUES // geo.taps // WIDTH)))
    most = -(-vectors // chunks) * WIDTH
    layout = _layout(geo, most + WIDTH)  # a spare vector behind each part: see `_begin`
    block = block_size(filters)
    columns = buffer("columns", geo.taps * (most + 2 * WIDTH))
    f, channels = frame(geo), x.shape[2]
    some = min(channels, -(-CHUNK_TAPS // count(geo.kernel)))
    stage = stage_size(geo, some, most)
    for g in range(geo.group):
        for chunk in range(chunks):
            first, last = piece(chunk, chunks, positions)
            ends = first, _middle(first, last), last
            parts = 1 if ends[1] == last else 2
            share(
                _unfold, parts * -(-channels // some), x, g, columns, layout, ends,
                y.shape[3], some, f, workspace=stage,
                work=EFFORT * geo.taps * (last - first),
            )  # fmt: skip
            share(
                _filters, parts * -(-filters // block), x, w, g, columns, layout, y,
                finish, geo.taps, turned, ends, block, f,
                workspace=block * (PANEL + geo.taps),
            )  # fmt: skip


def _layout(geo: ConvolutionGeometry, positions: int) -> tuple[int, int]:
    """How far apart are the columns of two taps and, of so many, of two positions.

    Panels of one tap follow each other, as far apart as they are wide (0): to their
    columns that is the nearest.  Others are unfolded line by line; a spare vector, lest
    their rows fall into the same set of the cache.
    """
    return (0, geo.taps) if frame(geo).pointwise else (positions + WIDTH, 1)


def _middle(first: int, last: int) -> int:
    """Where a chunk is cut in two parts; its end, where it is too small for that."""
    vectors = -(-(last - first) // WIDTH)
    half = (vectors + WIDEST) // (2 * WIDEST) * PANEL
    return first + half if vectors >= PARTED else last


def piece(number: int, pieces: int, positions: int) -> tuple[int, int]:
    """The first position of a piece and the one after its last: all have about as many
    vectors."""
    vectors = (positions + WIDTH - 1) // WIDTH
    first, last = vectors * number // pieces, vectors * (number + 1) // pieces
    return first * WIDTH, min(positions, last * WIDTH)


_piece = njit(inline="always")(piece)


@njit(nogil=True, cache=True)
def _pieces(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, w, y, finish, taps, turned, pieces, pitch, block, f
):
    """One task is one piece of the positions, of one group.

    Where outputs see their own inputs, these are copied when it is their turn, and to
    the same place if nobody needs them again; else all of the piece is unfolded.
    """
    filters, positions = w.shape[2] if turned else w.shape[1], y.shape[3]
    columns, rows = workspace.ctypes.data, address(workspace, taps * pitch)
    packed = rows + block * PANEL * FLOAT_BYTES
    stage = packed + (filters + WIDTH - 1) // WIDTH * WIDTH * taps * FLOAT_BYTES
    jump = 0 if f.pointwise and filters <= block else 1
    group = -1  # whose weights are packed
    task = claim(counter)
    while task < tasks:
        g, number = divmod(task, pieces)
        first, last = _piece(number, pieces, y.shape[0] * positions)
        if g != group:
            pack_weights(w, g, 0, filters, taps, turned, packed)
            group = g
        j = first
        while j < last:
            end = min(last, j + _wide(j, last))
            step, start = pitch, columns + (j - first) * FLOAT_BYTES
            after = NOWHERE, 0, filters
            if f.pointwise:
                step, start = _wide(j, last), columns
                if end < y.shape[0] * positions:
                    n, at = divmod(end, positions)
                    after = address(x[n, g, 0, 0, 0], at), positions, filters
            for low in range(0, filters, block):
                some = min(block, filters - low)
                args = low, some, rows, j, end
                left = packed + low * taps * FLOAT_BYTES
                weights = left, 1, WIDTH, some, left
                for tap in range(0, taps, DEPTH):
                    right = start + tap * jump * step * FLOAT_BYTES
                    if low == 0 and (f.pointwise or j + tap == first):
                        c, stop = (tap, end) if f.pointwise else (0, last)
                        deep = min(DEPTH, taps - tap) if f.pointwise else x.shape[2]
                        load_columns(
                            x, g, c, c + deep, right, step, j, stop, positions, f, stage
                        )
                    depth = tap, taps
                    _outputs(weights, depth, g, (right, step), y, finish, args, after)
                _spread(y, g, finish, args)
            j = end
        task = claim(counter)


@njit(nogil=True, cache=True)
def _unfold(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, g, columns, layout, ends, positions, some, f
):
    """One task is some channels of a part of a chunk."""
    stage, pieces = workspace.ctypes.data, (x.shape[2] + some - 1) // some
    task = claim(counter)
    while task < tasks:
        part, piece = divmod(task, pieces)
        low, (first, last) = piece * some, _part(ends, part)
        part_of = low, min(x.shape[2], low + some)
        where = _begin(columns, layout, ends, part)
        _load(x, g, part_of, where, first, last, positions, f, stage)
        task = claim(counter)


@njit(nogil=True, cache=True)
def _filters(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, w, g, columns, layout, y, finish, taps, turned, ends,
    block, f,
):  # fmt: skip
    """One task is some filters of a part of a chunk."""
    rows, packed = workspace.ctypes.data, address(workspace, block * PANEL)
    filters = w.shape[2] if turned else w.shape[1]
    blocks = (filters + block - 1) // block
    task = claim(counter)
    while task < tasks:
        part, low = task // blocks, task % blocks * block
        some = min(block, filters - low)
        weights = _near(w, g, low, some, taps, turned, packed)
        first, last = _part(ends, part)
        where = _begin(columns, layout, ends, part)
        j = first
        while j < last:
            end = min(last, j + _wide(j, last))
            panel, after = _columns(where, j, last), (NOWHERE, 0, filters)
            if j == first and weights[2] == 1:
                after = weights[0], 0, 0
            args = low, some, rows, j, end
            for tap in range(0, taps, DEPTH):
                right = panel[0] + tap * panel[1] * FLOAT_BYTES, panel[1]
                _outputs(weights, (tap, taps), g, right, y, finish, args, after)
            _spread(y, g, finish, args)
            j = end
        task = claim(counter)


@njit(inline="always")
def _near(w, g, low, filters, taps, turned, packed):  # type: ignore[no-untyped-def]
    """Weights of a block that meets few panels: where they lie, if whole tiles do.

    Returns:
        The address of the first, how far apart are filters and taps, how many filters
        are there, and the address of the others, which are packed.
    """
    whole = 0 if turned else filters // ROWS * ROWS
    pack_weights(w, g, low + whole, filters - whole, taps, turned, packed)
    if turned:
        return packed, 1, WIDTH, filters, packed
    return address(w[g], low * taps), taps, 1, whole, packed


@njit(inline="always")
def _part(ends, part):  # type: ignore[no-untyped-def]
    """The first position of a part and the one after its last."""
    first, middle, last = ends
    return (first, middle) if part == 0 else (middle, last)


@njit(inline="always")
def _begin(columns, layout, ends, part):  # type: ignore[no-untyped-def]
    """Where the columns of a part begin: whole vectors are unfolded, and what is behind
    the last position of a part is not yet the next part, which another worker unfolds
    meanwhile.

    Returns:
        The address, the layout and the first position.
    """
    before = part * ((ends[1] - ends[0]) * layout[1] + WIDTH)
    return address(columns, before), layout, _part(ends, part)[0]


@njit(inline="always")
def _wide(j, last):  # type: ignore[no-untyped-def]
    """Positions of the panel that begins at *j*: WIDEST vectors, or two, if none is to
    be left alone."""
    vectors = (last - j + WIDTH - 1) // WIDTH
    return min(vectors, 2 if vectors == 4 else WIDEST) * WIDTH


@njit(inline="always")
def _load(x, g, channels, where, first, last, positions, f, stage):  # type: ignore[no-untyped-def]
    """Unfold positions *first* to *last* of some channels.

    *where* is the address of the columns, their layout and their first position.
    """
    low, high = channels
    tap, j = low * f.kernel_d * f.kernel_h * f.kernel_w, first
    while j < last:
        end = min(last, j + _wide(j, last)) if f.pointwise else last
        begin, row = _columns(where, j, last)
        target = begin + tap * row * FLOAT_BYTES
        load_columns(x, g, low, high, target, row, j, end, positions, f, stage)
        j = end


@njit(inline="always")
def _columns(where, j, last):  # type: ignore[no-untyped-def]
    """Where the columns of the panel from position *j* on are, and their rows'
    distance; *where* is as for :func:`_load`."""
    columns, (row, apart), origin = where
    begin = columns + (j - origin) * apart * FLOAT_BYTES
    return begin, row if row else _wide(j, last)


@njit(inline="always")
def _outputs(weights, depth, g, panel, y, finish, args, after):  # type: ignore[no-untyped-def]
    """Add DEPTH taps to outputs of some filters at the positions of one panel.

    *weights* are as :func:`_near` has them; *depth* is the first tap and how many there
    are; *panel* has their columns; *args* are the first filter and how many, the
    address of room for sums, the first position and the last; *after* is the address of
    the next panel, to be fetched meanwhile, or NOWHERE, its rows' distance, and how
    many filters there are.
    """
    (start, row, step, whole, rest), (low, filters, rows, first, last) = weights, args
    tap, taps = depth
    for k in range(0, filters, ROWS):
        at = k // WIDTH * WIDTH * taps + k % WIDTH * row + tap * step
        left = start + at * FLOAT_BYTES, row, step
        if k >= whole:
            left = rest + tap * WIDTH * FLOAT_BYTES, 1, WIDTH
        place = low + k, min(ROWS, filters - k), tap, taps, first, last
        out, deep = rows + k * PANEL * FLOAT_BYTES, min(DEPTH, taps - tap)
        ahead = meanwhile((low + k) // ROWS, after[2], tap, deep, after[1], after[0])
        if after[0] == start and k + ROWS < whole:
            ahead = left[0] + ROWS * row * FLOAT_BYTES, row, 2 * LINE, 0
        elif after[0] == start and tap + DEPTH < taps:
            ahead = start + (tap + DEPTH) * FLOAT_BYTES, row, 2 * LINE, 0
        _tile(left, g, place, panel, out, y, finish, ahead)


@njit(inline="always")
def _spread(y, g, finish, args):  # type: ignore[no-untyped-def]
    """Sums of a panel to the outputs, if these are of several images."""
    low, filters, rows, first, last = args
    if first % y.shape[3] + last - first > y.shape[3]:
        store_rows(rows, PANEL, y, g, low, filters, first, last, finish)


@njit(inline="always")
def _tile(left, g, place, panel, out, y, finish, ahead):  # type: ignore[no-untyped-def]
    """Add taps to ROWS filters, in *out*; with the last taps they go to the outputs, if
    these are of one image.

    *left* is the address of the weights and how far apart filters and taps are; *place*
    the first filter and how many there are, the first tap and how many there are, the
    first position and the one after the last.
    """
    (k, filters, tap, taps, first, last), (columns, step) = place, panel
    lanes = last - first
    n, at = divmod(first, y.shape[3])
    depth = min(DEPTH, taps - tap)
    product = columns, step, out, PANEL, depth, tap > 0
    is_last = at + lanes <= y.shape[3] and tap + depth == taps
    terms = address(finish.terms, (g * y.shape[2] + k) * TERMS)
    target = address(y[n, g, k], at), y.shape[3], filters, lanes, terms
    ending = finish.scaled, finish.adds, finish.other, finish.floor
    args = (*left, *product, *ahead, is_last, *target, *ending)
    if lanes > 2 * WIDTH:
        multiply_outputs(args)
    elif lanes > WIDTH:
        multiply_two_outputs(args)
    else:
        multiply_one_output(args)
