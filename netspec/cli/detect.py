"""Classify windows of images, as R-CNN and pycaffe's detect.py do.

netspec detect windows.csv out.csv --model deploy.prototxt --weights rcnn.caffemodel \\
    --mean 104,117,123 --context-pad 16

The windows have a header and a row each: filename,ymin,xmin,ymax,xmax in pixels; rows
of one file that follow each other are read once. OUT repeats them with a column for
each class: class0, class1, ...
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

COLUMNS = ("filename", "ymin", "xmin", "ymax", "xmax")


class Window(NamedTuple):
    """A row: the image, and (ymin, xmin, ymax, xmax)."""

    filename: str
    edges: tuple[float, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Windows, the net, and how images are prepared."""
    from netspec.cli.transform_options import add_transform

    add = parser.add_argument
    add("windows", type=Path, metavar="WINDOWS", help="CSV of windows")
    add("output", type=Path, metavar="OUT", help="CSV to write")
    add_transform(parser)
    add("--context-pad", "--context_pad", type=int, default=0, metavar="N",
        help="pixels of surroundings in the net's input; default 0")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Classify image by image, and write."""
    from netspec.cli.transform_options import transform_of
    from netspec.files import find, replacing
    from netspec.pycaffe import Detector

    windows = list(read_windows(args.windows))
    net = Detector(
        find(args.model),
        args.weights,
        context_pad=args.context_pad or None,
        **transform_of(args),
    )
    with replacing(args.output) as temporary, temporary.open("w", newline="") as file:
        rows, headed = csv.writer(file, lineterminator="\n"), False
        for name, group in groupby(windows, key=lambda window: window.filename):
            edges = [window.edges for window in group]
            found = net.detect_windows([(name, edges)])
            if not headed:
                classes = range(found[0]["prediction"].size)
                rows.writerow([*COLUMNS, *(f"class{n}" for n in classes)])
                headed = True
            for each in found:
                scores = (f"{score:.8g}" for score in each["prediction"].ravel())
                cells = (f"{edge:g}" for edge in each["window"])
                rows.writerow([name, *cells, *scores])
    print(f"wrote {args.output}: {len(windows)} windows")
    return 0


def read_windows(path: Path) -> Iterator[Window]:
    """The windows of a CSV file.

    Raises:
        DataError: unreadable, without windows, or a row that is none.
    """
    from netspec.errors import DataError

    wanted = f"Write a header {','.join(COLUMNS)} and such a row for each window."
    try:
        with path.open(newline="", errors="surrogateescape") as file:
            rows = csv.DictReader(file)
            missing = set(COLUMNS) - set(rows.fieldnames or ())
            if missing:
                names = ", ".join(name for name in COLUMNS if name in missing)
                raise DataError(f"'{path}' has no column {names}.", wanted)
            every = [_window(path, rows.line_num, row) for row in rows]
    except OSError as error:
        problem = f"cannot read '{path}': {error.strerror}."
        raise DataError(problem, wanted) from None
    except csv.Error as error:
        raise DataError(f"'{path}' is no CSV: {error}.", wanted) from None
    if not every:
        raise DataError(f"'{path}' has no windows.", wanted)
    yield from every


def _window(path: Path, line: int, row: dict[str, str]) -> Window:
    from math import isfinite

    from netspec.errors import DataError, Place

    try:
        top, left, bottom, right = (float(row[name]) for name in COLUMNS[1:])
    except (TypeError, ValueError):
        top, left, bottom, right = (float("nan"),) * 4
    if not (isfinite(top + left + bottom + right) and top < bottom and left < right):
        edges = ", ".join(str(row[name]) for name in COLUMNS[1:])
        raise DataError(
            f"({edges}) is no window.",
            "Write ymin, xmin, ymax and xmax in pixels, the least first.",
            place=Place(str(path), line),
        )
    return Window(row["filename"], (top, left, bottom, right))
