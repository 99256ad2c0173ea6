"""Transforming the weights: once an operation, for all tiles."""

from __future__ import annotations

from netspec.backends.cpu.frame import Array
from netspec.backends.cpu.threads import buffer, claim, share
from netspec.backends.cpu.vectors import ROWS, WIDTH
from netspec.backends.cpu.winograd.formulas import TAPS
from netspec.backends.cpu.winograd.grid import SPARE, Grid
from netspec.backends.cpu.winograd.transforms import PLANES, kernels
from netspec.compiled import njit

KERNEL = TAPS * TAPS


def transformed(w: Array, g: Grid, backward: bool) -> Array:
    """G w Gᵀ of one group, in panels: (PLANES, panel, channel, ROWS) of filters.

    Args:
        w: weights of the whole convolution (K, C / group, 3, 3).
        backward: take the convolution that makes the data gradient: its filters are
            the channels of w, and its kernels are turned by half a turn.

    Returns:
        (PLANES, values of a plane); valid until the next operation.
    """
    if backward:
        start = g.first_channel * g.filters * KERNEL + KERNEL - 1
        steps = KERNEL, g.filters * KERNEL, -1
    else:
        start = g.first_filter * g.channels * KERNEL
        steps = g.channels * KERNEL, KERNEL, 1
    count, size = -(-g.filters // ROWS), panel_size(g)
    stride = count * size + SPARE
    u = buffer("weights", PLANES * stride).reshape(PLANES, stride)
    work = g.channels * g.filters * PLANES
    share(
        _transform, count, w.reshape(-1), start, *steps, u, size, g,
        workspace=KERNEL * size, work=work,
    )  # fmt: skip
    return u


def panel_size(g: Grid) -> int:
    """Values of one panel of one plane: whole vectors."""
    return -(-g.channels * ROWS // WIDTH) * WIDTH


@njit(nogil=True, cache=True)
def _transform(  # type: ignore[no-untyped-def]
    counter, tasks, workspace, w, start, filter_step, channel_step, tap_step, u, size, g
):
    """One task is one panel."""
    taps = workspace[: KERNEL * size].reshape(KERNEL, size)
    panel = claim(counter)
    while panel < tasks:
        for r in range(ROWS):
            k = panel * ROWS + r
            at = start + min(k, g.filters - 1) * filter_step
            for c in range(g.channels):
                for t in range(KERNEL):
                    taps[t, c * ROWS + r] = w[at + c * channel_step + t * tap_step]
        target = u[0, panel * size :].ctypes.data
        kernels((taps.ctypes.data, size, target, u.shape[1], size // WIDTH))
        panel = claim(counter)
