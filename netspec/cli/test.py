"""Run a trained net over its test set and print every output.

The whole set is seen exactly once and the last, smaller batch counts by its size;
--iterations N sees N batches instead, as Caffe does. --model may be left out where
the weights file holds its net.

--protocol tests in the ways of the VGG paper, on whole pictures:
netspec test --model train_val.prototxt --weights w.caffemodel \\
    --protocol dense --scales 256,384,512
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.net import Net
    from netspec.solver.testing import Test


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Net, weights, how much, and where the figures go."""
    from netspec.cli import protocol
    from netspec.cli.device_options import add_device
    from netspec.cli.options import add_state, add_trust
    from netspec.cli.train import add_transplant

    add = parser.add_argument
    add("--model", "-model", action="append", default=[], metavar="FILE",
        help="default: the net in the weights file")  # fmt: skip
    add("--weights", "-weights", required=True, action="append", metavar="FILE",
        help="with --protocol it may be repeated: an ensemble")  # fmt: skip
    add("--iterations", "-iterations", type=int, metavar="N",
        help="batches to run; default: the whole set once")  # fmt: skip
    add_device(parser)
    add("--json", metavar="FILE", help="write JSON; - is the terminal")
    add("--verbose", action="store_true", help="print what became of each blob")
    add_transplant(parser)
    add_state(parser, "test")
    add_trust(parser)
    protocol.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Build the net, load the weights, test, print."""
    from netspec.cli import protocol
    from netspec.cli.options import write_json
    from netspec.cli.train import transplant_options
    from netspec.errors import UsageError

    if args.protocol:
        return protocol.run(args)
    protocol.check_unused(args)
    if args.iterations is not None and args.iterations < 1:
        raise UsageError("--iterations must be at least 1.")
    test = _test(args)
    report = test.net.load(args.weights[0], **transplant_options(args))
    print(report.text() if args.verbose else report.summary(), file=sys.stderr)
    scores = test.run()
    if args.json:
        write_json(args.json, asdict(scores))
    if args.json != "-":
        print(as_text(scores))
    return 0


def _test(args: argparse.Namespace) -> Test:
    from netspec.cli.device_options import one_device
    from netspec.cli.options import allows_python, stages
    from netspec.data.feeds import Feeds
    from netspec.errors import UsageError
    from netspec.files import find
    from netspec.graph import PHASES, Feeding
    from netspec.net import Net
    from netspec.solver.testing import Test
    from netspec.spec import filter_net, read_net

    spec = read_net(find((args.model or args.weights)[0]), lenient=args.lenient)
    state = (args.level, stages(args))
    feeds = Feeds(filter_net(spec, PHASES[args.phase], *state), seed=0)
    if not feeds.by_layer and args.iterations is None:
        raise UsageError(
            "the net has no data layer, so its whole set is nothing.",
            "Give --iterations, or a net with a data layer.",
        )
    feeding = Feeding(sources=feeds.shapes)
    net: Net = Net(
        spec, None, args.phase, *state, one_device(args), lean=True, feeding=feeding,
        frozen=True, allow_python=allows_python(args),
    )  # fmt: skip
    return Test(net, feeds, args.iterations)


def as_text(scores: Any) -> str:
    """What was seen, and a line for each value of each output."""
    from netspec.report.console import output_lines

    whole = "the whole set once" if scores.whole_set else "not one pass over the set"
    head = (
        f"{scores.images} images ({whole}), {scores.seconds:.2f} s, "
        f"{scores.images / scores.seconds:.1f} images/s"
    )
    return "\n".join([head, *output_lines(scores.outputs)])
