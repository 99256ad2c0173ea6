"""Read training logs: Caffe's, those of its forks, and netspec's (--log and --json).

netspec log parse train.log logs/      writes logs/train.log.train and .test, as CSV
netspec log parse train.log --print test
netspec log plot train.log -o train.png                losses, and accuracies below
netspec log plot a.log b.log -o lr.svg --show train:lr --log-scale
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netspec.report.training_log import Row

PHASES = ("train", "test")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands about logs."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    parse = commands.add_parser("parse", help="write a log's numbers as CSV")
    parse.add_argument("log", type=Path, metavar="FILE")
    parse.add_argument("folder", type=Path, nargs="?", default=Path("."),
                       metavar="FOLDER", help="to write to; default: here")  # fmt: skip
    parse.add_argument("--print", choices=PHASES, help="print a table, write nothing")
    parse.add_argument("--delimiter", default=",", metavar="C", help="default: a comma")
    plot = commands.add_parser("plot", help="draw a log's numbers as lines")
    plot.add_argument("logs", type=Path, nargs="+", metavar="FILE")
    plot.add_argument("-o", "--output", required=True, metavar="OUT", help=".png, .svg")
    plot.add_argument("--show", action="append", default=[], metavar="WHAT",
                      help="train:NAME or test:NAME of a column, train:lr; "
                      "may be repeated; default: all that tests tell")  # fmt: skip
    plot.add_argument("--x", choices=("iterations", "seconds"), default="iterations")
    plot.add_argument("--log-scale", action="store_true", help="upwards")


def run(args: argparse.Namespace) -> int:
    """Parse, or plot."""
    return _parse(args) if args.action == "parse" else _plot(args)


def _parse(args: argparse.Namespace) -> int:
    from netspec.errors import UsageError
    from netspec.report.training_log import read_log

    if len(args.delimiter) != 1:
        raise UsageError(f"--delimiter {args.delimiter!r} is not one character.")
    log = read_log(args.log)
    if args.print:
        _write(sys.stdout, getattr(log, args.print), args.delimiter)
        return 0
    for phase in PHASES:
        rows = getattr(log, phase)
        path = args.folder / f"{args.log.name}.{phase}"
        _write_file(path, rows, args.delimiter)
        print(f"{path}: {len(rows)} rows")
    return 0


def _write_file(path: Path, rows: list[Row], delimiter: str) -> None:
    from netspec.files import replacing

    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        _write(file, rows, delimiter)


def _write(file, rows: list[Row], delimiter: str) -> None:  # type: ignore[no-untyped-def]
    from netspec.report.training_log import table_of

    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(table_of(rows))


def _plot(args: argparse.Namespace) -> int:
    from netspec.draw.chart_files import write_chart
    from netspec.report.training_chart import training_chart
    from netspec.report.training_log import read_log

    logs = [read_log(path) for path in args.logs]
    write_chart(training_chart(logs, args.show, args.x, args.log_scale), args.output)
    rows = sum(len(log.train) + len(log.test) for log in logs)
    print(f"wrote {args.output}: {rows} rows of {len(logs)} log(s)")
    return 0
