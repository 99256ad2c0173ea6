"""Carry a model to another format, and prove that it still computes the same.

NET is a prototxt, caffemodel, ONNX, JSON or YAML file, told by its content; a net that
is trained is turned into the net that is used first. Both sides are then run on seeded
inputs of two sizes and compared blob by blob. Exit code 1: a blob differs.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.convert.request import Outcome, Request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, to what, and how."""
    from netspec.convert.request import MODULES

    add = parser.add_argument
    add("net", metavar="NET", help="the net, or the weights alone")
    add("--weights", "-weights", metavar="FILE", help="where NET does not hold them")
    add(
        "--to",
        metavar="FORMAT",
        help=f"default: what OUT's name says; one of {', '.join(MODULES)}",
    )
    add("-o", "--out", required=True, metavar="OUT")
    add("--batch", type=_batch, default=0, metavar="N|dynamic", help="default: dynamic")
    add(
        "--size",
        choices=("auto", "fixed"),
        default="auto",
        help="auto: the size of images is left open where that is exact",
    )
    add(
        "--fold",
        action="store_true",
        help="make preprocessing part of the first convolution",
    )
    add(
        "--preprocess",
        default="",
        metavar="P",
        help="caffe-vgg, torchvision, keras-caffe, tf, a JSON file, or net (as its "
        "data layer says); default: what stands beside the files, or net",
    )
    add_input(parser)
    _add_checking(parser)


def add_input(parser: argparse.ArgumentParser) -> None:
    """Shapes that the file leaves open."""
    parser.add_argument(
        "--input",
        type=_input_shape,
        action="append",
        default=[],
        metavar="BLOB=C,H,W",
        help="shape of a data layer's top, where its data is not at hand",
    )


def _add_checking(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--verify", action=argparse.BooleanOptionalAction, default=True)
    add(
        "--certificate",
        metavar="FILE",
        help="write it as JSON; default: OUT.certificate.json; - is the terminal",
    )
    add("--seed", type=int, default=0, metavar="N", help="of inputs and drawn weights")
    add("--level", type=int, default=0, metavar="N")
    add("--stage", action="append", default=[], metavar="NAME")
    add("--verbose", action="store_true", help="print every blob")


def _batch(text: str) -> int:
    if text == "dynamic":
        return 0
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1, or dynamic")
    return value


def _input_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """A blob and its shape without the batch, from ``data=3,224,224``."""
    name, _, dims = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not BLOB=C,H,W")
    return name, tuple(int(dim) for dim in dims.split(","))


def run(args: argparse.Namespace) -> int:
    """Convert, print what was done and how it compares; 1 where a blob differs."""
    from netspec.convert.converting import convert

    outcome = convert(_request(args), args.to)
    for file in outcome.files:
        print(f"wrote {file}")
    if outcome.certificate is None:
        for note in outcome.notes:
            print(note)
        return 0
    return _report(outcome, args)


def _request(args: argparse.Namespace) -> Request:
    from pathlib import Path

    from netspec.cli.options import stages
    from netspec.convert.request import Request
    from netspec.files import find

    return Request(
        source=str(find(args.net)),
        out=Path(args.out),
        weights=args.weights and str(find(args.weights)),
        batch=args.batch,
        size=args.size,
        fold=args.fold,
        verify=args.verify,
        level=args.level,
        stages=stages(args),
        shapes=dict(args.input),
        preprocess=args.preprocess,
        seed=args.seed,
    )


def _report(outcome: Outcome, args: argparse.Namespace) -> int:
    from netspec.cli.options import write_json
    from netspec.report.certificate import certificate_text

    certificate: Any = outcome.certificate
    path = args.certificate or f"{args.out}.certificate.json"
    write_json(path, certificate.as_dict())
    if path != "-":
        print(certificate_text(certificate, args.verbose))
        print(f"wrote {path}")
    if certificate.not_run:
        print("netspec: the conversion was NOT verified.", file=sys.stderr)
    return 1 if certificate.failed else 0
