"""The error rates of the VGG paper on the ILSVRC-2012 validation set, to compare with.

Simonyan and Zisserman, arXiv 1409.1556, tables 3 to 6.  S is the shorter side in
training, Q those in testing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netspec.errors import UsageError
from netspec.evaluate.outcome import Conditions

IMAGES = 50_000  # of the validation set
TOLERANCE = 0.5  # percentage points by which an error may be larger

DENSE, CROPS, BOTH = ("dense",), ("multi-crop",), ("dense", "multi-crop")
Scale = tuple[int, int]
FIXED_256, FIXED_384, JITTER = (256, 256), (384, 384), (256, 512)
AROUND_256, AROUND_384, ENDS = (224, 256, 288), (352, 384, 416), (256, 384, 512)

# What the nets are called here and by their authors.
LETTERS = {
    "vgg11": "A",
    "vgg11_lrn": "A-LRN",
    "vgg13": "B",
    "vgg16_1x1": "C",
    "vgg16": "D",
    "vgg19": "E",
    "VGG_ILSVRC_16_layers": "D",
    "VGG_ILSVRC_19_layers": "E",
}


@dataclass(frozen=True)
class Figure:
    """One row of the paper's tables.

    Attributes:
        nets: letters; several are an ensemble.
        top1, top5: errors in percent.
    """

    nets: tuple[str, ...]
    train_scale: Scale
    scales: tuple[int, ...]
    kinds: tuple[str, ...]
    top1: float
    top5: float

    def __str__(self) -> str:
        s = "-".join(map(str, dict.fromkeys(self.train_scale)))
        q = ",".join(map(str, self.scales))
        return f"{'+'.join(self.nets)} S {s} Q {q} {'+'.join(self.kinds)}"


def _row(nets: str, s: Scale, q: Sequence[int], kinds: tuple[str, ...],
         top1: float, top5: float) -> Figure:  # fmt: skip
    return Figure(tuple(nets.split("+")), s, tuple(q), kinds, top1, top5)


FIGURES = (
    # Table 3: one scale
    _row("A", FIXED_256, [256], DENSE, 29.6, 10.4),
    _row("A-LRN", FIXED_256, [256], DENSE, 29.7, 10.5),
    _row("B", FIXED_256, [256], DENSE, 28.7, 9.9),
    _row("C", FIXED_256, [256], DENSE, 28.1, 9.4),
    _row("C", FIXED_384, [384], DENSE, 28.1, 9.3),
    _row("C", JITTER, [384], DENSE, 27.3, 8.8),
    _row("D", FIXED_256, [256], DENSE, 27.0, 8.8),
    _row("D", FIXED_384, [384], DENSE, 26.8, 8.7),
    _row("D", JITTER, [384], DENSE, 25.6, 8.1),
    _row("E", FIXED_256, [256], DENSE, 27.3, 9.0),
    _row("E", FIXED_384, [384], DENSE, 26.9, 8.7),
    _row("E", JITTER, [384], DENSE, 25.5, 8.0),
    # Table 4: several scales
    _row("B", FIXED_256, AROUND_256, DENSE, 28.2, 9.6),
    _row("C", FIXED_256, AROUND_256, DENSE, 27.7, 9.2),
    _row("C", FIXED_384, AROUND_384, DENSE, 27.8, 9.2),
    _row("C", JITTER, ENDS, DENSE, 26.3, 8.2),
    _row("D", FIXED_256, AROUND_256, DENSE, 26.6, 8.6),
    _row("D", FIXED_384, AROUND_384, DENSE, 26.5, 8.6),
    _row("D", JITTER, ENDS, DENSE, 24.8, 7.5),
    _row("E", FIXED_256, AROUND_256, DENSE, 26.9, 8.7),
    _row("E", FIXED_384, AROUND_384, DENSE, 26.7, 8.6),
    _row("E", JITTER, ENDS, DENSE, 24.8, 7.5),
    # Table 5: crops against dense
    _row("D", JITTER, ENDS, CROPS, 24.6, 7.5),
    _row("D", JITTER, ENDS, BOTH, 24.4, 7.2),
    _row("E", JITTER, ENDS, CROPS, 24.6, 7.4),
    _row("E", JITTER, ENDS, BOTH, 24.4, 7.1),
    # Table 6: two nets
    _row("D+E", JITTER, ENDS, DENSE, 24.0, 7.1),
    _row("D+E", JITTER, ENDS, CROPS, 23.9, 7.2),
    _row("D+E", JITTER, ENDS, BOTH, 23.7, 6.8),
)


def figure_for(conditions: Conditions, nets: str = "") -> Figure:
    """The paper's row for a test.

    Args:
        nets: letters, such as ``D`` or ``D+E``; "": by the names of the nets.

    Raises:
        UsageError: the paper has no such row, or the net or S is not known.
    """
    letters = _letters(conditions, nets)
    if conditions.train_scale is None:
        raise UsageError(
            "the paper's figures depend on S, the scale in training, which is not "
            "recorded with this model.",
            "Give --train-scale 256, 384 or 256-512.",
        )
    wanted = (
        letters, conditions.train_scale, conditions.protocol.scales,
        conditions.protocol.kinds,
    )  # fmt: skip
    for figure in FIGURES:
        if (figure.nets, figure.train_scale, figure.scales, figure.kinds) == wanted:
            return figure
    raise UsageError(
        f"the paper has no figure for {'+'.join(letters)} S {conditions.trained_at} "
        f"Q {conditions.test_scale} {'+'.join(conditions.protocol.kinds)}.",
        "It has: " + "; ".join(_those_of(letters)) + ".",
    )


def _letters(conditions: Conditions, nets: str) -> tuple[str, ...]:
    known = {letter for figure in FIGURES for letter in figure.nets}
    letters = nets.split("+") if nets else list(conditions.models)
    found = sorted(LETTERS.get(name, name) for name in letters)
    if not known.issuperset(found):
        raise UsageError(
            f"the paper has no net {', '.join(x for x in found if x not in known)}.",
            f"Give --expect one of {', '.join(sorted(known))}, or several joined by +.",
        )
    return tuple(found)


def _those_of(nets: tuple[str, ...]) -> Iterator[str]:
    rows = [figure for figure in FIGURES if figure.nets == nets]
    return map(str, rows or FIGURES)


@dataclass(frozen=True)
class Comparison:
    """A test beside the paper.

    Attributes:
        errors: top-1 and top-5 found, in percent.
    """

    figure: Figure
    errors: tuple[float, float]
    images: int
    tolerance: float = TOLERANCE

    @property
    def expected(self) -> tuple[float, float]:
        """Top-1 and top-5 error of the paper, in percent."""
        return self.figure.top1, self.figure.top5

    @property
    def holds(self) -> bool:
        """Whether neither error is larger than the paper's by more than allowed."""
        pairs = zip(self.errors, self.expected)
        return all(found - paper <= self.tolerance for found, paper in pairs)
