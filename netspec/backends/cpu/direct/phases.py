"""How sums with channels in lanes are cut: from the geometry alone.

What is summed are outputs, which gather what their window meets, or gradients of
inputs, which gather from the outputs whose window stands on them.  Inputs a stride
apart meet the same taps, at neighbouring outputs: they are one *phase*, and its
gradient is a convolution of stride 1, with those taps in reverse.  Outputs are all of
one phase.

Values that are summed are *targets* here, those that they meet *sources*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from math import lcm
from typing import NamedTuple

import numpy as np

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.tile import WIDE
from netspec.backends.cpu.direct.weight_cut import even, panels_of, table
from netspec.backends.cpu.frame import Array, frame, lifted
from netspec.backends.cpu.vectors import WIDTH
from netspec.shapes import count

POSITIONS = 256  # of a region, at most
TASKS = 8  # of an operation, where its shape allows
PACKED = 1 << 17  # values that a region meets, about


class Window(NamedTuple):
    """What the targets of a phase meet, along one axis."""

    rest: int  # of a target's place, divided by the phases
    taps: int
    tap: int  # the first of them
    back: int  # how far the next one is before it
    source: int  # what the first meets, less where the target stands among sources
    ahead: int  # how far the next one's is behind it


class Region(NamedTuple):
    """Targets that a task has at once, at most: of one depth, perhaps several images.

    What they meet is packed with zeros where windows stand beyond it; where none does,
    it is taken as it lies.
    """

    images: int
    lines: int
    columns: int
    packed: bool
    planes: int  # of sources that are met: depth, height and width
    rows: int
    length: int
    low_d: int  # the first that is met, less where the first target stands
    low_h: int
    low_w: int
    phases_d: int  # targets so far apart are of one phase
    phases_h: int
    phases_w: int
    step_d: int  # sources from a target to the next of the phase
    step_h: int
    step_w: int
    kernel_d: int
    kernel_h: int
    kernel_w: int


@dataclass(frozen=True)
class Phases:
    """The sums of one geometry.

    Attributes:
        region: the largest region.
        regions: how many there are.
        windows: (phases, 3, 6) of depth, height and width, as :class:`Window`.
        panels: (blocks, panels, 2): first and number of the channels that a task has at
            once.
        packed: values of a region's packed sources.
        sums: values of a region's sums.
    """

    region: Region
    regions: int
    windows: Array
    panels: Array
    packed: int
    sums: int


@dataclass(frozen=True)
class _Axis:
    """One axis: how many targets, a kernel's size, phases, step, and their windows."""

    size: int
    kernel: int
    phases: int
    step: int
    windows: Sequence[Window]

    def reach(self) -> tuple[int, int]:
        """The first and the last source that is met, less where the target stands."""
        met = [window for window in self.windows if window.taps]
        low = min((w.source for w in met), default=0)
        high = max((w.source + (w.taps - 1) * w.ahead for w in met), default=0)
        return low, high

    def met(self, targets: int) -> int:
        """Sources that so many targets meet."""
        low, high = self.reach()
        return (-(-targets // self.phases) - 1) * self.step + 1 + high - low

    def whole(self, targets: int) -> int:
        """As many targets or a few more, of every phase as many, or all."""
        return min(self.size, -(-targets // self.phases) * self.phases)


@lru_cache(maxsize=1024)
def of_outputs(geo: ConvolutionGeometry) -> Phases:
    """The cut of the convolution."""
    f = frame(geo)
    sizes = lifted((count(geo.output),) if f.pointwise else geo.output)
    axes = [
        _Axis(size, kernel, 1, stride, [Window(0, kernel, 0, -1, -pad, dilation)])
        for size, (kernel, stride, pad, dilation) in zip(sizes, _axes(geo), strict=True)
    ]
    return _cut(geo, axes, geo.channels, geo.filters, packed=any(geo.pad))


@lru_cache(maxsize=1024)
def of_inputs(geo: ConvolutionGeometry) -> Phases:
    """The cut of the data gradient."""
    f = frame(geo)
    sizes = lifted((count(geo.input),) if f.pointwise else geo.input)
    axes = [
        _Axis(size, axis[0], axis[1], 1, list(_windows(size, *axis)))
        for size, axis in zip(sizes, _axes(geo), strict=True)
    ]
    packed = count(geo.kernel) > 1 or any(geo.pad)
    return _cut(geo, axes, geo.filters, geo.channels, packed)


def _axes(geo: ConvolutionGeometry) -> list[tuple[int, int, int, int]]:
    """Kernel, stride, pad and dilation of each axis."""
    f = frame(geo)
    return [
        (f.kernel_d, f.stride_d, f.pad_d, f.dilation_d),
        (f.kernel_h, f.stride_h, f.pad_h, f.dilation_h),
        (f.kernel_w, f.stride_w, f.pad_w, f.dilation_w),
    ]


def _windows(
    size: int, kernel: int, stride: int, pad: int, dilation: int
) -> Iterator[Window]:
    """Those of the phases of so many inputs."""
    for rest in range(min(stride, size)):
        met = [rest + pad - tap * dilation for tap in range(kernel)]
        taps = [tap for tap in reversed(range(kernel)) if met[tap] % stride == 0]
        back = taps[0] - taps[1] if len(taps) > 1 else 0
        first, ahead = taps[0] if taps else 0, back * dilation // stride
        yield Window(rest, len(taps), first, back, met[first] // stride, ahead)


def _cut(
    geo: ConvolutionGeometry,
    axes: list[_Axis],
    sources: int,
    targets: int,
    packed: bool,
) -> Phases:
    """*sources* and *targets* are the channels of each."""
    each = sources // geo.group
    region = _region(geo.batch, axes, each, packed)
    regions = -(-geo.batch // region.images) * axes[0].size
    regions *= -(-axes[1].size // region.lines) * -(-axes[2].size // region.columns)
    # Targets side by side have a quicker way, and few regions give too few tasks.
    wide = regions >= TASKS and axes[2].step > 1
    panels = _panels(targets // geo.group, wide)
    blocks = min(len(panels), -(-TASKS // (regions * geo.group)))
    if regions == 1:  # whose sources a worker packs once
        blocks = len(panels)
    cuts = [i * len(panels) // blocks for i in range(blocks + 1)]
    widest = max(-(-some // WIDTH) * WIDTH for _, some in panels)
    values = region.images * each * region.planes * region.rows * region.length
    return Phases(
        region=region,
        regions=regions,
        windows=np.array(list(product(*(axis.windows for axis in axes)))),
        panels=table([panels[a:b] for a, b in pairwise(cuts)]),
        packed=values + WIDTH if packed else 0,
        sums=region.images * region.lines * region.columns * widest,
    )


def _panels(channels: int, wide: bool) -> list[tuple[int, int]]:
    """First channel and channels of each panel: of WIDE vectors where *wide* and they
    are all full of them."""
    vectors = -(-channels // WIDTH)
    if not wide or vectors % WIDE:
        return list(panels_of(channels))
    starts = range(0, channels, WIDE * WIDTH)
    return [(first, min(WIDE * WIDTH, channels - first)) for first in starts]


def _region(batch: int, axes: list[_Axis], channels: int, packed: bool) -> Region:
    """As many targets as may be; *channels* are those of sources."""
    depth, height, width = axes
    columns = lcm(WIDTH, width.phases)
    columns *= -(-even(width.size, POSITIONS) // columns)
    columns = min(width.size, columns)
    row = channels * depth.met(1) * width.met(columns)
    most = (PACKED // row - height.met(1)) // height.step * height.phases
    most = max(1, min(most, POSITIONS // columns) if packed else POSITIONS // columns)
    lines, images = height.whole(even(height.size, most)), 1
    if lines == height.size:
        most = PACKED // (row * height.met(lines))
        images = even(batch, min(POSITIONS // (lines * columns), most))
    lows = [axis.reach()[0] for axis in axes]
    return Region(
        images,
        lines,
        columns,
        packed,
        *(depth.met(1), height.met(lines), width.met(columns)),
        *lows,
        *(axis.phases for axis in axes),
        *(axis.step for axis in axes),
        *(axis.kernel for axis in axes),
    )
