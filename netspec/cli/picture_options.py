"""Arguments of the commands that look at pictures: test --protocol, classify, extract.

:mod:`netspec.cli.picturing` makes values of them.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    """Weights, nets and the device."""
    from netspec.cli.device_options import add_device

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
    add_device(parser)
