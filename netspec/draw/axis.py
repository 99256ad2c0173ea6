"""Scales of charts: round numbers for ticks, and places for values."""

from __future__ import annotations

import math
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 5.0, 10.0)
_LOG_ROOM = 0.05  # of a decade


@dataclass(frozen=True)
class Axis:
    """A range of values along some pixels.

    Attributes:
        low, high: the range; in decades where *log*.
        start, end: pixels of its ends.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """Pixels of a value."""
        scaled = math.log10(value) if self.log else value
        share = (scaled - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def takes(self, value: float) -> bool:
        """Whether a value has a place: finite, and on a log axis above 0."""
        return math.isfinite(value) and (value > 0 or not self.log)

    def ticks(self, most: int = 8) -> list[tuple[float, str]]:
        """Round values within the range, at most about *most*, with their texts."""
        if self.log:
            every = max(1, math.ceil((self.high - self.low) / most))
            decades = range(math.ceil(self.low), math.floor(self.high) + 1, every)
            return [(10.0**n, f"1e{n}") for n in decades]
        step = _round_step((self.high - self.low) / most)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        values = [n * step for n in range(first, last + 1)]
        largest = max(map(abs, values), default=0.0)
        return [(value, _text(value, step, largest)) for value in values]


def axis_over(values: list[float], start: float, end: float, log: bool = False) -> Axis:
    """An axis that covers finite values, with a little room at both ends.

    A log axis covers whole decades.  Without any value it goes from 0 to 1.
    """
    if log:
        values = [math.log10(v) for v in values if v > 0]
    low, high = min(values, default=0.0), max(values, default=1.0)
    if log:
        least, most = math.floor(low), math.ceil(high)
        most = max(most, least + 1)
        return Axis(least - _LOG_ROOM, most + _LOG_ROOM, start, end, True)
    room = (high - low) * 0.04 or abs(low) * 0.1 or 1.0
    return Axis(low - room, high + room, start, end)


def _round_step(least: float) -> float:
    """The least of 1, 2, 5, 10, 20, ... that is not below *least*."""
    power = 10.0 ** math.floor(math.log10(least))
    return power * next(s for s in _STEPS if s * power >= least * (1 - 1e-9))


def _text(value: float, step: float, largest: float) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if largest >= 1e6 or digits > 5:
        return f"{value:.3g}"
    return f"{value + 0.0:.{digits}f}"
