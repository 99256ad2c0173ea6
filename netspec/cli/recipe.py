"""Print the whole way from data to a tested net, command by command, or go it.

netspec recipe vgg16                  prints a shell script, with the files it writes
netspec recipe vgg16 --run            runs it; run again, it goes on where it stopped

Steps that are done are noted in snapshots/NAME.recipe.json.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from netspec.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which recipe, where the data is, and whether to run it."""
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="left out: a list of all")
    add("--train", metavar="DIR|TAR", help="ImageNet's training images")
    add("--val", metavar="DIR|TAR", help="and its validation images")
    add("--devkit", metavar="DIR|TAR", help="and its devkit")
    add("--device", metavar="NAME", help="to train and test on; default: cpu")
    add("--run", action="store_true", help="run what has not been done yet")
    add("--until", metavar="STEP", help="leave out what comes after this step")


def run(args: argparse.Namespace) -> int:
    """Print the recipe or run it."""
    from netspec.solver.recipe import Journal, as_script
    from netspec.solver.recipe import run as run_steps
    from netspec.solver.recipes import RECIPES, Source, steps_of

    if not args.name:
        print("\n".join(RECIPES))
        return 0
    named = ("train", "val", "devkit", "device")
    given = {name: getattr(args, name) for name in named if getattr(args, name)}
    steps = steps_of(args.name, Source(**given))
    if args.until:
        steps = steps[: _number(args.until, [step.name for step in steps]) + 1]
    if not args.run:
        print(as_script(steps), end="")
        return 0
    Path("snapshots").mkdir(exist_ok=True)
    journal = Journal(Path("snapshots", f"{args.name}.recipe.json"))
    return run_steps(steps, journal, _execute)


def _number(name: str, names: list[str]) -> int:
    from netspec.registry import suggest

    if name not in names:
        raise UsageError(f"there is no step {name!r}.", suggest(name, names))
    return names.index(name)


def _execute(arguments: Sequence[str]) -> int:
    """In a process of its own, which is waited for whatever signals come.

    A terminal sends Ctrl-C to both; a request to end is handed on.
    """
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    child = subprocess.Popen([sys.executable, "-m", "netspec.cli.main", *arguments])
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGTERM))
    try:
        return child.wait()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
