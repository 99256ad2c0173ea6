"""Sums with channels in the lanes of vectors: each target adds up what it meets.

Targets are outputs, or inputs of which the gradient is wanted; a few neighbouring ones
of a phase are summed at once.  What they meet is taken value by value, as it lies or
from a copy with margins, and never unfolded.  ``phases`` says how the work is divided.

Weights come from memory slowly.  Where they are read once, as all positions are one
region, each task turns its own, a few at a time, and has those that are next fetched
while it multiplies.
"""

from __future__ import annotations

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.beside import apart_finished, beside
from netspec.backends.cpu.direct.phases import Phases, of_inputs, of_outputs
from netspec.backends.cpu.direct.tile import (
    MOST,
    VECTORS,
    WIDE_ROWS,
    add_beside,
    add_products,
    add_wide_products,
)
from netspec.backends.cpu.epilogue import TERMS, Finish, finish
from netspec.backends.cpu.frame import Array, image, macs, planes, weights
from netspec.backends.cpu.lines import address, clear, pad_rows, span
from netspec.backends.cpu.panels import LINE, NOWHERE
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.vectors import FLOAT_BYTES, ROWS, WIDTH
from netspec.compiled import njit
from netspec.shapes import count

STEPS = 128  # products that a sum takes at once: their weights stay in the first cache
AHEAD = 16  # targets whose factors are fetched meanwhile
RUN = 16  # products with one tap after which weights of another filter are fetched


def gather_outputs(
    x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
) -> None:
    """y = w * x, finished."""
    plan, taps, given = of_outputs(geo), count(geo.kernel), weights(w, geo)
    turns = taps == 1 or plan.regions == 1
    if not turns:
        given = _by_tap(given, plan, taps, geo.taps, taps)
    _gather(image(x, geo), given, planes(y, geo), last, plan, macs(geo), turns)


def gather_gradients(dy: Array, w: Array, dx: Array, geo: ConvolutionGeometry) -> None:
    """dx = wᵀ * dy."""
    plan, taps, by_tap = of_inputs(geo), count(geo.kernel), weights(w, geo)
    if taps > 1:
        by_tap = _by_tap(by_tap, plan, taps, taps, geo.taps)
    nothing = finish(geo.channels, None)
    _gather(planes(dy, geo), by_tap, image(dx, geo), nothing, plan, macs(geo))


def _gather(
    x: Array,
    w: Array,
    y: Array,
    last: Finish,
    plan: Phases,
    work: int,
    turns: bool = False,
) -> None:
    """*turns* are as :func:`_sum` has them."""
    tasks = plan.regions * y.shape[1] * len(plan.panels)
    taps = plan.region.kernel_d * plan.region.kernel_h * plan.region.kernel_w
    chunk = max(STEPS, taps) * MOST * WIDTH
    room = plan.packed + plan.sums + chunk + TERMS * MOST * WIDTH
    share(
        _sum, tasks, x, w, y, last, plan.panels, plan.windows, plan.region, plan.packed,
        plan.sums, chunk, turns, workspace=room, work=work,
    )  # fmt: skip


