"""Aligned plain-text tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence

Row = Sequence[str]


def table(
    head: Row, rows: Sequence[Row], right: Collection[int] = (), ruled: bool = False
) -> str:
    """Columns two spaces apart; those in *right* are flush right.

    *ruled* draws a line above the last row, for a total.
    """
    every = [head, *rows]
    widths = [max(len(row[i]) for row in every) for i in range(len(head))]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [_line(row, widths, right) for row in every]
    lines.insert(1, rule)
    if ruled:
        lines.insert(-1, rule)
    return "\n".join(lines)


def _line(row: Row, widths: Sequence[int], right: Collection[int]) -> str:
    cells = (
        cell.rjust(width) if i in right else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths))
    )
    return "  ".join(cells).rstrip()
