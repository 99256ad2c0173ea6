"""Which algorithms suit a convolution, and which is taken where nothing was measured.

Both are functions of the geometry, the precision and the operation alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from netspec.backends.base import ConvolutionGeometry
from netspec.backends.cuda.convolution import tables, winograd
from netspec.backends.cuda.convolution.columns import Columns
from netspec.backends.cuda.convolution.depthwise import Depthwise
from netspec.backends.cuda.convolution.frame import AXES, in_plane, products
from netspec.backends.cuda.convolution.implicit import Implicit
from netspec.backends.cuda.convolution.winograd import Winograd

Algorithm = Any  # has forward, backward_data, backward_weights and pools

FORWARD, POOLED, DATA, WEIGHTS = "forward", "pooled", "data", "weights"
OPERATIONS = (FORWARD, POOLED, DATA, WEIGHTS)

# Products of one tap in one group up to which plain sums may win, and do by default.
SLIVER, SLIVER_BY_DEFAULT = 64, 4
# Channels of a group, and filters, from which Winograd is taken by default: with fewer
# the transforms move more bytes than the products save.
WINOGRAD_CHANNELS = 64
WINOGRAD_TILES = 64  # of all images


def suitable(
    geo: ConvolutionGeometry, operation: str, precision: str, exact: bool
) -> dict[str, Algorithm]:
    """The algorithms that an operation can be done by, by name.

    Args:
        operation: one of :data:`OPERATIONS`; "pooled" is a forward with a pooling.
        precision: "fp32", "tf32" or "fp16".
        exact: none whose rounding errors are larger than those of plain sums.
    """
    return {
        name: algorithm
        for name, algorithm in _algorithms(precision).items()
        if _suits(name, geo, precision, exact)
        and (algorithm.pools or operation != POOLED)
    }


@cache
def _algorithms(precision: str) -> dict[str, Algorithm]:
    return {
        "implicit_64": Implicit(precision, 64),
        "implicit_128": Implicit(precision, 128),
        "winograd": Winograd(),
        "depthwise": Depthwise(),
        "columns": Columns(precision),
    }


def _suits(name: str, geo: ConvolutionGeometry, precision: str, exact: bool) -> bool:
    in_tables = len(geo.input) <= AXES and tables.fits(in_plane(geo))
    if name == "winograd":
        return winograd.suits(geo) and precision == "fp32" and not exact
    if name == "depthwise":
        return in_tables and products(geo) <= SLIVER
    return in_tables or name == "columns"


def default(geo: ConvolutionGeometry, operation: str, names: Any) -> str:
    """The algorithm among *names* that the geometry alone speaks for."""
    if "depthwise" in names and products(geo) <= SLIVER_BY_DEFAULT:
        return "depthwise"
    if "winograd" in names and _is_large(geo):
        return "winograd"
    rows = (geo.channels if operation == DATA else geo.filters) // geo.group
    wanted = "implicit_128" if (rows - 1) % 128 >= 64 else "implicit_64"
    return wanted if wanted in names else "columns"


def _is_large(geo: ConvolutionGeometry) -> bool:
    least = min(geo.channels, geo.filters) // geo.group
    high, wide = (-(-n // winograd.TILE) for n in geo.output)
    return least >= WINOGRAD_CHANNELS and geo.batch * high * wide >= WINOGRAD_TILES
