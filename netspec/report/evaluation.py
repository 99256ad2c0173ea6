"""Outcomes of test protocols as text; every table says under which conditions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netspec.evaluate.files import best_classes
from netspec.evaluate.metrics import Metrics
from netspec.evaluate.outcome import Conditions, Outcome
from netspec.evaluate.paper import IMAGES, Comparison
from netspec.report.table import Row, table

_SHORT_COLUMNS = ("net", "protocol", "S", "Q", "crops", "mirrors", "images")
_LISTED_CLASSES = 20  # of more only the worst are printed
_LISTED_SKIPPED = 5


def result_text(outcome: Outcome, metrics: Metrics) -> str:
    """The errors, with everything that they depend on, and what should be known."""
    conditions = outcome.conditions
    known = conditions.as_dict()
    errors = [f"{metrics.error(k):.2f}" for k in metrics.tops]
    heads = [f"top-{k} error, %" for k in metrics.tops]
    row = [*(str(known[name]) for name in _SHORT_COLUMNS), *errors]
    columns = [*_SHORT_COLUMNS, *heads]
    lines = [table(columns, [row], right=range(5, len(columns)))]
    lines += [class_line(conditions), _cost(outcome), *_remarks(outcome)]
    permuted = metrics.permuted_error()
    if permuted is not None:
        lines.append(
            "warning: this is the error of chance; with the labels renumbered at best "
            f"it would be {permuted:.2f} %. The labels seem to be in another order "
            "than the classes of the net."
        )
    return "\n".join(lines)


def class_line(conditions: Conditions) -> str:
    """How many classes, and in which order."""
    return f"{conditions.class_count} classes, order {conditions.class_order}"


def _cost(outcome: Outcome) -> str:
    images = outcome.conditions.images
    return (
        f"{outcome.macs / images / 1e9:.4g} G multiply-accumulates an image, "
        f"{outcome.seconds:.2f} s, {images / outcome.seconds:.1f} images/s"
    )


def _remarks(outcome: Outcome) -> Iterator[str]:
    for note in outcome.notes:
        yield f"note: {note}"
    yield from skipped_lines(outcome.skipped)


def skipped_lines(skipped: tuple[str, ...] | list[str]) -> Iterator[str]:
    """What was wrong with the pictures that were left out: the first few."""
    for problem in skipped[:_LISTED_SKIPPED]:
        yield f"skipped: {problem}"
    if skipped:
        yield f"skipped {len(skipped)} bad images, which are not counted"


def classes_text(outcome: Outcome, metrics: Metrics) -> str:
    """The errors of every class, or of the worst where there are many."""
    first = metrics.class_errors(1)
    order = np.argsort(-np.nan_to_num(first, nan=-1), kind="stable")
    shown = sorted(order) if len(order) <= _LISTED_CLASSES else order[:_LISTED_CLASSES]
    heads = [f"top-{k} error, %" for k in metrics.tops]
    errors = [metrics.class_errors(k) for k in metrics.tops]
    rows: list[Row] = [
        (outcome.class_name(int(i)), str(metrics.counts()[i]),
         *(f"{e[i]:.2f}" for e in errors))
        for i in shown
    ]  # fmt: skip
    heading = str(outcome.conditions)
    if len(shown) < len(order):
        heading += f"\nthe {len(shown)} worst of {len(order)} classes"
    right = range(1, 2 + len(heads))
    return f"{heading}\n{table(['class', 'images', *heads], rows, right=right)}"


def comparison_text(comparison: Comparison) -> str:
    """The paper's figures, those found, and the difference."""
    rows: list[Row] = [
        (name, f"{paper:.1f}", f"{found:.2f}", f"{found - paper:+.2f}")
        for name, paper, found in zip(
            ("top-1", "top-5"), comparison.expected, comparison.errors
        )
    ]
    head = ("error, %", "paper", "found", "difference")
    lines = [f"paper: {comparison.figure}", table(head, rows, right=(1, 2, 3))]
    if comparison.images != IMAGES:
        lines.append(
            f"note: the paper's figures are of {IMAGES:,} images (ILSVRC-2012 "
            f"validation), these of {comparison.images:,}"
        )
    verdict = "as good as the paper" if comparison.holds else "worse than the paper"
    lines.append(f"{verdict}, within {comparison.tolerance:g} percentage points")
    return "\n".join(lines)


def best_text(outcome: Outcome, row: int, count: int) -> str:
    """The best classes of one picture, with their posteriors."""
    lines = [
        f"  {p:8.2%}  {outcome.class_name(index)}"
        for index, p in best_classes(outcome, row, count)
    ]
    return "\n".join([f"{outcome.names[row]}", *lines])
