"""The ``netspec`` command: one module a sub-command, loaded when it is asked for."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, TextIO

from netspec import kernel_cache
from netspec.errors import DataWarning, NetspecError, SpecWarning, UsageError
from netspec.registry import suggest

COMMANDS = {
    "train": "train a net as its solver file says, or go on from a snapshot",
    "test": "run a trained net over its whole test set once",
    "classify": "name what is in pictures",
    "detect": "classify windows of pictures, as R-CNN does",
    "extract": "write features of pictures: the values of any blobs of a net",
    "time": "time each layer, forward and backward",
    "summary": "print shapes, parameters, MACs and memory without allocating any",
    "draw": "draw a net, with the shapes of its blobs",
    "plan": "print order, fusions and memory of a net, or what many ranks would bring",
    "check": "check nets and solvers: errors, and what looks like a mistake",
    "upgrade": "rewrite an old net or solver in today's spelling",
    "convert": "carry a model to another format, with proof that it computes the same",
    "diff": "compare two models: nets, weights and outputs",
    "data": "create, inspect, verify and show databases of images",
    "recipe": "print or run the whole way from data to a tested net",
    "devices": "print what is computed with: cores, threads, vectors, BLAS, memory",
    "log": "write the numbers of training logs as CSV, or draw them",
    "version": "print versions of netspec and of what it stands on",
}
_SHOWN = (SpecWarning, DataWarning)
COMPILING_SECONDS = 15  # for the kernels of a VGG net
INTERRUPTED = 130  # the shell's code for a process ended by Ctrl-C


class Parser(argparse.ArgumentParser):
    """An argument parser that reports in netspec's form and exits with code 2."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise UsageError(f"{message}.", f"See '{self.prog} --help'.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    Codes: 0 done, 1 a check or comparison failed, 2 usage, 3 bad spec, 4 bad data,
    5 device, 6 training diverged.
    """
    try:
        with warnings.catch_warnings():
            for category in _SHOWN:
                warnings.simplefilter("default", category)
            warnings.showwarning = _show_warning
            kernel_cache.listeners[:] = [_tell_of_compiling]
            return _run(list(sys.argv[1:] if argv is None else argv))
    except NetspecError as error:
        print(f"netspec: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("netspec: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output is gone: nobody to tell
        return 0


def _tell_of_compiling() -> None:
    """Say what takes time, the first time a kernel is used on a machine."""
    what = "netspec: compiling kernels for this machine, once: about"
    # In one piece: another rank may say it at the same moment.
    sys.stderr.write(f"{what} {COMPILING_SECONDS} s of processor time.\n")


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print netspec's own warnings in the form of errors, others as Python does."""
    if not issubclass(category, _SHOWN):
        text = warnings.formatwarning(message, category, filename, lineno, line)
        print(text, end="", file=sys.stderr)
    else:
        # In one piece: threads that read data may warn at the same moment.
        sys.stderr.write(f"netspec: warning: {message}\n")


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    name, rest = argv[0], argv[1:]
    if name in ("--version", "-V"):
        name = "version"
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}.", suggest(name, COMMANDS))
    module = import_module(f"netspec.cli.{name}")
    parser = Parser(
        prog=f"netspec {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return module.run(parser.parse_args(rest, argparse.Namespace(argv=rest)))


def overview() -> str:
    """What ``netspec --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: netspec COMMAND [options]",
            "",
            "Convolutional networks written down as prototxt: train, test, inspect.",
            "",
            *lines,
            "",
            "'netspec COMMAND --help' explains one. Caffe's own spellings (-solver,",
            "-model, -weights, -iterations, -snapshot) are accepted.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
