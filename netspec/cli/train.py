"""Train a net as its solver file says.

Snapshots are Caffe's two files. Ctrl-C or SIGTERM writes one and stops, a second Ctrl-C
stops at once, SIGHUP writes one and goes on. --resume auto goes on from the newest
valid snapshot, or starts where there is none; weights are then not looked for.

The batch of the file is the global one: ranks divide it, and 1, 2, 4 or 8 of them
compute the same bits. --gpus 0,1,2,3 starts a rank for each GPU.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from netspec.cli.ranks import (
    add_ranks,
    one_of_ranks,
    place_of,
    supervise,
    supervises,
)

if TYPE_CHECKING:
    from netspec.solver import Solver
    from netspec.solver.events import Listener
    from netspec.sync import Synchronizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The solver, what to start from, and where to report."""
    from netspec.cli.device_options import add_device
    from netspec.cli.options import add_trust

    add = parser.add_argument
    add("--solver", "-solver", required=True, metavar="FILE")
    add("--weights", "-weights", metavar="FILE[,FILE]", help="start from these weights")
    add("--resume", "--snapshot", "-snapshot", metavar="FILE|auto",
        help="go on from a snapshot, or from the newest valid one")  # fmt: skip
    add("--set", action="append", default=[], metavar="FIELD=VALUE",
        help="override a field of the solver; may be repeated")  # fmt: skip
    add_device(parser, several=True)
    add("--recompute", action="store_true",
        help="compute again what backward needs instead of keeping it: less memory, "
        "the same numbers")  # fmt: skip
    add("--log", metavar="FILE", help="a log in Caffe's shape; default: none")
    add("--json", metavar="FILE", help="a log of JSON lines")
    add("--quiet", action="store_true", help="print errors only")
    add_ranks(parser)
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
    if supervises(args):
        return supervise(args)
    with one_of_ranks(args) as sync, ExitStack() as stack:
        solver = _solver(args, sync, stack)
        if args.weights and not solver.iteration:
            for file in args.weights.split(","):
                report = solver.load(file, **transplant_options(args)).text()
                if not sync.rank:
                    print(report)
        solver.solve(signals=True)
    return 0


def _solver(args: argparse.Namespace, sync: Synchronizer, stack: ExitStack) -> Solver:
    """The solver, with what listens to it, where its snapshot left it."""
    from netspec.cli.device_options import device_of
    from netspec.cli.options import allows_python
    from netspec.files import find
    from netspec.solver import Solver
    from netspec.spec import read_solver
    from netspec.spec.override import override
    from netspec.sync.launchers import RESTARTED

    again = RESTARTED in os.environ
    solver = Solver(
        override(read_solver(find(args.solver), args.lenient), args.set),
        device=device_of(args, place_of(sync)),
        lean=True,
        recompute=args.recompute,
        listeners=[] if sync.rank else _listeners(args, stack),
        allow_python=allows_python(args),
        sync=sync,
        resume="auto" if again else args.resume,
    )
    stack.callback(solver.close)
    if again and args.resume and not solver.iteration:
        solver.restore(args.resume)
    return solver


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
