"""Draw a net: its layers, the blobs between them, and shapes on the arrows.

netspec draw models/lenet_train_val.prototxt lenet.svg
netspec draw train_val.prototxt net.png --phase train --rankdir LR

The end of the name is the format: svg, png or dot; others need Graphviz. With --phase
all every layer is drawn; a blob whose shape differs between the phases has none.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netspec.proto import NetParameter
    from netspec.shapes import Shape
    from netspec.spec import Located


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The net, the picture, and what is shown."""
    from netspec.cli.options import add_trust

    add = parser.add_argument
    add("net", metavar="NET", help="prototxt or caffemodel")
    add("output", metavar="OUT", help="file to write: .svg, .png or .dot")
    add("--phase", type=str.lower, choices=("train", "test", "all"), default="test",
        help="default: test")  # fmt: skip
    add("--level", type=int, default=0, metavar="N")
    add("--stage", action="append", default=[], metavar="NAME")
    add("--rankdir", type=str.upper, default="TB", metavar="TB|BT|LR|RL",
        help="where data flows; default: top to bottom")  # fmt: skip
    add("--rates", action="store_true", help="write lr_mult into the layers")
    add("--no-shapes", action="store_true",
        help="channels on the arrows: also for layers that netspec lacks")  # fmt: skip
    add_trust(parser)


def run(args: argparse.Namespace) -> int:
    """Draw, and say how much."""
    from netspec.draw import diagram_of, write
    from netspec.files import find
    from netspec.spec import read_net

    net = read_net(find(args.net), lenient=args.lenient)
    phases = ("train", "test") if args.phase == "all" else (args.phase,)
    shapes = {} if args.no_shapes else _shapes(args, net, phases)
    shown = net.message if args.phase == "all" else _part(args, net, args.phase).message
    diagram = diagram_of(shown, args.rankdir, rates=args.rates, shapes=shapes)
    write(diagram, args.output)
    print(f"wrote {args.output}: {len(shown.layer)} layers")
    return 0


def _part(
    args: argparse.Namespace, net: Located[NetParameter], phase: str
) -> Located[NetParameter]:
    from netspec.cli.options import stages
    from netspec.graph import PHASES
    from netspec.spec import filter_net

    return filter_net(net, PHASES[phase], args.level, stages(args))


def _shapes(
    args: argparse.Namespace, net: Located[NetParameter], phases: tuple[str, ...]
) -> dict[str, Shape]:
    """Shapes of blobs by name, of those that have one shape in all phases."""
    found: dict[str, set[Shape]] = {}
    for phase in phases:
        for name, shape in _shapes_in(args, net, phase).items():
            found.setdefault(name, set()).add(tuple(shape))
    return {name: one.pop() for name, one in found.items() if len(one) == 1}


def _shapes_in(
    args: argparse.Namespace, net: Located[NetParameter], phase: str
) -> dict[str, Shape]:
    """Shapes in one phase; none, and a word about it, where the data decides them."""
    from netspec.cli.options import allows_python, stages
    from netspec.data.feeds import known_shapes
    from netspec.errors import OpenShapeError
    from netspec.graph import PHASES, Feeding, build_graph
    from netspec.layers.user_code import UserCode

    code = UserCode() if allows_python(args) else None
    feeding = Feeding(sources=known_shapes(_part(args, net, phase)))
    state = (PHASES[phase], args.level, stages(args))
    try:
        return dict(build_graph(net, *state, feeding, code).blobs)
    except OpenShapeError as error:
        print(f"netspec: no shapes of {phase.upper()}: {error}", file=sys.stderr)
        return {}
