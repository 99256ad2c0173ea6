"""Unfolding: the values that each output position meets, as the columns of a matrix.

A matrix holds one row a tap (channel, then kernel position) and one column an output
position, for a stretch of positions only, so that it stays in the cache.  The lines of
the image that the stretch sees are first staged: with zeros where they are padded, and
with the columns that lie a stride apart side by side.  From there every row of the
matrix is copied in whole vectors, which may write beyond their end: what is there is
either written later or not used.
"""

from __future__ import annotations

from numba import types

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu import lanes
from netspec.backends.cpu.frame import frame
from netspec.backends.cpu.lines import add, address, clear, copy, copy_rows, span
from netspec.backends.cpu.vectors import FLOAT_BYTES, WIDTH, Emitter, Value, emitted
from netspec.compiled import njit

_ADDRESS, _COUNT = types.uintp, types.intp


def stage_size(geo: ConvolutionGeometry, channels: int, stretch: int) -> int:
    """Values of the stage for that many channels and positions at once."""
    f = frame(geo)
    lines = min(f.out_h, -(-stretch // f.out_w) + 1)
    rows = (lines - 1) * f.stride_h + (f.kernel_h - 1) * f.dilation_h + 1
    reach = (f.kernel_w - 1) * f.dilation_w
    width = f.out_w if lines > 1 else min(f.out_w, stretch)
    length = width + reach // f.stride_w + 1 + WIDTH
    return channels * rows * min(f.stride_w, reach + 1) * length + WIDTH


@njit(nogil=True)
def unfold(image, columns, pitch, first, last, f, stage):  # type: ignore[no-untyped-def]
    """Fill columns for output positions *first* to *last* of image (C, D, H, W).

    *columns* and *stage* are addresses, *pitch* the distance of the columns' rows.
    """
    if f.pointwise:
        source, plane = address(image[0, 0, 0], first), image.shape[3]
        copy_rows((source, plane, columns, pitch, image.shape[0], last - first))
    else:
        at, plane = first, f.out_h * f.out_w
        while at < last:
            od, start = divmod(at, plane)
            stop = min(plane, start + last - at)
            view = _view(start, stop, f)
            target = columns + (at - first) * FLOAT_BYTES
            for kd in range(f.kernel_d):
                d = od * f.stride_d - f.pad_d + kd * f.dilation_d
                _stage(image, d, view, f, stage)
                _pass(target, pitch, kd, image.shape[0], view, f, stage, False)
            at += stop - start


@njit(inline="always")
def fold(image, columns, pitch, first, last, f, stage):  # type: ignore[no-untyped-def]
    """Add columns back onto the image they would have come from: unfold's adjoint."""
    at, plane = first, f.out_h * f.out_w
    while at < last:
        od, start = divmod(at, plane)
        stop = min(plane, start + last - at)
        view = _view(start, stop, f)
        target = columns + (at - first) * FLOAT_BYTES
        for kd in range(f.kernel_d):
            clear((stage, image.shape[0] * view[4] * view[5] * view[6]))
            _pass(target, pitch, kd, image.shape[0], view, f, stage, True)
            d = od * f.stride_d - f.pad_d + kd * f.dilation_d
            _unstage(image, d, view, f, stage)
        at += stop - start


@njit(inline="always")
def _view(start, stop, f):  # type: ignore[no-untyped-def]
    """What positions *start* to *stop* of a plane see.

    Returns:
        start, stop; the first line and column of outputs; the stage's rows of a
        channel, phases (columns a stride apart) of a row, and values of a phase.
    """
    line, column = divmod(start, f.out_w)
    lines = (stop - 1) // f.out_w - line + 1
    if lines > 1:
        column = 0
    width = f.out_w if lines > 1 else stop - start
    rows = (lines - 1) * f.stride_h + (f.kernel_h - 1) * f.dilation_h + 1
    reach = (f.kernel_w - 1) * f.dilation_w
    length = width + reach // f.stride_w + 1 + WIDTH
    return start, stop, line, column, rows, min(f.stride_w, reach + 1), length


@njit(inline="always")
def _stage(image, d, view, f, stage):  # type: ignore[no-untyped-def]
    """Copy lines of depth *d*, zeros outside, as (C, rows, phases, length)."""
    _, _, line, column, rows, phases, length = view
    top, left = line * f.stride_h - f.pad_h, column * f.stride_w - f.pad_w
    for r in range(rows):
        if _is_seen(r, f):
            h = top + r
            there = 0 <= d < image.shape[1] and 0 <= h < image.shape[2]
            for c in range(image.shape[0]):
                for phase in range(phases):
                    at = ((c * rows + r) * phases + phase) * length
                    target = stage + at * FLOAT_BYTES
                    low, high = span(left + phase, f.stride_w, image.shape[3], length)
                    if there:
                        begin = left + phase + low * f.stride_w
                        source = address(image[c, d, h], begin)
                        filled = target + low * FLOAT_BYTES
                        clear((target, low))
                        copy((source, f.stride_w, filled, high - low))
                        clear((target + high * FLOAT_BYTES, length - high))
                    else:
                        clear((target, length))


@njit(inline="always")
def _unstage(image, d, view, f, stage):  # type: ignore[no-untyped-def]
    """Add what is staged to the image: _stage's adjoint."""
    _, _, line, column, rows, phases, length = view
    top, left = line * f.stride_h - f.pad_h, column * f.stride_w - f.pad_w
    if 0 <= d < image.shape[1]:
        for r in range(max(-top, 0), min(rows, image.shape[2] - top)):
            if _is_seen(r, f):
                for c in range(image.shape[0]):
                    for phase in range(phases):
                        at = ((c * rows + r) * phases + phase) * length
                        low, high = span(
                            left + phase, f.stride_w, image.shape[3], length
                        )
                        begin = left + phase + low * f.stride_w
                        target = address(image[c, d, top + r], begin)
                        source = stage + (at + low) * FLOAT_BYTES
                        add((source, target, f.stride_w, high - low))


@njit(inline="always")
def _is_seen(row, f):  # type: ignore[no-untyped-def]
    """Whether any tap meets a staged row: not where the stride passes over it."""
    seen = False
    for kh in range(f.kernel_h):
        seen |= (row - kh * f.dilation_h) % f.stride_h == 0
    return seen


@njit(inline="always")
def _pass(columns, pitch, kd, channels, view, f, stage, back):  # type: ignore[no-untyped-def]
    """Copy the stage to the rows of all taps of depth *kd*, or add them *back*."""
    start, stop, line, _, rows, phases, length = view
    taps = f.kernel_d * f.kernel_h * f.kernel_w
    line_step, channel_step = f.stride_h * phases * length, rows * phases * length
    single = (stop - 1) // f.out_w == line
    for tap in range(f.kernel_h * f.kernel_w):
        kh, kw = divmod(tap, f.kernel_w)
        skip, phase = divmod(kw * f.dilation_w, f.stride_w)
        row = (kh * f.dilation_h * phases + phase) * length + skip
        target = columns + (kd * f.kernel_h * f.kernel_w + tap) * pitch * FLOAT_BYTES
        at = start
        while at < stop:
            # The rest of a line, then all whole lines, then the begin of one.
            now, left = divmod(at, f.out_w)
            width, lines = min(f.out_w - left, stop - at), 1
            if left == 0 and stop - at >= f.out_w:
                lines = (stop - at) // f.out_w
            if single:
                left = at - start
            place = (
                stage + (row + (now - line) * line_step + left) * FLOAT_BYTES,
                line_step,
                channel_step,
                target + (at - start) * FLOAT_BYTES,
                f.out_w,
                taps * pitch,
                lines,
                channels,
                width,
            )
            if back:
                _add_lines(place)
            else:
                _copy_lines(place)
            at += lines * width


@emitted(*[_ADDRESS, _COUNT, _COUNT] * 2, _COUNT, _COUNT, _COUNT, apart=True)
def _copy_lines(
    emit: Emitter,
    source: Value,
    line_step: Value,
    channel_step: Value,
    target: Value,
    line_jump: Value,
    channel_jump: Value,
    lines: Value,
    channels: Value,
    width: Value,
) -> None:
    """Copy *width* values of each line of each channel, in whole vectors.

    Called with one tuple: an address, the distances of its lines and channels, the
    same of the target; how many lines, channels and values.
    """
    vectors = emit.divide(emit.add(width, WIDTH - 1), WIDTH)
    with emit.loop(channels) as c, emit.loop(lines) as i, emit.loop(vectors) as v:
        at = emit.mul(v, WIDTH)
        here = emit.add(emit.mul(channel_step, c), emit.mul(line_step, i))
        there = emit.add(emit.mul(channel_jump, c), emit.mul(line_jump, i))
        emit.store(target, emit.add(there, at), emit.load(source, emit.add(here, at)))


@emitted(*[_ADDRESS, _COUNT, _COUNT] * 2, _COUNT, _COUNT, _COUNT, apart=True)
def _add_lines(
    emit: Emitter,
    source: Value,
    line_step: Value,
    channel_step: Value,
    target: Value,
    line_jump: Value,
    channel_jump: Value,
    lines: Value,
    channels: Value,
    width: Value,
) -> None:
    """Add the target's values to the source's: the adjoint of :func:`_copy_lines`."""
    vectors = emit.divide(emit.add(width, WIDTH - 1), WIDTH)
    with emit.loop(channels) as c, emit.loop(lines) as i, emit.loop(vectors) as v:
        at = emit.mul(v, WIDTH)
        here = emit.add(emit.mul(channel_step, c), emit.mul(line_step, i))
        there = emit.add(emit.mul(channel_jump, c), emit.mul(line_jump, i))
        given = emit.load(target, emit.add(there, at))
        given = emit.chosen(lanes.inside(emit, at, width), given, emit.zero())
        grown = emit.load(source, emit.add(here, at)) + given
        emit.store(source, emit.add(here, at), grown)
