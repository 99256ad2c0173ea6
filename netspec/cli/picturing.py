"""From arguments about pictures to values of :mod:`netspec.evaluate`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netspec.errors import UsageError

if TYPE_CHECKING:
    from netspec.evaluate.model import Model
    from netspec.evaluate.protocols import Protocol


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
    from netspec.cli.device_options import one_device
    from netspec.cli.options import stages
    from netspec.weights import parse_renames

    if args.memory < 1:
        raise UsageError("--memory must be at least 1.")
    return {
        "level": args.level,
        "stages": stages(args),
        "device": one_device(args),
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
