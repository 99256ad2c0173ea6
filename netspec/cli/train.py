"""Train a net as its solver file says.

Snapshots are Caffe's two files. Ctrl-C or SIGTERM writes one and stops, a second Ctrl-C
stops at once, SIGHUP writes one and goes on. --resume auto goes on from the newest
valid snapshot, or starts where there is none.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.solver.events import Listener


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The solver, what to start from, and where to report."""
    from netspec.cli.options import add_trust

    add = parser.add_argument
    add("--solver", "-solver", required=True, metavar="FILE")
    add("--weights", "-weights", metavar="FILE[,FILE]", help="start from these weights")
    add("--resume", "--snapshot", "-snapshot", metavar="FILE|auto",
        help="go on from a snapshot, or from the newest valid one")  # fmt: skip
    add("--set", action="append", default=[], metavar="FIELD=VALUE",
        help="override a field of the solver; may be repeated")  # fmt: skip
    add("--device", default="cpu", help="cpu (default) or numpy")
    add("--log", metavar="FILE", help="a log in Caffe's shape; default: none")
    add("--json", metavar="FILE", help="a log of JSON lines")
    add("--quiet", action="store_true", help="print errors only")
    add_transplant(parser)
    add_trust(parser)


def add_transplant(parser: argparse.ArgumentParser) -> None:
    """How weights are matched with layers."""
    add = parser.add_argument
    add("--on-mismatch", choices=("error", "reinit", "skip"), default="error",
        help="what to do with a blob of another shape")  # fmt: skip
    add("--map", action="append", default=[], metavar="OLD=NEW",
        help="load layer OLD of the file into layer NEW")  # fmt: skip
    add("--transplant", choices=("paper",),
        help="paper: take only the first four convolutions and the fully connected "
        "layers of the file, as the VGG paper starts its deeper nets")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Train until the solver says stop."""
    from netspec.cli.options import allows_python
    from netspec.files import find
    from netspec.solver import Solver
    from netspec.spec import read_solver
    from netspec.spec.override import override

    path = find(args.solver)
    with ExitStack() as stack:
        listeners = _listeners(args, stack)
        solver = Solver(
            override(read_solver(path, args.lenient), args.set),
            device=args.device,
            lean=True,
            listeners=listeners,
            allow_python=allows_python(args),
        )
        stack.callback(solver.close)
        start_from(solver, args)
        solver.solve(signals=True)
    return 0


def start_from(solver: Any, args: argparse.Namespace) -> None:
    """Load what the command line names, and print what became of each blob."""
    if args.weights:
        for file in args.weights.split(","):
            print(solver.load(file, **transplant_options(args)).text())
    if args.resume:
        solver.restore(args.resume)


def transplant_options(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of :meth:`netspec.Net.load` that the command line gave."""
    from netspec.weights import parse_renames

    return {
        "on_mismatch": args.on_mismatch,
        "rename": parse_renames(args.map),
        "paper": args.transplant == "paper",
    }


def _listeners(args: argparse.Namespace, stack: ExitStack) -> list[Listener]:
    from netspec.report.console import ConsoleReporter
    from netspec.report.glog import GlogReporter
    from netspec.report.jsonl import JsonLinesReporter

    listeners: list[Listener] = []
    if not args.quiet:
        console = ConsoleReporter(sys.stdout, live=sys.stdout.isatty())
        stack.callback(console.close)
        listeners.append(console)
    for path, reporter in ((args.log, GlogReporter), (args.json, JsonLinesReporter)):
        if path:
            listeners.append(reporter(stack.enter_context(open_log(path))))
    return listeners


def open_log(path: str) -> Any:
    """A log file, opened to append: a resumed run goes on in the same file."""
    from netspec.errors import UsageError

    try:
        return open(path, "a", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write the log {path!r}: {error.strerror}.",
            "Choose a file in a folder that exists and can be written.",
        ) from None
