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
    NOWHERE,
    meanwhile,
    multiply_finished,
    multiply_half_finished,
    multiply_half_meanwhile,
    multiply_meanwhile,
)
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.unfold import stage_size
from netspec.backends.cpu.vectors import FLOAT_BYTES, LANES, ROWS, WIDTH
from netspec.compiled import njit
from netspec.shapes import count

DEPTH = 128  # rows of columns multiplied at once: a panel of them fits the first cache
BLOCK = 64  # filters whose outputs a worker holds at once, at most
# Values of a group's weights from which on filters are shared.
LARGE_WEIGHTS = (1 << 17) + 1
CHUNK_VALUES = 1 << 21  # of a chunk's columns: the cache that cores share
CHUNK = 16 * LANES  # positions of a chunk, at most
CROWDED = 128  # rows a multiple of this apart fall into few sets of the first cache
PARTED = 8  # vectors of positions from which on a chunk is two parts
CHUNK_TAPS = 128  # taps that one task unfolds, about


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
    stretch, filters = cut(geo).stretch, w.shape[2 if turned else 1]
    pieces = -(-geo.batch * count(geo.output) // stretch)
    block, size = block_size(filters), geo.taps * (stretch + WIDTH)
    room = size + geo.taps * _up(filters, WIDTH) + block * LANES
    room += stage_size(geo, geo.channels // geo.group, stretch)
    share(
        _pieces, geo.group * pieces, x, w, y, finish, geo.taps, turned, stretch, size,
        _layout(geo, stretch), block, frame(geo), workspace=room, work=macs(geo),
    )  # fmt: skip


def _layout(geo: ConvolutionGeometry, positions: int) -> tuple[int, int]:
    """How far apart are the columns of two taps and, of so many, of two positions.

    Panels of one tap follow each other: to their columns that is the nearest.  Others
    are unfolded line by line; a spare vector, lest their rows fall into the same set of
    the cache.
    """
    return (LANES, geo.taps) if frame(geo).pointwise else (positions + WIDTH, 1)


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
    most = min(CHUNK, max(LANES, CHUNK_VALUES // geo.taps // LANES * LANES))
    most = min(most, -(-positions // LANES) * LANES)
    layout = _layout(geo, most + WIDTH)  # a spare vector behind each part: see `_begin`
    block = block_size(filters)
    columns = buffer("columns", geo.taps * (most + 2 * WIDTH))
    f, channels = frame(geo), x.shape[2]
    some = min(channels, -(-CHUNK_TAPS // count(geo.kernel)))
    stage = stage_size(geo, some, most)
    for g in range(geo.group):
        for first in range(0, positions, most):
            last = min(positions, first + most)
            ends = first, _middle(first, last), last
            parts = 1 if ends[1] == last else 2
            share(
                _unfold, parts * -(-channels // some), x, g, columns, layout, ends,
                y.shape[3], some, f, workspace=stage, work=_moved(geo, last - first),
            )  # fmt: skip
            share(
                _filters, parts * -(-filters // block), x, w, g, columns, layout, y,
                finish, geo.taps, turned, ends, block, f,
                workspace=block * (LANES + geo.taps),
            )  # fmt: skip


def _middle(first: int, last: int) -> int:
    """Where a chunk is cut in two parts; its end, where it is too small for that."""
    vectors = -(-(last - first) // WIDTH)
    return first + (vectors + 2) // 4 * LANES if vectors >= PARTED else last


def _moved(geo: ConvolutionGeometry, positions: int) -> int:
    """Values of the columns of a chunk, but for those that are read in the image."""
    one_image = frame(geo).pointwise and geo.batch == 1
    return geo.taps * (LANES if one_image else positions)


@njit(nogil=True, cache=True)
def _pieces(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, w, y, finish, taps, turned, stretch, size, layout,
    block, f,
):  # fmt: skip
    """One task is one stretch of one group."""
    filters, positions = w.shape[2] if turned else w.shape[1], y.shape[3]
    columns = workspace.ctypes.data
    rows = address(workspace, size)
    packed = rows + block * LANES * FLOAT_BYTES
    stage = packed + (filters + WIDTH - 1) // WIDTH * WIDTH * taps * FLOAT_BYTES
    group = -1  # whose weights are packed
    total = y.shape[0] * positions
    pieces = (total + stretch - 1) // stretch
    channels = x.shape[2]
    task = claim(counter)
    while task < tasks:
        g, piece = divmod(task, pieces)
        first = piece * stretch
        last = min(total, first + stretch)
        if g != group:
            pack_weights(w, g, 0, filters, taps, turned, packed)
            group = g
        where = columns, layout, first
        _load(x, g, (0, channels), where, first, last, positions, f, stage)
        for j in range(first, last, LANES):
            panel = _panel(x, g, where, j, positions, f)
            after = NOWHERE
            if j + LANES < last and _in_image(j + LANES, positions, f):
                after = _panel(x, g, where, j + LANES, positions, f)[0]
            for low in range(0, filters, block):
                some = min(block, filters - low)
                args = low, some, rows, j, min(last, j + LANES)
                start = packed + low * taps * FLOAT_BYTES
                weights = start, 1, WIDTH, some, start
                _outputs(weights, taps, g, panel, y, finish, args, (after, filters))
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
    rows, packed = workspace.ctypes.data, address(workspace, block * LANES)
    filters = w.shape[2] if turned else w.shape[1]
    blocks = (filters + block - 1) // block
    task = claim(counter)
    while task < tasks:
        part, low = task // blocks, task % blocks * block
        some = min(block, filters - low)
        weights = _near(w, g, low, some, taps, turned, packed)
        first, last = _part(ends, part)
        where = _begin(columns, layout, ends, part)
        for j in range(first, last, LANES):
            panel = _panel(x, g, where, j, y.shape[3], f)
            args = low, some, rows, j, min(last, j + LANES)
            _outputs(weights, taps, g, panel, y, finish, args, (NOWHERE, filters))
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
def _in_image(j, positions, f):  # type: ignore[no-untyped-def]
    """Whether the panel from position *j* on is read where it lies in the image."""
    is_apt = f.pointwise and positions % WIDTH == 0 and positions % CROWDED
    return is_apt and j % positions + LANES <= positions


@njit(inline="always")
def _load(x, g, channels, where, first, last, positions, f, stage):  # type: ignore[no-untyped-def]
    """Unfold positions *first* to *last* of some channels, but for panels that are read
    in the image.

    *where* is the address of the columns, their layout and their first position.
    """
    (columns, (row, apart), origin), (low, high) = where, channels
    tap = low * f.kernel_d * f.kernel_h * f.kernel_w
    step = LANES if f.pointwise else last - first
    for j in range(first, last, step):
        if not _in_image(j, positions, f):
            target = columns + ((j - origin) * apart + tap * row) * FLOAT_BYTES
            end = min(last, j + step)
            load_columns(x, g, low, high, target, row, j, end, positions, f, stage)


@njit(inline="always")
def _panel(x, g, where, j, positions, f):  # type: ignore[no-untyped-def]
    """Where the columns of LANES positions from *j* on are, and their rows' distance;
    *where* is as for :func:`_load`."""
    if _in_image(j, positions, f):
        n, at = divmod(j, positions)
        return address(x[n, g, 0, 0, 0], at), positions
    columns, (row, apart), origin = where
    return columns + (j - origin) * apart * FLOAT_BYTES, row


@njit(inline="always")
def _outputs(weights, taps, g, panel, y, finish, args, after):  # type: ignore[no-untyped-def]
    """Outputs of some filters at LANES positions or fewer.

    *weights* are as :func:`_near` has them; *panel* has the columns; *args* are the
    first filter and how many, the address of room for sums, the first position and the
    last; *after* is the address of the next panel, to be fetched meanwhile, or NOWHERE,
    and how many filters there are.
    """
    (start, row, step, whole, rest), (low, filters, rows, first, last) = weights, args
    for tap in range(0, taps, DEPTH):
        for k in range(0, filters, ROWS):
            at = k // WIDTH * WIDTH * taps + k % WIDTH * row + tap * step
            left = start + at * FLOAT_BYTES, row, step
            if k >= whole:
                left = rest + tap * WIDTH * FLOAT_BYTES, 1, WIDTH
            place = low + k, min(ROWS, filters - k), tap, taps, first, last
            out = rows + k * LANES * FLOAT_BYTES
            _tile(left, g, place, panel, out, y, finish, after)
    if first % y.shape[3] + last - first > y.shape[3]:
        store_rows(rows, LANES, y, g, low, filters, first, last, finish)


@njit(inline="always")
def _tile(left, g, place, panel, out, y, finish, after):  # type: ignore[no-untyped-def]
    """Add taps to ROWS filters, in *out*; with the last taps they go to the outputs, if
    these are of one image.

    *left* is the address of the weights and how far apart filters and taps are; *place*
    the first filter and how many there are, the first tap and how many there are, the
    first position and the one after the last.
    """
    (k, filters, tap, taps, first, last), (right, step) = place, panel
    lanes = last - first
    n, at = divmod(first, y.shape[3])
    columns = right + tap * step * FLOAT_BYTES
    depth = min(DEPTH, taps - tap)
    product = columns, step, out, LANES, depth, tap > 0
    ahead = meanwhile(k // ROWS, after[1], tap, depth, step, after[0])
    args = (*left, *product, *ahead)
    if at + lanes <= y.shape[3] and tap + depth == taps:
        terms = address(finish.terms, (g * y.shape[2] + k) * TERMS)
        target = address(y[n, g, k], at), y.shape[3], filters, lanes, terms
        ending = finish.scaled, finish.adds, finish.other, finish.floor
        last_args = (*args, *target, *ending)
        if lanes > WIDTH:
            multiply_finished(last_args)
        else:
            multiply_half_finished(last_args)
    elif lanes > WIDTH:
        multiply_meanwhile(args)
    else:
        multiply_half_meanwhile(args)
