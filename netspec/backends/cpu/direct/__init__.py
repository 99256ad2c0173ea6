"""Convolution as products of weights and images, straight from the definition.

``products`` is the convolution with positions in the lanes of vectors: ``cut`` says how
its work is divided, ``packing`` brings arrays into the form that products take.
``gathering`` is the same with filters in the lanes, for many taps or few positions.
The adjoints are ``data_gradient`` and ``weight_gradient``.
"""

from __future__ import annotations

from functools import lru_cache

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cpu.direct.data_gradient import backward_data
from netspec.backends.cpu.direct.gathering import gather_outputs
from netspec.backends.cpu.direct.phases import of_outputs
from netspec.backends.cpu.direct.products import convolve
from netspec.backends.cpu.direct.skipping import met, pick
from netspec.backends.cpu.direct.weight_gradient import backward_weights
from netspec.backends.cpu.epilogue import Finish
from netspec.backends.cpu.frame import Array, image, positions, weights
from netspec.backends.cpu.vectors import WIDTH
from netspec.shapes import count

__all__ = ["backward_data", "backward_weights", "forward"]


# From so many taps on, and for so many positions: turned weights and turned outputs are
# little then beside the sums.
TAPS, POSITIONS = 128, 256
FEW = 7 * WIDTH  # positions that leave vectors unfilled
FILLED = 0.8  # of the vectors that filters lie in, at least


def forward(
    x: Array, w: Array, y: Array, geo: ConvolutionGeometry, last: Finish
) -> None:
    """y = w * x, finished."""
    inner = met(geo)
    if inner:
        x, geo = pick(x, geo), inner
    if _gathers(geo):
        gather_outputs(x, w, y, geo, last)
    else:
        convolve(image(x, geo), weights(w, geo), positions(y, geo), last, geo)


@lru_cache(maxsize=1024)
def _gathers(geo: ConvolutionGeometry) -> bool:
    """Whether filters rather than positions lie in vectors.

    A few positions would not fill them, and weights are read once then.  Of more,
    every worker would have to read what the others have written.
    """
    each, many = geo.filters // geo.group, geo.batch * count(geo.output)
    if many <= FEW and of_outputs(geo).regions == 1:
        return each >= WIDTH
    is_large = many >= POSITIONS and geo.taps >= TAPS
    is_filled = each >= FILLED * WIDTH * -(-each // WIDTH)
    return is_large and is_filled and count(geo.kernel) > 1
