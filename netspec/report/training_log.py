"""Training logs as rows of numbers: Caffe's, NVIDIA's fork's, and netspec's own two.

A log in glog's shape is read by the words that Caffe's own parsers look for; a log of
JSON lines by its events.  Lines that say neither are passed over.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from netspec.errors import DataError, Place

_NUMBER = r"([-+]?(?:nan|inf|\d+\.?\d*(?:e[-+]?\d+)?))"
_TIME = re.compile(r"[IWEF](\d{4})?(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)(\.\d+)")
_ITERATION = re.compile(r"\] (?:\[\d+\] )?Iteration (\d+)\b")
_LOSS = re.compile(rf", loss = {_NUMBER}", re.IGNORECASE)
_RATE = re.compile(rf", lr = {_NUMBER}", re.IGNORECASE)
_TEST = re.compile(r", Testing net \(#(\d+)\)")
_TEST_LOSS = re.compile(rf"\] +Test loss: {_NUMBER}", re.IGNORECASE)
_OUTPUT = re.compile(rf"(Train|Test) net output #\d+: (.+?) = {_NUMBER}", re.IGNORECASE)
_CREATED = re.compile(r"Log file created at: (\d{4})/")
_START = "Solving "
_LEAP_YEAR = 2000  # stands in where no line names the year: it has a 29 February
_TRAINING = ("Iteration", "LastLoss")  # events of training that tell a loss
SMOOTHED, TEST_LOSS = "SmoothedLoss", "TestLoss"


@dataclass
class Row:
    """What was said about one iteration, or one test.

    Attributes:
        net: number of the test net; None: training.
        seconds: since training began.
        rate: the learning rate, as far as it is known by then.
        values: by name; of several values of one output the later are name[1], ...
    """

    iteration: int
    net: int | None = None
    seconds: float = math.nan
    rate: float = math.nan
    values: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Add a value under a name, or under the next free number of it."""
        number, free = 0, name
        while free in self.values:
            number += 1
            free = f"{name}[{number}]"
        self.values[free] = value


@dataclass
class TrainingLog:
    """The rows of a log, in its order."""

    name: str
    train: list[Row] = field(default_factory=list)
    test: list[Row] = field(default_factory=list)


def read_log(path: str | Path) -> TrainingLog:
    """Read a log, whichever of the kinds it is.

    Raises:
        DataError: unreadable, or it tells of no iteration and no test.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first = next((line for line in file if line.strip()), "")
            file.seek(0)
            is_json = first.lstrip().startswith("{")
            log = _from_json(path, file) if is_json else _from_glog(path, file)
    except OSError as error:
        problem = f"cannot read log '{path}': {error.strerror}."
        raise DataError(problem, "Name a file that can be read.") from None
    if not log.train and not log.test:
        raise DataError(
            f"log '{path}' tells of no iteration and no test.",
            "Give what Caffe wrote to standard error, or what 'netspec train' wrote "
            "by --log or --json, with display set in the solver.",
        )
    return log


def _from_glog(path: Path, lines: Iterable[str]) -> TrainingLog:
    reader = _GlogReader(path.name)
    for line in lines:
        reader.take(line)
    return reader.log


class _GlogReader:
    """Puts lines together to rows: the words about an iteration take several."""

    def __init__(self, name: str) -> None:
        self.log = TrainingLog(name)
        self.clock = _Clock()
        self.rate, self.rated = math.nan, -1  # and the iteration it was told for
        self.test: Row | None = None

    def take(self, line: str) -> None:
        seconds = self.clock.read(line)
        if output := _OUTPUT.search(line):
            self._output(*output.groups())
        elif (loss := _TEST_LOSS.search(line)) and self.test:
            self.test.add(TEST_LOSS, float(loss[1]))
        elif iteration := _ITERATION.search(line):
            self._iteration(int(iteration[1]), line, seconds)

    def _output(self, phase: str, name: str, value: str) -> None:
        row = self.test if phase.lower() == "test" else self._last()
        if row:
            row.add(name, float(value))

    def _last(self) -> Row | None:
        return self.log.train[-1] if self.log.train else None

    def _iteration(self, number: int, line: str, seconds: float) -> None:
        if test := _TEST.search(line):
            self.test = Row(number, int(test[1]), seconds, self.rate)
            self.log.test.append(self.test)
        elif loss := _LOSS.search(line):
            row = Row(number, None, seconds)
            if self.rated == number:  # Caffe of 2014 told the rate first
                row.rate = self.rate
            row.add(SMOOTHED, float(loss[1]))
            self.log.train.append(row)
        if rate := _RATE.search(line):
            self.rate, self.rated = float(rate[1]), number
            last = self._last()
            if last and last.iteration == number:
                last.rate = self.rate


class _Clock:
    """Seconds since training began, out of glog's prefixes, which name no year."""

    def __init__(self) -> None:
        self.year = _LEAP_YEAR
        self.start: datetime | None = None
        self.last: datetime | None = None
        self.begun = False

    def read(self, line: str) -> float:
        """Seconds of a line; NaN where it has no time."""
        if created := _CREATED.search(line):
            self.year = int(created[1])
        found = _TIME.match(line)
        now = self._time(*found.groups()) if found else None
        if now is None:
            return math.nan
        self.last = now
        if self.start is None or (not self.begun and _START in line):
            self.start, self.begun = now, _START in line
        return (now - self.start).total_seconds()

    def _time(self, year: str | None, *rest: str) -> datetime | None:
        month, day, hour, minute, second = map(int, rest[:5])
        micros = round(float(rest[5]) * 1e6)
        which = int(year) if year else self.year
        if not year and self.last and month < self.last.month:
            which = self.year = self.last.year + 1
        try:
            return datetime(which, month, day, hour, minute, second, micros)
        except ValueError:  # no date: not glog's prefix
            return None


