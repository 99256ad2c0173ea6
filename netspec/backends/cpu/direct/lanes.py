"""How the weight gradient is cut into tasks, and its sums into vectors.

The taps of a filter are laid over the lanes of vectors.  For that the lines of an image
are packed with channels side by side: what a line of the kernel meets is one run of
values then, wherever the window stands.  Where such runs would leave much of their
vectors empty, the lines of a window are stacked, as if they were channels: the whole
window is one run, but a line is packed once for each window that it is in.

Channels, stacked or not, are cut into panels, lest the values of neighbouring positions
fall into the same sets of the cache.  Everything follows from the geometry alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.outer import VECTORS
from netspec.backends.cpu.frame import Array, Frame, frame
from netspec.backends.cpu.vectors import ROWS, WIDTH
from netspec.shapes import count

NEAR = 9 << 10  # float32 values of what one tile meets in a box: the first cache
LINE = 32  # products that take as long as packing a line, beside its values
TASKS = 8  # of an operation, where its shape allows
FEW = 1 << 16  # sums up to which each task rather has all channels of some boxes
PARTS = 1 << 21  # sums of all parts, at most
SUMS = 1 << 17  # of one task that has all boxes: its second cache
PACKED = 1 << 17  # values of a packed box, about, that one task has


class Box(NamedTuple):
    """Positions that are packed at once, at most, and how they are packed.

    They are lines of one depth and, where planes are small, of several images.
    """

    images: int
    lines: int
    columns: int
    stacked: bool
    rows: int  # packed lines of an image
    length: int  # packed positions of a line
    step: int  # of them, from one position to the next


@dataclass(frozen=True)
class Lanes:
    """The weight gradient of one geometry.

    A task has some channels, and all boxes and some filters, or a part of the boxes and
    all filters.

    Attributes:
        frame: the geometry as compiled code takes it.
        box: the largest box.
        boxes: how many there are.
        parts: runs of boxes whose gradients are summed apart.
        filters: of one task.
        panels: (blocks, panels, 3): of the channels of each task, stacked ones counted
            apart, those whose values lie side by side: the first of them, how many, and
            where they begin in a packed box.
        tiles: (blocks, tiles, 5 + VECTORS): the vectors of each task that are summed at
            once: how many; the first lane; where in a packed box VECTORS of them meet
            the first position; values from there to the next image, line and position.
        taps: (blocks, lanes): which of a filter's weights is summed in each lane of the
            vectors of each task; -1: none.
        size: values of the largest packed box.
    """

    frame: Frame
    box: Box
    boxes: int
    parts: int
    filters: int
    panels: Array
    tiles: Array
    taps: Array
    size: int


@lru_cache(maxsize=1024)
def lanes(geo: ConvolutionGeometry) -> Lanes:
    """The cut of one geometry."""
    f, filters = frame(geo), geo.filters // geo.group
    box = _box(geo, f)
    boxes, layout = _boxes(geo, f, box), _Layout(geo, f, box)
    sums = geo.filters * layout.vectors * WIDTH
    blocks = layout.cut(TASKS // geo.group if sums > FEW else 1)
    parts = min(TASKS // (geo.group * len(blocks)), boxes, PARTS // sums)
    taps = table([block.taps for block in blocks], -1)
    if parts <= 1:
        filters = even(filters, max(ROWS, SUMS // taps.shape[1]))
    return Lanes(
        frame=f,
        box=box,
        boxes=boxes,
        parts=max(parts, 1),
        filters=filters,
        panels=table([block.panels for block in blocks]),
        tiles=table([block.tiles for block in blocks]),
        taps=taps,
        size=max(block.size for block in blocks),
    )


def _boxes(geo: ConvolutionGeometry, f: Frame, box: Box) -> int:
    depth = count(geo.output) // (f.out_h * f.out_w)
    across = -(-f.out_h // box.lines) * -(-f.out_w // box.columns)
    return -(-geo.batch // box.images) * depth * across


def _box(geo: ConvolutionGeometry, f: Frame) -> Box:
    stacked = _is_stacked(geo, f)
    step = f.stride_w if f.kernel_w > 1 else 1
    most = _positions(geo, f, step, stacked)
    columns = min(f.out_w, -(-even(f.out_w, most) // WIDTH) * WIDTH)
    lines = even(f.out_h, most // columns)
    images = even(geo.batch, most // (columns * lines) if lines == f.out_h else 1)
    length = (columns - 1) * step + (f.kernel_w - 1) * f.dilation_w + 1
    seen = (lines - 1) * f.stride_h + (f.kernel_h - 1) * f.dilation_h + 1
    rows = lines if stacked else f.kernel_d * seen
    return Box(images, lines, columns, stacked, rows, length, step)


def even(total: int, most: int) -> int:
    """The size of parts of at most *most* that are about equal."""
    return -(-total // -(-total // max(most, 1)))


def _positions(geo: ConvolutionGeometry, f: Frame, step: int, stacked: bool) -> int:
    """Of a box: each brings ROWS values of dy, and vectors or what is new in them."""
    lines = f.kernel_d * f.kernel_h if stacked else 1
    channels = lines * geo.channels // geo.group
    return NEAR // (ROWS + min(step * channels, (VECTORS + 1) * WIDTH))


def _is_stacked(geo: ConvolutionGeometry, f: Frame) -> bool:
    """Whether vectors that are saved are worth more than the packing.

    Each is a product with every filter for every position.  Of packing, a line costs
    about as much as so many products, and so does each of its values.
    """
    lines, channels = f.kernel_d * f.kernel_h, geo.channels // geo.group
    if lines == 1:
        return True
    saved = lines * vectors(f, channels) - vectors(f, lines * channels)
    products = saved * (geo.filters // geo.group) * f.out_w
    return products > lines * channels * (LINE + f.stride_w * f.out_w)


def vectors(f: Frame, channels: int) -> int:
    """Vectors of a line of the kernel."""
    taps, many = runs(f)
    return sum(many * -(-taps * some // WIDTH) for _, some in panels_of(channels))


def runs(f: Frame) -> tuple[int, int]:
    """Taps of a line of the kernel that make one run, and runs of a line."""
    return (f.kernel_w, 1) if f.dilation_w == 1 else (1, f.kernel_w)


def panels_of(channels: int) -> Iterator[tuple[int, int]]:
    """First channel and channels of each panel."""
    for first, some in split(-(-channels // WIDTH)):
        low, high = first * WIDTH, (first + some) * WIDTH
        yield low, min(channels, high) - low


def split(vectors: int) -> Iterator[tuple[int, int]]:
    """First and number of vectors that are worked on at once: about as many each."""
    parts = -(-vectors // VECTORS)
    for i in range(parts):
        first = i * vectors // parts
        yield first, (i + 1) * vectors // parts - first


class _Block:
    """The channels of one task in the making, panel by panel; see :class:`Lanes`."""

    def __init__(self) -> None:
        self.panels: list[tuple[int, ...]] = []
        self.tiles: list[tuple[int, ...]] = []
        self.taps: list[int] = []
        self.size = 0


class _Layout:
    """Cuts channels, stacked ones counted apart, into blocks."""

    def __init__(self, geo: ConvolutionGeometry, f: Frame, box: Box) -> None:
        self.f, self.box = f, box
        self.channels, self.window = geo.channels // geo.group, f.kernel_d * f.kernel_h
        self.lines = 1 if box.stacked else self.window
        stacked = self.window // self.lines * self.channels
        self.panels = list(panels_of(stacked))
        self.vectors = self.lines * vectors(f, stacked)
        self.values = box.images * box.rows * box.length * stacked

    def cut(self, wanted: int) -> list[_Block]:
        """As many blocks, and so many that their packed boxes are not too large, as far
        as there are panels."""
        many = max(wanted, -(-self.values // PACKED))
        many = min(many, len(self.panels))
        cuts = [i * len(self.panels) // many for i in range(many + 1)]
        return [self._block(self.panels[a:b]) for a, b in pairwise(cuts)]

    def _block(self, panels: list[tuple[int, int]]) -> _Block:
        block, box = _Block(), self.box
        for first, channels in panels:
            block.panels.append((first, channels, block.size))
            self._add_tiles(block, first, channels)
            size = box.images * box.rows * box.length * channels
            # A vector may reach beyond.
            block.size += -(-size // WIDTH) * WIDTH + WIDTH
        return block

    def _add_tiles(self, block: _Block, first: int, channels: int) -> None:
        """The vectors of one panel."""
        line, lane = self.box.length * channels, len(block.taps)
        ahead = 1 if self.box.stacked else self.f.stride_h
        steps = self.box.rows * line, ahead * line, self.box.step * channels
        begins: list[int] = []
        for at, taps in self._lines(first, channels):
            block.taps += taps
            begins += range(at, at + len(taps), WIDTH)
        for v, some in split(len(begins)):
            several = [block.size + at for at in begins[v : v + some]]
            several += [0] * (VECTORS - some)
            block.tiles.append((some, lane + v * WIDTH, *several, *steps))

    def _lines(self, first: int, channels: int) -> Iterator[tuple[int, list[int]]]:
        """Where each run of a panel begins, and its taps, in whole vectors."""
        f, (taps, many) = self.f, runs(self.f)
        seen = self.box.rows // f.kernel_d
        channel = np.arange(first, first + channels)
        for line, run in product(range(self.lines), range(many)):
            kd, kh = divmod(line, f.kernel_h)
            row = kd * seen + kh * f.dilation_h
            window = channel % self.channels * self.window + channel // self.channels
            columns = np.arange(run * taps, (run + 1) * taps).reshape(-1, 1)
            found = ((window + line) * f.kernel_w + columns).reshape(-1)
            rest = [-1] * (-found.size % WIDTH)
            at = (row * self.box.length + run * f.dilation_w) * channels
            yield at, [*found.tolist(), *rest]


def table(blocks: Sequence[Sequence[Any]], fill: int = 0) -> Array:
    """What every block has, as many as the longest: the others end with *fill*."""
    rows = [np.asarray(block, np.int64) for block in blocks]
    longest = max(map(len, rows))
    table = np.full((len(rows), longest, *rows[0].shape[1:]), fill, np.int64)
    for target, row in zip(table, rows, strict=True):
        target[: len(row)] = row
    return table
