"""Outcomes as files: scores of every picture, errors of every class, confusions."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.data.sheet import Tile, contact_sheet, write_sheet
from netspec.errors import UsageError
from netspec.evaluate.metrics import Metrics
from netspec.evaluate.outcome import Outcome
from netspec.files import replacing

if TYPE_CHECKING:
    from netspec.evaluate.images import Images

BEST = 5  # classes listed for each picture
_COLUMNS, _SIDE = 8, 160  # of the contact sheet


def write_scores(path: str | Path, outcome: Outcome) -> None:
    """Write every picture's posteriors.

    ``.npz``: ``posteriors`` (pictures, classes) float32, ``names``, ``numbers``,
    ``labels`` and ``classes`` where known, and ``conditions`` as JSON.  ``.csv``: the
    best five classes a picture, under a first line ``# conditions``.

    Raises:
        UsageError: another ending.
        DataError: it cannot be written.
    """
    writers = {".npz": _write_npz, ".csv": write_best}
    suffix = Path(path).suffix.lower()
    if suffix not in writers:
        raise UsageError(
            f"cannot write scores to {str(path)!r}.", "Name a .npz or a .csv file."
        )
    writers[suffix](Path(path), outcome)


def _write_npz(path: Path, outcome: Outcome) -> None:
    arrays: dict[str, Any] = {
        "posteriors": outcome.posteriors.astype(np.float32),
        "names": np.array(outcome.names),
        "numbers": outcome.numbers,
        "conditions": np.array(json.dumps(outcome.conditions.as_dict())),
    }
    if outcome.labels is not None:
        arrays["labels"] = outcome.labels
    if outcome.conditions.classes:
        arrays["classes"] = np.array(outcome.conditions.classes)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def write_best(path: Path, outcome: Outcome, count: int = BEST) -> None:
    """Write the best classes of every picture as CSV; see :func:`write_scores`."""
    _write_csv(path, outcome, best_header(outcome, count), best_rows(outcome, count))


def best_header(outcome: Outcome, count: int) -> list[str]:
    """Names of the columns of :func:`best_rows`."""
    columns = [
        f"{what}{n + 1}" for n in range(_of(outcome, count)) for what in ("class", "p")
    ]
    known = ["label", "label_p", "label_rank"] if outcome.labels is not None else []
    return ["name", *known, *columns]


def best_rows(outcome: Outcome, count: int) -> Iterable[list[Any]]:
    """A row a picture: its name, what is known of its label, its best classes."""
    metrics = None
    if outcome.labels is not None:
        metrics = Metrics(outcome.posteriors, outcome.labels)
    for row, name in enumerate(outcome.names):
        cells: list[Any] = [name]
        if metrics is not None:
            label = int(metrics.labels[row])
            own = outcome.posteriors[row, label]
            rank = int(metrics.ranks[row]) + 1
            cells += [outcome.class_name(label), f"{own:.6g}", rank]
        for index, p in best_classes(outcome, row, _of(outcome, count)):
            cells += [outcome.class_name(index), f"{p:.6g}"]
        yield cells


def best_classes(outcome: Outcome, row: int, count: int) -> list[tuple[int, float]]:
    """The best classes of one picture with their posteriors, best first."""
    values = outcome.posteriors[row]
    order = np.argsort(-values, kind="stable")[:count]
    return [(int(i), float(values[i])) for i in order]


def _of(outcome: Outcome, count: int) -> int:
    return min(count, outcome.posteriors.shape[1])


def write_classes(path: str | Path, outcome: Outcome, metrics: Metrics) -> None:
    """Write the errors of every class as CSV, under a first line ``# conditions``."""
    heads = [f"top{k}_error" for k in metrics.tops]
    errors = [metrics.class_errors(k) for k in metrics.tops]
    rows = (
        [outcome.class_name(i), int(count), *(f"{e[i]:.6g}" for e in errors)]
        for i, count in enumerate(metrics.counts())
    )
    _write_csv(Path(path), outcome, ["class", "images", *heads], rows)


def write_confusion(path: str | Path, outcome: Outcome, metrics: Metrics) -> None:
    """Write the confusion matrix as CSV: a row a label, a column a best class."""
    names = [outcome.class_name(i) for i in range(metrics.classes)]
    rows = ([name, *map(int, row)] for name, row in zip(names, metrics.confusion))
    _write_csv(Path(path), outcome, ["label", *names], rows)


def _write_csv(
    path: Path, outcome: Outcome, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    with (
        replacing(path) as temporary,
        temporary.open(
            "w", newline="", encoding="utf-8", errors="surrogateescape"
        ) as file,
    ):
        file.write(f"# {outcome.conditions}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_worst(
    path: str | Path, outcome: Outcome, metrics: Metrics, images: Images, count: int
) -> None:
    """Write a contact sheet of the pictures whose label got the least posterior.

    Below each: the label, its posterior, and the best class.

    Raises:
        DataError: it cannot be written.
    """
    tiles = []
    for row in metrics.worst(count):
        picture, label = images.read(int(outcome.numbers[row]), 3)
        (best, _), *_ = best_classes(outcome, int(row), 1)
        own = outcome.posteriors[row, label]
        caption = f"{_short(outcome, label)} {own:.1%}: {_short(outcome, best)}"
        tiles.append(Tile(picture, caption))
    write_sheet(Path(path), contact_sheet(tiles, _COLUMNS, _SIDE))


def _short(outcome: Outcome, index: int) -> str:
    """As much of a class name as fits under a picture."""
    return (
        outcome.class_name(index).split(",")[0].encode("ascii", "replace").decode()[:12]
    )
