"""``netspec data preview``: draw what a net will see, as a contact sheet."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netspec.data.feed import Feed
    from netspec.proto import NetParameter
    from netspec.spec import Located


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The net or solver, which samples, and how large."""
    from netspec.cli.options import add_state

    add = parser.add_argument
    add("file", metavar="NET|SOLVER", help="whose data layer is shown")
    add("-o", "--output", type=Path, metavar="PNG", required=True)
    add("--layer", metavar="NAME", help="of several data layers; default: the first")
    add("--first", type=int, default=0, metavar="N", help="number of the first sample")
    add("--count", type=int, default=12, metavar="N", help="samples; default 12")
    add("--columns", type=int, default=3, metavar="N", help="samples a row; default 3")
    add("--side", type=int, default=224, metavar="PIXELS", help="of a picture")
    add("--seed", type=int, metavar="N", help="of the draws; default: the solver's")
    add_state(parser, "train")


def run(args: argparse.Namespace) -> int:
    """Draw the sheet."""
    from netspec.data.preview import looks, tiles
    from netspec.data.sheet import contact_sheet, write_sheet
    from netspec.errors import UsageError

    if min(args.count, args.columns, args.side) < 1 or args.first < 0:
        raise UsageError(
            f"cannot show {args.count} samples from number {args.first} in "
            f"{args.columns} columns of {args.side} pixels.",
            "Samples count from 0; the rest is at least 1.",
        )
    feed = _feed(args)
    found = looks(feed, args.first, args.count)
    sheet = contact_sheet(tiles(found, args.side), 2 * args.columns, args.side)
    write_sheet(args.output, sheet)
    print(f"{args.output}: samples {args.first} to {args.first + args.count - 1}")
    for number, look in enumerate(found, args.first):
        print(f"  {number}: {look.name}, label {look.label}")
    return 0


def _feed(args: argparse.Namespace) -> Feed:
    from netspec.data.feeds import Feeds
    from netspec.errors import UsageError
    from netspec.registry import suggest

    net, seed = _net(args)
    feeds = Feeds(net, seed if args.seed is None else args.seed).by_layer
    if not feeds:
        raise UsageError("the net has no data layer.", "Give a train_val net.")
    name = args.layer or next(iter(feeds))
    if name not in feeds:
        raise UsageError(f"there is no data layer {name!r}.", suggest(name, feeds))
    return feeds[name]


def _net(args: argparse.Namespace) -> tuple[Located[NetParameter], int]:
    """The net in the state that is asked for, and the seed of its draws."""
    from netspec.cli.options import stages
    from netspec.files import find
    from netspec.graph import PHASES
    from netspec.proto import SolverParameter
    from netspec.solver.building import seed_of
    from netspec.solver.nets import test_specs, train_spec
    from netspec.spec import filter_net
    from netspec.spec.kind import read_spec

    spec = read_spec(find(args.file))
    phase = PHASES[args.phase]
    if isinstance(spec.message, SolverParameter):
        one = train_spec(spec) if args.phase == "train" else test_specs(spec)[0]
        net = filter_net(one.net, phase, one.level, one.stages)
        return net, seed_of(spec.message)
    return filter_net(spec, phase, args.level, stages(args)), 0
