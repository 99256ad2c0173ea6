"""Training logs as charts: losses and rates over iterations or seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from netspec.draw.chart import Chart, Panel, Series, chart
from netspec.errors import UsageError
from netspec.registry import suggest
from netspec.report.training_log import SMOOTHED, Row, TrainingLog, columns

_PHASES = ("train", "test")
_RATE = "lr"


def training_chart(
    logs: Sequence[TrainingLog],
    show: Sequence[str] = (),
    x: str = "iterations",
    log: bool = False,
) -> Chart:
    """A chart of logs: a panel of losses, and one of what else tests tell.

    Args:
        show: instead one panel of these: ``train:NAME`` or ``test:NAME``, a column of
            :func:`~netspec.report.training_log.table_of`, or ``train:lr``.
        x: "iterations" or "seconds".
        log: a logarithmic scale upwards.

    Raises:
        UsageError: no log has such a column.
    """
    panels = [tuple(show)] if show else _usual(logs)
    drawn = [Panel(x, tuple(_series(logs, names, x)), log) for names in panels if names]
    return chart(", ".join(log.name for log in logs), drawn)


def _usual(logs: Sequence[TrainingLog]) -> list[tuple[str, ...]]:
    """Losses; then the other outputs of tests."""
    tests = [f"test:{n}" for n in columns(row for log in logs for row in log.test)]
    losses = [name for name in tests if "loss" in name.lower()]
    others = [name for name in tests if name not in losses]
    trained = any(log.train for log in logs)
    return [(*[f"train:{SMOOTHED}"] * trained, *losses), tuple(others)]


def _series(logs: Sequence[TrainingLog], names: Sequence[str], x: str) -> list[Series]:
    found = []
    for name in names:
        phase, column = _split(name, logs)
        for log in logs:
            rows = log.train if phase == "train" else log.test
            found += _lines(log.name if len(logs) > 1 else "", name, column, rows, x)
    return found


def _split(name: str, logs: Sequence[TrainingLog]) -> tuple[str, str]:
    phase, _, column = name.partition(":")
    known = {p: columns(r for log in logs for r in getattr(log, p)) for p in _PHASES}
    names = [f"{p}:{c}" for p in _PHASES for c in (*known[p], _RATE)]
    if name not in names:
        raise UsageError(f"no log has {name!r}.", suggest(name, names))
    return phase, column


def _lines(
    log: str, name: str, column: str, rows: Sequence[Row], x: str
) -> list[Series]:
    """A line for each test net, or one for training; dashed where of tests."""
    nets = sorted({row.net for row in rows}, key=lambda net: -1 if net is None else net)
    lines = []
    for net in nets:
        which = f" #{net}" if len(nets) > 1 else ""
        points = tuple(
            (at, row.rate if column == _RATE else row.values.get(column, math.nan))
            for row in rows
            if row.net == net and math.isfinite(at := _along(row, x))
            and (column == _RATE or column in row.values)
        )  # fmt: skip
        lines.append(Series(f"{log} {name}{which}".strip(), points, net is not None))
    return lines


def _along(row: Row, x: str) -> float:
    return float(row.iteration) if x == "iterations" else row.seconds