def _by_tap(w: Array, plan: Phases, taps: int, target: int, source: int) -> Array:
    """Weights (G, weights) as (G, panels, sources, taps, targets of a panel), in whole
    vectors.  *target* and *source* are from the weight of one to that of the next.

    Returns:
        An array (G, sources, the rest) that is valid until the next operation.
    """
    flat, panels = w.reshape(len(w), -1), plan.panels.reshape(-1, 2)
    first, some = panels[panels[:, 1] > 0][-1]
    targets = int(first + some)
    sources = flat.shape[1] // (targets * taps)
    wide = -(-targets // WIDTH) * WIDTH * taps
    u = buffer("weights", len(w) * sources * wide).reshape(len(w), sources, wide)
    share(_turn, len(w) * sources, flat, u, panels, taps, target, source, work=u.size)
    return u


@njit(nogil=True, cache=True)
def _turn(counter, tasks, workspace, w, u, panels, taps, target, source):  # type: ignore[no-untyped-def]
    """One task is one source."""
    sources = u.shape[1]
    task = claim(counter)
    while task < tasks:
        g, s = divmod(task, sources)
        for first, some in panels:
            lanes = (some + WIDTH - 1) // WIDTH * WIDTH
            out = address(u[g], (first * sources + s * lanes) * taps)
            for i in range(0, some, WIDTH):
                begin = address(w[g], (first + i) * target + s * source)
                rows, at = min(WIDTH, some - i), out + i * FLOAT_BYTES
                beside((begin, target, rows, at, lanes, taps))
        task = claim(counter)


@njit(nogil=True, cache=True)
def _sum(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, x, w, y, last, panels, windows, region, packed, sums,
    size, turns,
):  # fmt: skip
    """One task is some channels of one group, in one region.

    Sources x and targets y (N, G, channels, D, H, W); w as :func:`_by_tap` makes it,
    or (G, sources, targets), where there is one tap, or (G, targets, sources and taps)
    if a task *turns* what it needs.  Of that it has *size* values at once, at most.
    """
    copy, out = workspace.ctypes.data, address(workspace, packed)
    chunk = address(workspace, packed + sums)
    terms = workspace[packed + sums + size :]
    place = _place(0, 0, y, region)
    met, held = _as_it_lies(x, place, region), -1  # whose sources are packed
    task = claim(counter)
    before = task + 1 if task + 1 == tasks else task - 1  # some claim from the last on
    while task < tasks:
        rest, block = divmod(task, panels.shape[0])
        number, g = divmod(rest, y.shape[1])
        if rest != held:
            place = _place(g, number, y, region)
            met, held = _as_it_lies(x, place, region), rest
            if region.packed:
                met = _pack(x, place, copy, region)
        given = w, chunk, x.shape[2], turns
        for p in range(panels.shape[1]):
            first, some = panels[block, p]
            after = _panel_after(w, panels, p + 1, task, before, tasks)
            if some > 0:
                _sum_panel(met, given, first, some, place, windows, out, region, after)
                _store(out, y, first, some, place, last, terms)
        before, task = task, claim(counter)


@njit(inline="always")
def _panel_after(w, panels, p, task, before, tasks):  # type: ignore[no-untyped-def]
    """The panel that a worker probably has next: the p-th of its task, or the first of
    another.

    Returns:
        The address of its weights, if they are to be turned, and how many rows it has.
    """
    block = task % panels.shape[0]
    if p == panels.shape[1] or panels[block, p, 1] == 0:
        p, task = 0, 2 * task - before
    if task < 0 or task >= tasks:
        return NOWHERE, 0
    number, block = divmod(task, panels.shape[0])
    first, some = panels[block, p]
    return address(w[number % w.shape[0]], first * w.shape[2]), some


@njit(inline="always")
def _place(g, number, y, region):  # type: ignore[no-untyped-def]
    """A region: its group, its first image and how many, its depth, its first line and
    column and how many of each."""
    depth, height, width = y.shape[3:]
    high = (height + region.lines - 1) // region.lines
    wide = (width + region.columns - 1) // region.columns
    rest, across = divmod(number, wide)
    rest, down = divmod(rest, high)
    several, d = divmod(rest, depth)
    n, h, w = several * region.images, down * region.lines, across * region.columns
    images, lines = min(region.images, y.shape[0] - n), min(region.lines, height - h)
    return g, n, images, d, h, lines, w, min(region.columns, width - w)


@njit(inline="always")
def _stands(place, region):  # type: ignore[no-untyped-def]
    """Depth, line and column of sources where the first target of a region stands."""
    _, _, _, d, h, _, w, _ = place
    return (
        d // region.phases_d * region.step_d,
        h // region.phases_h * region.step_h,
        w // region.phases_w * region.step_w,
    )


@njit(inline="always")
def _as_it_lies(x, place, region):  # type: ignore[no-untyped-def]
    """What a region meets: the address of the first value; the values from one image,
    channel, plane and line to the next; how many planes and lines there are."""
    g, n = place[:2]
    d, h, w = _stands(place, region)
    channels, deep, high, wide = x.shape[2:]
    d, h, w = d + region.low_d, h + region.low_h, w + region.low_w
    at = address(x[n, g], (d * high + h) * wide + w)
    plane = deep * high * wide
    return at, x.shape[1] * channels * plane, plane, high * wide, wide, deep, high


@njit(inline="always")
def _pack(x, place, target, region):  # type: ignore[no-untyped-def]
    """The same of a copy at *target*, with zeros where there is no source."""
    g, n, images, _, _, lines, _, _ = place
    front, top, left = _stands(place, region)
    channels, length = x.shape[2], region.length
    rows = (region.lines + region.phases_h - 1) // region.phases_h
    rows -= (lines + region.phases_h - 1) // region.phases_h
    rows = region.rows - rows * region.step_h
    left += region.low_w
    low, high = span(left, 1, x.shape[5], length)
    plane = region.rows * length
    for i in range(images):
        for c in range(channels):
            for p in range(region.planes):
                d = front + region.low_d + p
                at = ((i * channels + c) * region.planes + p) * plane
                for r in range(rows):
                    h = top + region.low_h + r
                    out = target + (at + r * length) * FLOAT_BYTES
                    if 0 <= d < x.shape[3] and 0 <= h < x.shape[4]:
                        source = address(x[n + i, g, c, d, h], left)
                        pad_rows((source, 0, out, 0, 1, low, high, length))
                    else:
                        clear((out, length))
    every = region.planes * plane
    return target, every * channels, every, plane, length, x.shape[3], x.shape[4]


@njit(inline="always")
def _sum_panel(met, given, first, channels, place, windows, out, region, panel):  # type: ignore[no-untyped-def]
    """The sums of a panel of channels, side by side, position by position.

    *given* are the weights, the address of room for some of them, how many sources
    there are, and whether to turn weights; *panel* is what comes next.
    """
    start, image, step = met[:3]
    w, chunk, sources, turns = given
    g, _, images, _, _, lines, _, columns = place
    plane = region.kernel_h * region.kernel_w
    taps = region.kernel_d * plane
    lanes = (channels + WIDTH - 1) // WIDTH * WIDTH
    some = max(1, STEPS // (taps if turns else plane))
    for low in range(0, sources, some):
        now = min(some, sources - low)
        right, after = chunk, (NOWHERE, 0, 0, 0)
        if turns:
            row, at = w.shape[2], low * taps
            rows = address(w[g], first * row + at), row, channels
            _turn_some(rows, chunk, lanes, now * taps)
            after = panel[0], row, panel[1], min(some, sources) * taps
            if low + now < sources:
                begin = rows[0] + now * taps * FLOAT_BYTES
                after = begin, row, channels, min(some, sources - low - now) * taps
        elif taps > 1:
            right = address(w[g], (first * sources + low * lanes) * taps)
        else:
            source, wide = address(w[g, low], first), w.shape[2]
            pad_rows((source, wide, chunk, lanes, now, 0, channels, lanes))
        for i in range(images):
            left = start + (i * image + low * step) * FLOAT_BYTES
            target = out + i * lines * columns * lanes * FLOAT_BYTES
            for v in range(windows.shape[0]):
                factors = left, right, target, now, lanes, low > 0
                _add_phase(factors, met, place, windows[v], region, after, i)


@njit(inline="always")
def _turn_some(rows, target, lanes, values):  # type: ignore[no-untyped-def]
    """Some values of each of a panel's rows, side by side in *lanes*.

    *rows* are an address, a distance and how many there are.
    """
    start, row, channels = rows
    for i in range(0, channels, WIDTH):
        source, out = start + i * row * FLOAT_BYTES, target + i * FLOAT_BYTES
        beside((source, row, min(WIDTH, channels - i), out, lanes, values))


@njit(inline="always")
def _add_phase(factors, met, place, window, region, after, number):  # type: ignore[no-untyped-def]
    """Add what some channels bring to one phase of one image, of that *number*.

    *after* are weights that are fetched meanwhile: an address, how far apart their rows
    are, how many rows there are, and of how many values.
    """
    left, right, target, channels, lanes, more = factors
    _, _, step, plane, row, deep, high = met
    _, _, images, depth, line, lines, _, columns = place
    rest_d, taps_d, tap_d, back_d, source_d, ahead_d = window[0]
    rest_h, taps_h, tap_h, back_h, source_h, ahead_h = window[1]
    rest_w, taps_w, tap_w, back_w, source_w, ahead_w = window[2]
    if depth % region.phases_d != rest_d:
        return
    d = depth // region.phases_d * region.step_d + source_d
    first_d, last_d = span(d, max(ahead_d, 1), deep, taps_d)
    taps = region.kernel_d * region.kernel_h * region.kernel_w * lanes
    steps = step, ahead_h * row, ahead_w
    turns = taps, -back_h * region.kernel_w * lanes, -back_w * lanes
    is_single = region.kernel_h * region.kernel_w == 1
    run = channels
    if is_single:  # all in one loop, or in two
        if after[2] and channels % RUN == 0:
            run = RUN
        steps, turns = (run * step, 0, step), (run * taps, 0, taps)
    many = max((columns - rest_w + region.phases_w - 1) // region.phases_w, 0)
    is_wide = lanes > VECTORS * WIDTH
    most = WIDE_ROWS if is_wide else ROWS
    rounds = (many + most - 1) // most
    tile, tiles = number * lines * rounds, images * lines * rounds
    for h in range(rest_h, lines, region.phases_h):
        stands = h // region.phases_h * region.step_h + source_h
        at = line // region.phases_h * region.step_h + stands
        first_h, last_h = span(at, max(ahead_h, 1), high, taps_h)
        counts = channels, last_h - first_h, taps_w
        if is_single:
            counts = channels // run, (last_h - first_h) * taps_w, run
        if (last_d - first_d) * counts[1] * taps_w == 0:
            counts = 0, 0, 0  # nothing is met: zeros
        for kd in range(first_d, max(last_d, first_d + 1)):
            begin = (source_d - region.low_d + kd * ahead_d) * plane
            begin += (stands - region.low_h + first_h * ahead_h) * row
            begin += source_w - region.low_w
            tap = (tap_d - kd * back_d) * region.kernel_h + tap_h - first_h * back_h
            b = right + (tap * region.kernel_w + tap_w) * lanes * FLOAT_BYTES
            add = more or kd > first_d
            for r in range(rounds):
                j, end = r * many // rounds, (r + 1) * many // rounds
                a = left + (begin + j * region.step_w) * FLOAT_BYTES
                c = h * columns + rest_w + j * region.phases_w
                out = target + c * lanes * FLOAT_BYTES, region.phases_w * lanes
                first = end - j, lanes // WIDTH, a
                if add and counts[0] == 0:
                    continue  # nothing is added
                weights = b, turns[0], turns[1], turns[2]
                if is_wide:
                    first = end - j, a, region.step_w
                    add_wide_products((*first, *steps, b, *turns, *out, *counts, add))
                elif region.step_w == 1:
                    then = _fetched(after, tile, tiles, counts, a, steps)
                    ending = add, then[0], then[1], then[2], then[3]
                    add_beside(first + steps + weights + out + counts + ending)
                    tile += 1
                else:
                    near = region.step_w, steps[0], steps[1], steps[2]
                    vectors = b, b + WIDTH * FLOAT_BYTES, b + 2 * WIDTH * FLOAT_BYTES
                    ahead = add, a + AHEAD * FLOAT_BYTES
                    add_products(first + near + vectors + turns + out + counts + ahead)


@njit(inline="always")
def _fetched(after, tile, tiles, counts, a, steps):  # type: ignore[no-untyped-def]
    """What :func:`add_beside` fetches: all tiles together fetch what is needed *after*.

    *tile* is the number of one of *tiles*, *counts* are the lengths of its loops,
    *steps* those of its factors, which else are fetched, from the address *a* on.
    """
    start, row, rows, length = after
    parts = max(1, tiles * counts[0] // max(rows, 1))
    block, part = divmod(tile, parts)
    if counts[0] == 0 or block * counts[0] >= rows:
        return a + AHEAD * FLOAT_BYTES, steps[0], steps[1], steps[2]
    begin = start + (block * counts[0] * row + part * length // parts) * FLOAT_BYTES
    each = min(LINE, length // (parts * counts[1] * counts[2]) + 1)
    return begin, row, each * counts[2], each


@njit(inline="always")
def _store(out, y, first, channels, place, last, terms):  # type: ignore[no-untyped-def]
    """Finish the sums of a panel, and bring them to their places."""
    g, n, images, depth, line, lines, column, columns = place
    lanes = (channels + WIDTH - 1) // WIDTH * WIDTH
    for i in range(TERMS):
        for c in range(channels):
            terms[i * lanes + c] = last.terms[g * y.shape[2] + first + c, i]
    long, high = columns, lines
    if columns == y.shape[5]:
        long, high = columns * lines, 1  # whole lines follow each other
    plane = y.shape[3] * y.shape[4] * y.shape[5]
    ending = last.scaled, last.adds, last.other, last.floor
    finish = (terms.ctypes.data, lanes, *ending)
    for i in range(images):
        for h in range(high):
            source = out + (i * lines + h) * columns * lanes * FLOAT_BYTES
            target = address(y[n + i, g, first, depth, line + h], column)
            lines_of = source, lanes, long, target, plane, channels
            apart_finished(lines_of + finish)
