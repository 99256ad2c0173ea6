"""Bringing weights, images and gradients into the form that products take."""

from __future__ import annotations

from numba import types

from netspec.backends.cpu import lanes
from netspec.backends.cpu.direct.beside import beside
from netspec.backends.cpu.epilogue import TERMS
from netspec.backends.cpu.lines import address, copy, copy_rows, finish_line
from netspec.backends.cpu.panels import WIDEST
from netspec.backends.cpu.unfold import unfold
from netspec.backends.cpu.vectors import FLOAT_BYTES, WIDTH, Emitter, Value, emitted
from netspec.compiled import njit

_ADDRESS, _COUNT = types.uintp, types.intp


@njit(inline="always")
def pack_weights(w, g, low, filters, taps, turned, target):  # type: ignore[no-untyped-def]
    """*filters* of group g from *low* on as panels of WIDTH: (panel, tap, WIDTH).

    w is (G, filters, taps), or (G, taps, filters) if *turned*.  Lanes beyond the last
    filter hold anything.
    """
    for k in range(0, filters, WIDTH):
        out, some = target + k * taps * FLOAT_BYTES, min(WIDTH, filters - k)
        if turned:
            rows = address(w[g], low + k), w.shape[2]
            copy_rows((*rows, out, WIDTH, taps, some))
        else:
            beside((address(w[g], (low + k) * taps), taps, some, out, WIDTH, taps))


@njit(inline="always")
def load_columns(x, g, low, high, columns, pitch, first, last, positions, f, stage):  # type: ignore[no-untyped-def]
    """Unfold positions *first* to *last*, of the batch, of channels *low* to *high* of
    group g of x (N, G, C, D, H, W); of one panel, if outputs see their own inputs."""
    at = first
    while at < last:
        n, start = divmod(at, positions)
        stop = min(positions, start + last - at)
        target = columns + (at - first) * FLOAT_BYTES
        if f.pointwise:
            source = address(x[n, g, low, 0, 0], start), positions
            copy_panel((*source, target, pitch, high - low, stop - start))
        else:
            unfold(x[n, g, low:high], target, pitch, start, stop, f, stage)
        at += stop - start


@emitted(_ADDRESS, _COUNT, _ADDRESS, *[_COUNT] * 3, apart=True)
def copy_panel(
    emit: Emitter,
    source: Value,
    step: Value,
    target: Value,
    pitch: Value,
    rows: Value,
    values: Value,
) -> None:
    """target[i × pitch + j] = source[i × step + j], for *rows* i and *values* j, which
    WIDEST vectors hold."""
    starts = [emit.index(j * WIDTH) for j in range(WIDEST)]
    masks = [lanes.inside(emit, start, values) for start in starts]
    with emit.loop(rows) as i:
        at, to = emit.mul(i, step), emit.mul(i, pitch)
        for start, mask in zip(starts, masks):
            taken = lanes.load(emit, mask, source, emit.add(at, start), 0.0)
            lanes.store(emit, mask, target, emit.add(to, start), taken)


@njit(inline="always")
def load_rows(y, g, rows, pitch, first, last):  # type: ignore[no-untyped-def]
    """Copy positions *first* to *last*, of the batch, of group g of
    y (N, G, K, positions)."""
    at = first
    while at < last:
        n, start = divmod(at, y.shape[3])
        stop = min(y.shape[3], start + last - at)
        for k in range(y.shape[2]):
            target = rows + (k * pitch + at - first) * FLOAT_BYTES
            copy((address(y[n, g, k], start), 1, target, stop - start))
        at += stop - start


@njit(inline="always")
def store_rows(rows, pitch, y, g, low, filters, first, last, finish):  # type: ignore[no-untyped-def]
    """Outputs of *filters* from *low* on to their images, finished; the reverse of
    :func:`load_rows`."""
    at = first
    while at < last:
        n, start = divmod(at, y.shape[3])
        stop = min(y.shape[3], start + last - at)
        for k in range(filters):
            source = rows + (k * pitch + at - first) * FLOAT_BYTES
            target = address(y[n, g, low + k], start)
            terms = address(finish.terms, (g * y.shape[2] + low + k) * TERMS)
            line = source, target, stop - start, terms
            ending = finish.scaled, finish.adds, finish.other, finish.floor
            finish_line(line + ending)
        at += stop - start
