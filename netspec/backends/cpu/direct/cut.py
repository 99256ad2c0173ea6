"""How direct convolution is cut into tasks: from the geometry alone.

Output positions are numbered over the images of the batch, so that small images share
a stretch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.panels import WIDEST
from netspec.backends.cpu.vectors import LANES, WIDTH
from netspec.shapes import count

COLUMN_VALUES = 1 << 17  # float32 values of an unfolded stretch: half a 1 MB cache
STRETCH = 8 * LANES  # positions of a stretch of a gradient: more would not help
PIECE = 16  # vectors of positions of one task: more would not help
LEAST_TASKS = 8  # of a whole operation, where its shape allows
GRADIENT_TAPS = 256  # of a task of a folded gradient, about: it packs dy


@dataclass(frozen=True)
class Cut:
    """The tasks of the operations on one geometry.

    Attributes:
        pieces: in how many pieces the forward pass cuts the output positions.
        channels: input channels of one task of a folded gradient.
        gradient_stretch: output positions unfolded at once by such a task.
    """

    pieces: int
    channels: int
    gradient_stretch: int


@lru_cache(maxsize=1024)
def cut(geo: ConvolutionGeometry) -> Cut:
    """The cut of one geometry."""
    positions, each = geo.batch * count(geo.output), geo.channels // geo.group
    tasks = -(-LEAST_TASKS // geo.group)
    channels = min(each, -(-GRADIENT_TAPS // count(geo.kernel)))
    return Cut(
        pieces=_pieces(geo.taps, -(-positions // WIDTH), tasks),
        channels=channels,
        gradient_stretch=_stretch(channels * count(geo.kernel), positions),
    )


def _pieces(taps: int, vectors: int, tasks: int) -> int:
    """Pieces of so many vectors of positions, each of which fits the cache."""
    most = max(WIDEST, min(PIECE, COLUMN_VALUES // (taps * WIDTH)))
    # Two vectors at once are better than one, and three better still.
    apt = vectors // (WIDEST if vectors >= 2 * WIDEST else 2)
    return max(1, -(-vectors // most), min(tasks, apt))


def _stretch(taps: int, positions: int) -> int:
    """Positions of a stretch, in whole panels, that fit the cache."""
    most = min(STRETCH, COLUMN_VALUES // taps, positions)
    return max(1, most // LANES) * LANES
