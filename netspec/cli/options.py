"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import json
from typing import Any

from netspec.files import replacing


def add_state(parser: argparse.ArgumentParser, phase: str) -> None:
    """Phase, level and stages: which layers of the file are in the net."""
    parser.add_argument(
        "--phase",
        "-phase",
        type=str.lower,
        choices=("train", "test"),
        default=phase,
        help=f"default: {phase}",
    )
    parser.add_argument("--level", "-level", type=int, default=0, metavar="N")
    parser.add_argument(
        "--stage",
        "-stage",
        action="append",
        default=[],
        metavar="NAME",
        help="may be repeated, or a comma-separated list",
    )


def add_trust(parser: argparse.ArgumentParser, code: bool = True) -> None:
    """How far to go along with the file; *code*: also whether its code may run."""
    parser.add_argument(
        "--lenient",
        action="store_true",
        help="leave out fields that netspec does not know, with a warning",
    )
    if code:
        parser.add_argument(
            "--allow-python",
            action="store_true",
            help="run the Python layers that the net names: for files you trust",
        )


def allows_python(args: argparse.Namespace) -> bool:
    """Whether Python layers may run; ``import caffe`` in them is then pycaffe's."""
    if args.allow_python:
        from netspec.pycaffe import install

        install()
    return bool(args.allow_python)


def stages(args: argparse.Namespace) -> tuple[str, ...]:
    """The stages given, whether repeated or separated by commas."""
    return tuple(s for given in args.stage for s in given.split(",") if s)


def write_json(path: str, value: Any) -> None:
    """Write a value as JSON, whole or not at all; ``-`` is standard output."""
    text = json.dumps(value, indent=2) + "\n"
    if path == "-":
        print(text, end="")
    else:
        with replacing(path) as temporary:
            temporary.write_text(text)
