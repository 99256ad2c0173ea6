"""The gradient of data: each input adds up what the outputs bring that it meets.

Channels lie in the lanes of vectors, and a few neighbouring inputs of a phase are
summed at once: dy is taken value by value, as it lies or from a copy with margins, and
never unfolded.  ``phases`` says how the work is divided.
"""

from __future__ import annotations

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.beside import apart, beside, lay
from netspec.backends.cpu.direct.outer import VECTORS, add_products
from netspec.backends.cpu.direct.phases import phases
from netspec.backends.cpu.frame import Array, image, macs, planes, weights
from netspec.backends.cpu.lines import address, clear, span
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.vectors import FLOAT_BYTES, ROWS, WIDTH
from netspec.compiled import njit
from netspec.shapes import count

STEPS = 128  # products that a sum takes at once: their weights stay in the first cache
CHUNK = STEPS * VECTORS * WIDTH  # values of those weights
AHEAD = 16  # inputs whose factors are fetched meanwhile


def gather(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx = wᵀ * dy."""
    cut, taps = phases(geo), count(geo.kernel)
    flat = weights(w, geo)
    if taps > 1:
        flat = _by_tap(flat, taps, cut.panels.reshape(-1, 2))
    share(
        _gather, cut.regions * geo.group * len(cut.panels), planes(dy, geo), flat,
        image(dx, geo), cut.panels, cut.windows, cut.region, cut.packed, cut.sums,
        cut.frame, workspace=cut.packed + cut.sums + CHUNK, work=macs(geo),
    )  # fmt: skip


def _by_tap(w: Array, taps: int, panels: Array) -> Array:
    """Weights (G, K, C taps) as (G, panels, K, taps, channels of a panel), in whole
    vectors, in three axes.

    Returns:
        An array that is valid until the next operation.
    """
    groups, filters, values = w.shape
    channels = values // taps
    wide = -(-channels // WIDTH) * WIDTH
    u = buffer("weights", groups * filters * taps * wide)
    u = u.reshape(groups, filters, taps * wide)
    share(_turn, groups * filters, w, u, taps, panels, work=u.size)
    return u


@njit(nogil=True, cache=True)
def _turn(counter, tasks, workspace, w, u, taps, panels):  # type: ignore[no-untyped-def]
    """One task is one filter."""
    filters = w.shape[1]
    task = claim(counter)
    while task < tasks:
        g, k = divmod(task, filters)
        for first, channels in panels:
            lanes = (channels + WIDTH - 1) // WIDTH * WIDTH
            out = address(u[g], (first * filters + k * lanes) * taps)
            for c in range(0, channels, WIDTH):
                source = address(w[g, k], (first + c) * taps)
                some = min(WIDTH, channels - c)
                beside((source, taps, some, out + c * FLOAT_BYTES, lanes, taps))
        task = claim(counter)


@njit(nogil=True, cache=True)
def _gather(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, dy, w, dx, panels, windows, region, packed, sums, f
):
    """One task is some channels of one group, in one region.

    dy (N, G, K, D, H, W), w as :func:`_by_tap` has it, or where there is one tap as it
    lies, dx (N, G, C, D, H, W).
    """
    copy, out = workspace.ctypes.data, address(workspace, packed)
    chunk = address(workspace, packed + sums)
    task = claim(counter)
    while task < tasks:
        rest, block = divmod(task, panels.shape[0])
        number, g = divmod(rest, dx.shape[1])
        place = _place(g, number, dx, region)
        met = _as_it_lies(dy, place, f)
        if region.packed:
            met = _pack(dy, place, copy, region, f)
        for p in range(panels.shape[1]):
            first, channels = panels[block, p]
            if channels > 0:
                _sum(met, w, first, channels, place, windows, out, chunk, region, f)
                _store(out, dx, first, channels, place)
        task = claim(counter)


@njit(inline="always")
def _place(g, number, dx, region):  # type: ignore[no-untyped-def]
    """A region: its group, its first image and how many, its depth, its first line and
    column and how many of each."""
    depth, height, width = dx.shape[3:]
    high = (height + region.lines - 1) // region.lines
    wide = (width + region.columns - 1) // region.columns
    rest, across = divmod(number, wide)
    rest, down = divmod(rest, high)
    several, d = divmod(rest, depth)
    n, line, column = several * region.images, down * region.lines, 0
    column = across * region.columns
    images = min(region.images, dx.shape[0] - n)
    lines, columns = min(region.lines, height - line), region.columns
    return g, n, images, d, line, lines, column, min(columns, width - column)


@njit(inline="always")
def _as_it_lies(dy, place, f):  # type: ignore[no-untyped-def]
    """What a region meets of dy: the address of the first value, and the values from
    one image, filter, plane and line to the next; how many planes there are."""
    g, n, _, d, line, _, column, _ = place
    at = address(dy[n, g, 0, d // f.stride_d, line // f.stride_h], column // f.stride_w)
    line = dy.shape[5]
    plane = line * dy.shape[4]
    image = plane * dy.shape[3]
    every = image * dy.shape[1] * dy.shape[2]
    return at, every, image, plane, line, dy.shape[3]


@njit(inline="always")
def _pack(dy, place, target, region, f):  # type: ignore[no-untyped-def]
    """The same of a copy, with zeros where there is no output."""
    g, n, images, depth, line, lines, column, _ = place
    filters, length = dy.shape[2], region.length
    rows = region.rows + (lines + f.stride_h - 1) // f.stride_h
    rows -= (region.lines + f.stride_h - 1) // f.stride_h
    top, left = line // f.stride_h + region.low_h, column // f.stride_w + region.low_w
    low, high = span(left, 1, dy.shape[5], length)
    plane = region.rows * length
    for i in range(images):
        for k in range(filters):
            for p in range(region.planes):
                d = depth // f.stride_d + region.low_d + p
                at = ((i * filters + k) * region.planes + p) * plane
                for r in range(rows):
                    h, out = top + r, target + (at + r * length) * FLOAT_BYTES
                    if 0 <= d < dy.shape[3] and 0 <= h < dy.shape[4]:
                        source = address(dy[n + i, g, k, d, h], left + low)
                        lay((source, out, low, high, length))
                    else:
                        clear((out, length))
    image = region.planes * plane
    return target, image * filters, image, plane, length, dy.shape[3]


@njit(inline="always")
def _sum(met, w, first, channels, place, windows, out, chunk, region, f):  # type: ignore[no-untyped-def]
    """The gradients of a panel of channels, side by side, position by position."""
    start, image, step, _, _, _ = met
    g, _, images, _, _, lines, _, columns = place
    taps, plane = f.kernel_d * f.kernel_h * f.kernel_w, f.kernel_h * f.kernel_w
    lanes = (channels + WIDTH - 1) // WIDTH * WIDTH
    some = max(1, STEPS // plane)
    for low in range(0, w.shape[1], some):
        now = min(some, w.shape[1] - low)
        right = chunk
        if taps > 1:
            right = address(w[g], (first * w.shape[1] + low * lanes) * taps)
        else:
            for k in range(now):
                source, row = address(w[g, low + k], first), k * lanes * FLOAT_BYTES
                lay((source, chunk + row, 0, channels, lanes))
        for i in range(images):
            left = start + (i * image + low * step) * FLOAT_BYTES
            target = out + i * lines * columns * lanes * FLOAT_BYTES
            for v in range(windows.shape[0]):
                factors = left, right, target, now, lanes, low > 0
                _add_phase(factors, met, place, windows[v], region, f)


@njit(inline="always")
def _add_phase(factors, met, place, window, region, f):  # type: ignore[no-untyped-def]
    """Add what some filters bring to one phase of one image."""
    left, right, target, filters, lanes, more = factors
    _, _, step, plane, row, planes = met
    _, _, _, depth, line, lines, _, columns = place
    rest_d, taps_d, tap_d, back_d, output_d, ahead_d = window[0]
    rest_h, taps_h, tap_h, back_h, output_h, ahead_h = window[1]
    rest_w, taps_w, tap_w, back_w, output_w, ahead_w = window[2]
    if depth % f.stride_d != rest_d:
        return
    d = depth // f.stride_d + output_d
    first_d, last_d = span(d, max(ahead_d, 1), planes, taps_d)
    taps = f.kernel_d * f.kernel_h * f.kernel_w * lanes
    steps = step, ahead_h * row, ahead_w
    turns = taps, -back_h * f.kernel_w * lanes, -back_w * lanes
    if f.kernel_h * f.kernel_w == 1:  # all in one loop
        steps, turns = (0, 0, step), (0, 0, taps)
    many = max((columns - rest_w + f.stride_w - 1) // f.stride_w, 0)
    rounds = (many + ROWS - 1) // ROWS
    for h in range(rest_h, lines, f.stride_h):
        at = (line + h) // f.stride_h + output_h
        first_h, last_h = span(at, max(ahead_h, 1), f.out_h, taps_h)
        counts = filters, last_h - first_h, taps_w
        if f.kernel_h * f.kernel_w == 1:
            counts = 1, (last_h - first_h) * taps_w, filters
        if (last_d - first_d) * counts[1] * taps_w == 0:
            counts = 0, 0, 0  # no window stands there: zeros
        for kd in range(first_d, max(last_d, first_d + 1)):
            begin = (output_d - region.low_d + kd * ahead_d) * plane
            begin += (h // f.stride_h + output_h - region.low_h) * row
            begin += first_h * ahead_h * row + output_w - region.low_w
            tap = (tap_d - kd * back_d) * f.kernel_h + tap_h - first_h * back_h
            b = right + (tap * f.kernel_w + tap_w) * lanes * FLOAT_BYTES
            add = more or kd > first_d
            for r in range(rounds):
                j, end = r * many // rounds, (r + 1) * many // rounds
                a = left + (begin + j) * FLOAT_BYTES
                c = h * columns + rest_w + j * f.stride_w
                out = target + c * lanes * FLOAT_BYTES, f.stride_w * lanes
                seconds = b, b + WIDTH * FLOAT_BYTES, b + 2 * WIDTH * FLOAT_BYTES
                first, ahead = (end - j, lanes // WIDTH, a, 1), a + AHEAD * FLOAT_BYTES
                if not add or counts[0] > 0:
                    add_products(
                        first + steps + seconds + turns + out + counts + (add, ahead)
                    )


@njit(inline="always")
def _store(out, dx, first, channels, place):  # type: ignore[no-untyped-def]
    """Gradients of a panel to their places."""
    g, n, images, depth, line, lines, column, columns = place
    lanes = (channels + WIDTH - 1) // WIDTH * WIDTH
    long, high = columns, lines
    if columns == dx.shape[5]:
        long, high = columns * lines, 1  # whole lines follow each other
    plane = dx.shape[3] * dx.shape[4] * dx.shape[5]
    for i in range(images):
        for h in range(high):
            source = out + (i * lines * columns + h * columns) * lanes * FLOAT_BYTES
            target = address(dx[n + i, g, first, depth, line + h], column)
            apart((source, lanes, long, target, plane, channels))