def _from_json(path: Path, lines: Iterable[str]) -> TrainingLog:
    log = TrainingLog(path.name)
    start = rate = math.nan
    for number, event in _events(path, lines):
        try:
            row = _row_of(event)
        except (KeyError, TypeError, ValueError):
            raise _no_event(path, number) from None
        start = row.seconds if math.isnan(start) else start
        row.seconds -= start
        if event["event"] == "TestResult":
            row.rate = rate
        elif event["event"] == "Iteration":
            rate = row.rate
        if event["event"] in _TRAINING:
            log.train.append(row)
        elif event["event"] == "TestResult":
            log.test.append(row)
    return log


def _row_of(event: dict[str, Any]) -> Row:
    """An event as a row; its seconds are since 1970."""
    row = Row(int(event.get("iteration", 0)), seconds=float(event["time"]))
    if event["event"] in _TRAINING:
        row.rate = float(event.get("rate", math.nan))
        row.add(SMOOTHED, float(event["smoothed"]))
    elif event["event"] == "TestResult":
        row.net = int(event["net"])
        if event["loss"] is not None:
            row.add(TEST_LOSS, float(event["loss"]))
    else:
        return row
    for output in event["outputs"] if event["event"] != "LastLoss" else ():
        for value in output["values"]:
            row.add(str(output["name"]), float(value))
    return row


def _no_event(path: Path, line: int) -> DataError:
    return DataError(
        "is no event of training.",
        "Give a log that 'netspec train --json' wrote.",
        place=Place(str(path), line),
    )


def _events(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and event of each line; a last line that was cut off is left out.

    Raises:
        DataError: another line is no JSON object.
    """
    broken = 0
    for number, line in enumerate(lines, 1):
        if broken:
            raise _no_event(path, broken)
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if isinstance(event, dict):
            yield number, event
        else:
            broken = number


def columns(rows: Iterable[Row]) -> list[str]:
    """Names of the values that rows have, in the order in which they come up."""
    return list(dict.fromkeys(name for row in rows for name in row.values))


def table_of(rows: list[Row]) -> list[list[str]]:
    """Rows as text under a header, as Caffe's parse_log has them; gaps are empty.

    TestNet is there only where there are several test nets.
    """
    nets = len({row.net for row in rows}) > 1
    names = columns(rows)
    head = ["NumIters", "Seconds", "LearningRate", *["TestNet"][: int(nets)], *names]
    return [head, *(_cells(row, names, nets) for row in rows)]


def _cells(row: Row, names: list[str], nets: bool) -> list[str]:
    numbers = [row.seconds, row.rate]
    cells = [
        str(row.iteration),
        *("" if math.isnan(n) else f"{n:.9g}" for n in numbers),
    ]
    values = [f"{row.values[n]:.9g}" if n in row.values else "" for n in names]
    return [*cells, *([str(row.net)] if nets else []), *values]
