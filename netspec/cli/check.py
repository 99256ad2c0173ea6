"""Check nets and solvers: what is wrong, and what looks like a mistake.

Nets are built in both phases, without allocating anything; a solver is checked with
the nets that it names. Exit code 0: no errors; 3 or 4: the first error's kind.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files, and the states to look at."""
    from netspec.cli.options import add_trust

    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="net or solver, text or binary")
    add("--phase", choices=("train", "test"), help="default: both")
    add("--level", type=int, default=0, metavar="N")
    add("--stage", action="append", default=[], metavar="NAME")
    add_trust(parser)
    add("--strict", action="store_true", help="advice counts as an error (exit code 1)")
    add("--quiet", action="store_true", help="print errors and advice only")


def run(args: argparse.Namespace) -> int:
    """Check every file, print what was found, and say how bad it is."""
    from netspec.cli.options import allows_python, stages
    from netspec.files import find
    from netspec.solver.inspect import State, inspect_file

    phases = (args.phase,) if args.phase else ("train", "test")
    state = State(phases, args.level, stages(args), allows_python(args))
    every = [inspect_file(find(file), state, args.lenient) for file in args.files]
    for found in every:
        _print(found, args.quiet)
    codes = [error.exit_code for found in every for error in found.errors]
    advice = any(found.lints for found in every)
    return codes[0] if codes else int(args.strict and advice)


def _print(found, quiet: bool) -> None:  # type: ignore[no-untyped-def]
    for error in found.errors:
        print(error)
    for lint in found.lints:
        print(lint)
    if not quiet:
        for note in found.notes:
            print(f"{found.file}: {note}")
        print(f"{found.file}: {_verdict(found)}")


def _verdict(found) -> str:  # type: ignore[no-untyped-def]
    if found.errors:
        return f"{len(found.errors)} error(s)"
    return f"good, with {len(found.lints)} remark(s)" if found.lints else "good"
