"""Geometry that operations take, and the class that every backend extends.

``NumpyOps`` is complete, readable and works in any float type: tests measure every
other backend against it.  A backend subclasses it and overrides what is hot.  The
operations are grouped by family in :mod:`netspec.backends.reference`.

Conventions of every operation:

* Outputs are arguments (``y``, ``dx``, ``dw`` ...) that exist already.
* Gradients of data (``dx``) are overwritten, gradients of parameters (``dw``, ``db``)
  are added to: each number once, by a sum that is complete.  So a gradient computed
  onto another has the bits of the sum of both.
* Arrays are C-contiguous, logical order (N, C, spatial ...); geometry is a frozen
  dataclass.
* Element-wise operations may be called with ``y is x`` and ``dx is dy``.
* The order in which numbers are added depends on the shapes alone, never on the number
  of threads.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from functools import cached_property
from typing import Any

from netspec.shapes import Shape, convolution_size, count


@dataclass(frozen=True)
class ConvolutionGeometry:
    """One convolution: x (N, C, in...), w (K, C / group, kernel...), y (N, K, out)."""

    batch: int
    channels: int
    filters: int
    input: Shape
    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape
    group: int = 1

    def __hash__(self) -> int:
        """Computed once: every operation looks up what it has decided before."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, each.name) for each in fields(self)))

    @cached_property
    def output(self) -> Shape:
        """Spatial shape of y; rounds down."""
        axes = zip(self.input, self.kernel, self.stride, self.pad, self.dilation)
        return tuple(convolution_size(*axis) for axis in axes)

    @cached_property
    def taps(self) -> int:
        """Weights that meet in one output: C / group times the kernel's size."""
        return self.channels // self.group * count(self.kernel)


@dataclass(frozen=True)
class PoolingGeometry:
    """One 2-D pooling: x (N, C, H, W), y (N, C, *output*); output is Caffe's."""

    batch: int
    channels: int
    input: Shape
    output: Shape
    kernel: Shape
    stride: Shape
    pad: Shape


@dataclass
class Epilogue:
    """What becomes of a convolution's outputs before they are stored, in this order.

    Attributes:
        mean, variance, eps: as :meth:`batch_norm` takes them; None: not normalised.
        scale, shift: as :meth:`affine` takes them, of (K,); both None: not scaled.
        other: an array of the outputs' shape that is added, which may be the outputs'
            own memory, with what it held; None: nothing is.
        relu: negative values become 0.
        pool: only the largest of every 2 × 2 positions is stored, as :meth:`max_pool`
            of stride 2 gives it, rows and columns that are left over excepted.
        places: (N, K, rows, columns) integers that get the place of each of these
            maxima, as the *index* of :meth:`max_pool`; None: nobody asks.
    """

    mean: Any = None
    variance: Any = None
    eps: float = 0.0
    scale: Any = None
    shift: Any = None
    other: Any = None
    relu: bool = False
    pool: bool = False
    places: Any = None


@dataclass(frozen=True)
class LrnWindow:
    """Local response normalisation: y = x (k + alpha / size · Σ x²)^-beta, the sum over
    *size* channels (across) or a size×size window (within)."""

    size: int
    alpha: float
    beta: float
    k: float


@dataclass(frozen=True)
class AxisSplit:
    """An array seen around one axis: (outer, *size*, inner) elements."""

    outer: int
    size: int
    inner: int

    @property
    def places(self) -> int:
        """Positions that each hold *size* values along the axis."""
        return self.outer * self.inner


@dataclass(frozen=True)
class Interpolation:
    """Planes of which *input* rows and columns from *start* on become *output* ones."""

    start: int
    input: Shape
    output: Shape

    @property
    def axes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Input and output size, down and across."""
        (high, wide), (out_high, out_wide) = self.input, self.output
        return (high, out_high), (wide, out_wide)


@dataclass(frozen=True)
class BoxRule:
    """How boxes of a detector are read, and which of them stay.

    Attributes:
        code: CORNER, CENTER_SIZE or CORNER_SIZE, of PriorBoxParameter.CodeType.
        variance_encoded: whether the codes have the variances multiplied in.
        score: only boxes of a higher score are looked at.
        top_k: of those the best so many; below 0: all.
        overlap: intersection over union above which a better box covers another.
        eta: factor of *overlap* after each box that stays, while it is above 0.5.
    """

    code: str
    variance_encoded: bool
    score: float
    top_k: int
    overlap: float
    eta: float


class Term(Enum):
    """What a reduction sums."""

    SUM = "x"
    ABSOLUTE = "|x|"
    SQUARE = "x²"
