"""How the gradient of data is cut: from the geometry alone.

An input meets an output where the window that makes the output stands on it.  Inputs a
stride apart meet the same taps, at neighbouring outputs: they are one *phase*, and its
gradient is a convolution of stride 1, with those taps in reverse.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from math import lcm
from typing import NamedTuple

import numpy as np

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.lanes import even, panels_of, table
from netspec.backends.cpu.frame import Array, Frame, frame, lifted
from netspec.backends.cpu.vectors import WIDTH
from netspec.shapes import count

POSITIONS = 256  # of a region, at most
TASKS = 8  # of an operation, where its shape allows
PACKED = 1 << 17  # values of dy that a region meets, about


class Window(NamedTuple):
    """One axis of a phase."""

    rest: int  # of an input's place, divided by the stride
    taps: int
    tap: int  # the first of them
    back: int  # how far the next one is before it
    output: int  # what the first meets, less the input's place in the phase
    ahead: int  # how far the next one's is behind it


class Region(NamedTuple):
    """Inputs that a task has at once, at most: of one depth, perhaps several images.

    What they meet of dy is packed with zeros where windows stand beyond it; where none
    does, it is taken as it lies.
    """

    images: int
    lines: int
    columns: int
    packed: bool
    planes: int  # of dy that is met: depth, height and width
    rows: int
    length: int
    low_d: int  # the first that is met, less the place in its phase
    low_h: int
    low_w: int


@dataclass(frozen=True)
class Phases:
    """The data gradient of one geometry.

    Attributes:
        frame: the geometry as compiled code takes it.
        region: the largest region.
        regions: how many there are.
        windows: (phases, 3, 6) of depth, height and width, as :class:`Window`.
        panels: (blocks, panels, 2): first and number of the channels that a task has at
            once.
        packed: values of dy that are packed.
        sums: values of the gradients of a region.
    """

    frame: Frame
    region: Region
    regions: int
    windows: Array
    panels: Array
    packed: int
    sums: int


@dataclass(frozen=True)
class _Axis:
    """One axis of a convolution, its inputs and its windows."""

    size: int
    kernel: int
    stride: int
    pad: int
    dilation: int

    def windows(self) -> Iterator[Window]:
        """One for each phase."""
        for rest in range(min(self.stride, self.size)):
            met = [rest + self.pad - tap * self.dilation for tap in range(self.kernel)]
            taps = [
                k for k in reversed(range(self.kernel)) if met[k] % self.stride == 0
            ]
            back = taps[0] - taps[1] if len(taps) > 1 else 0
            first, ahead = taps[0] if taps else 0, back * self.dilation // self.stride
            output = met[first] // self.stride
            yield Window(rest, len(taps), first, back, output, ahead)

    def reach(self) -> tuple[int, int]:
        """The first and the last output that is met, less the place in the phase."""
        met = [window for window in self.windows() if window.taps]
        low = min((w.output for w in met), default=0)
        high = max((w.output + (w.taps - 1) * w.ahead for w in met), default=0)
        return low, high

    def met(self, inputs: int) -> int:
        """Outputs that so many inputs meet."""
        low, high = self.reach()
        return -(-inputs // self.stride) + high - low

    def whole(self, inputs: int) -> int:
        """As many inputs or a few more, in whole strides, or all."""
        return min(self.size, -(-inputs // self.stride) * self.stride)


@lru_cache(maxsize=1024)
def phases(geo: ConvolutionGeometry) -> Phases:
    """The cut of one geometry."""
    f, channels = frame(geo), geo.channels // geo.group
    axes = _axes(geo, f)
    region = _region(geo, axes)
    sizes = [axis.size for axis in axes]
    regions = -(-geo.batch // region.images) * sizes[0]
    regions *= -(-sizes[1] // region.lines) * -(-sizes[2] // region.columns)
    panels = list(panels_of(channels))
    blocks = min(len(panels), -(-TASKS // (regions * geo.group)))
    cuts = [i * len(panels) // blocks for i in range(blocks + 1)]
    widest = max(-(-some // WIDTH) * WIDTH for _, some in panels)
    image = geo.filters // geo.group * region.planes * region.rows * region.length
    return Phases(
        frame=f,
        region=region,
        regions=regions,
        windows=np.array(list(product(*(axis.windows() for axis in axes)))),
        panels=table([panels[a:b] for a, b in pairwise(cuts)]),
        packed=region.images * image + WIDTH if region.packed else 0,
        sums=region.images * region.lines * region.columns * widest,
    )


def _axes(geo: ConvolutionGeometry, f: Frame) -> list[_Axis]:
    d, h, w = lifted((count(geo.input),) if f.pointwise else geo.input)
    return [
        _Axis(d, f.kernel_d, f.stride_d, f.pad_d, f.dilation_d),
        _Axis(h, f.kernel_h, f.stride_h, f.pad_h, f.dilation_h),
        _Axis(w, f.kernel_w, f.stride_w, f.pad_w, f.dilation_w),
    ]


def _region(geo: ConvolutionGeometry, axes: list[_Axis]) -> Region:
    depth, height, width = axes
    columns = lcm(WIDTH, width.stride)
    columns *= -(-even(width.size, POSITIONS) // columns)
    columns = min(width.size, columns)
    planes, length = depth.met(1), width.met(columns)
    row = geo.filters // geo.group * planes * length
    most = max(1, (PACKED // row - height.met(0)) * height.stride)
    lines = height.whole(even(height.size, min(most, POSITIONS // columns)))
    rows, images = height.met(lines), 1
    if lines == height.size:
        most = min(POSITIONS // (lines * columns), PACKED // (row * rows))
        images = even(geo.batch, most)
    return Region(
        images=images,
        lines=lines,
        columns=columns,
        packed=count(geo.kernel) > 1 or any(geo.pad),
        planes=planes,
        rows=rows,
        length=length,
        low_d=depth.reach()[0],
        low_h=height.reach()[0],
        low_w=width.reach()[0],
    )
