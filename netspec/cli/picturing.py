"""Arguments of the commands that look at pictures: test --protocol, classify, extract.

What is told here becomes the values of :mod:`netspec.evaluate`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netspec.errors import UsageError

if TYPE_CHECKING:
    from netspec.evaluate.model import Model
    from netspec.evaluate.protocols import Protocol

    Parser = argparse.ArgumentParser | argparse._ArgumentGroup


def add_preprocess(parser: Parser) -> None:
    """How pictures are prepared, and what the classes are called."""
    add = parser.add_argument
    add(
        "--preprocess",
        action="append",
        default=[],
        metavar="P",
        help="caffe-vgg, torchvision, keras-caffe, tf, a JSON file, or net (as its "
        "data layer says); default: what stands beside the weights, or net",
    )
    add(
        "--resize",
        metavar="RULE",
        help="none, short-side:256, squash:224 or squash:HEIGHTxWIDTH; then perhaps "
        ":FILTER, as in short-side:256:pil-bicubic",
    )
    add("--crop", metavar="SIDE", help="pixels of the net's input: 224 or 224x192")
    add("--classes", metavar="FILE", help="class names, one a line, in the net's order")
    add("--train-scale", metavar="S", help="shorter side in training: 384 or 256-512")


def add_protocol(parser: Parser, default: str | None) -> None:
    """How a net looks at pictures, and how its answers are averaged."""
    add = parser.add_argument
    add(
        "--protocol",
        default=default,
        metavar="NAME",
        help="single, ten-crop, dense, multi-scale, multi-crop or dense+multi-crop"
        + (f"; default: {default}" if default else ""),
    )
    add("--scales", metavar="Q[,Q]", help="shorter sides that pictures are rescaled to")
    add(
        "--mirror",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="look at mirrored pictures too; default: all protocols but single",
    )
    add(
        "--map-average",
        metavar="WHAT",
        help="what a dense protocol averages over its places: scores (default, as the "
        "paper) or posteriors",
    )
    add("--scores", default="", metavar="BLOB", help="the blob of class scores")


def add_pass(parser: Parser) -> None:
    """What a pass over pictures may take, and what it does with bad ones."""
    add = parser.add_argument
    add(
        "--memory",
        type=int,
        default=1024,
        metavar="MB",
        help="for the blobs of the net, at all sizes together; default 1024",
    )
    add(
        "--on-error",
        choices=("error", "skip"),
        default="error",
        help="at a picture that cannot be read; skip leaves it out and says so",
    )


def add_nets(parser: argparse.ArgumentParser) -> None:
    """Weights and nets."""
    add = parser.add_argument
    add(
        "--weights",
        "-weights",
        required=True,
        action="append",
        metavar="FILE",
        help="may be repeated: an ensemble",
    )
    add(
        "--model",
        "-model",
        action="append",
        default=[],
        metavar="FILE",
        help="the net of each weights file; default: the one in the file",
    )
    add(
        "--map",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="load layer OLD of the file into layer NEW",
    )
    add("--device", default="cpu", help="cpu (default) or numpy")


def protocol_of(args: argparse.Namespace) -> Protocol:
    """The protocol that was asked for."""
    from netspec.evaluate.protocols import PROTOCOLS

    scales = numbers("--scales", args.scales, ",") if args.scales else ()
    return PROTOCOLS[args.protocol].at(scales, args.mirror, args.map_average)


def models_of(args: argparse.Namespace) -> list[Model]:
    """The nets with their weights; prints what became of the weights."""
    from netspec.evaluate.model import Model

    models = []
    for net, weights, preprocess in net_files(args):
        adjust, more = adjusted(args), options(args)
        model = Model(net, weights, preprocess, adjust, scores=args.scores, **more)
        print(model.runner.report.summary(), file=sys.stderr)
        print(f"{weights}: {model.preprocess}", file=sys.stderr)
        models.append(model)
    return models


def net_files(args: argparse.Namespace) -> list[tuple[Any, str, str]]:
    """Path of each net and of its weights, and how its pictures are prepared."""
    from netspec.files import find

    count = len(args.weights)
    nets = _spread("--model", args.model or args.weights, count)
    chosen = _spread("--preprocess", args.preprocess or [""], count)
    return [(find(n), w, p) for n, w, p in zip(nets, args.weights, chosen)]


def _spread(option: str, values: Sequence[str], count: int) -> Sequence[str]:
    """One value for each weights file, given once for all or once for each."""
    if len(values) not in (1, count):
        raise UsageError(
            f"{option} is given {len(values)} times for {count} weights files.",
            "Give it once, or once for each.",
        )
    return values if len(values) == count else list(values) * count


def options(args: argparse.Namespace) -> dict[str, Any]:
    """State, device, memory and renames."""
    from netspec.cli.options import stages
    from netspec.weights import parse_renames

    if args.memory < 1:
        raise UsageError("--memory must be at least 1.")
    return {
        "level": args.level,
        "stages": stages(args),
        "device": args.device,
        "memory": args.memory << 20,
        "rename": parse_renames(args.map),
    }


def adjusted(args: argparse.Namespace) -> dict[str, Any]:
    """Attributes of the preprocessing that the command line gives."""
    from netspec.data.preprocess_file import read_classes
    from netspec.data.rescale import parse_resize

    found: dict[str, Any] = {}
    if args.resize:
        found["resize"] = parse_resize(args.resize)
    if args.crop:
        found["crop"] = _pair("--crop", args.crop, "x")
    if args.train_scale:
        found["train_scale"] = _pair("--train-scale", args.train_scale, "-")
    if args.classes:
        found["classes"] = read_classes(args.classes)
    return found


def _pair(option: str, text: str, between: str) -> tuple[int, int]:
    values = numbers(option, text, between)
    if len(values) > 2:
        raise UsageError(f"{option} {text} has {len(values)} numbers.", "Give 1 or 2.")
    return values[0], values[-1]


def numbers(option: str, text: str, between: str) -> tuple[int, ...]:
    """Whole numbers above 0."""
    try:
        found = tuple(int(part) for part in text.split(between))
    except ValueError:
        found = (0,)
    if min(found) < 1:
        raise UsageError(
            f"{option} {text!r} is no list of whole numbers above 0.",
            f"Separate them by {between!r}.",
        )
    return found
