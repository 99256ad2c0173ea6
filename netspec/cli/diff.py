"""Compare two models: what their nets say, their weights, and what they compute.

A and B are nets, solvers or weights of any format that 'netspec convert' reads. Exit
code 1: something differs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.convert.diff import Comparison

PARTS = ("spec", "weights", "outputs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two models, and how closely to look."""
    from netspec.cli.convert import add_input

    add = parser.add_argument
    add("first", metavar="A")
    add("second", metavar="B")
    add("--weights", "-weights", metavar="FILE", help="of both, or of A alone")
    add("--weights-b", metavar="FILE", help="of B")
    add("--only", choices=PARTS, action="append", default=[], help="default: all")
    add(
        "--tolerance",
        type=float,
        default=1e-4,
        metavar="T",
        help="of weights and outputs, by each blob's maximum; default 1e-4",
    )
    add_input(parser)
    add("--seed", type=int, default=0, metavar="N", help="of the inputs")
    add("--level", type=int, default=0, metavar="N")
    add("--stage", action="append", default=[], metavar="NAME")
    add("--json", metavar="FILE", help="write JSON; - is the terminal")
    add("--verbose", action="store_true", help="print every blob")


def run(args: argparse.Namespace) -> int:
    """Compare, print, and say whether anything differs."""
    from netspec.cli.options import stages, write_json
    from netspec.convert.diff import Side, compare
    from netspec.convert.model import Opening
    from netspec.files import find

    found = compare(
        Side(str(find(args.first)), _weights(args.weights, args.first)),
        Side(
            str(find(args.second)),
            _weights(args.weights_b or args.weights, args.second),
        ),
        frozenset(args.only or PARTS),
        args.tolerance,
        Opening(args.level, stages(args), shapes=dict(args.input), seed=args.seed),
    )
    if args.json:
        write_json(args.json, found.as_dict())
    if args.json != "-":
        _print(found, args.verbose)
    return 0 if found.equal else 1


def _weights(given: str | None, net: str) -> str | None:
    """The weights file of a side; a file that is weights itself needs none."""
    from netspec.convert.source import Kind, kind_of
    from netspec.files import find

    if not given or kind_of(find(net)) not in (Kind.PROTOTXT, Kind.JSON, Kind.YAML):
        return None
    return str(find(given))


def _print(found: Comparison, verbose: bool) -> None:
    from netspec.report.certificate import certificate_text

    sections: list[tuple[str, Any]] = [
        ("weights", found.weights),
        ("outputs", found.outputs),
    ]
    if found.changes is not None:
        print(f"spec: {len(found.changes) or 'no'} difference(s)")
        for change in found.changes:
            print(f"  {change}")
    for title, certificate in sections:
        if certificate is not None:
            print(f"{title}:")
            print(certificate_text(certificate, verbose))
    for note in found.notes:
        print(note)
    print(
        f"{found.first} and {found.second}: {'equal' if found.equal else 'DIFFERENT'}"
    )
