"""Rewrite a net or solver in today's spelling: V0 and V1 layers, input fields, old data
and BatchNorm fields, solver enums.

Text or binary is read by content.  OUT is written as text, or as binary where its name
ends in .caffemodel or .binaryproto, or as --text and --binary say; weights inside a
binary net are kept there.
"""

from __future__ import annotations

import argparse

BINARY = (".caffemodel", ".binaryproto")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two file names, and whether to go along with fields of forks."""
    from netspec.cli.options import add_trust

    parser.add_argument("input", metavar="IN")
    parser.add_argument("output", metavar="OUT")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--text", action="store_true", help="write text")
    form.add_argument("--binary", action="store_true", help="write binary")
    add_trust(parser, code=False)


def run(args: argparse.Namespace) -> int:
    """Read, upgrade, write, and say what was rewritten."""
    from netspec.files import replacing
    from netspec.spec import to_text
    from netspec.spec.kind import read_spec

    spec = read_spec(args.input, weights=True, lenient=args.lenient)
    message = spec.message
    with replacing(args.output) as temporary:
        if args.binary or (args.output.endswith(BINARY) and not args.text):
            temporary.write_bytes(message.SerializeToString())
        else:
            temporary.write_text(to_text(message))
    changes = spec.upgraded or ("nothing: it is in today's spelling already",)
    for change in changes:
        print(f"upgraded {change}")
    print(f"wrote {args.output}")
    return 0
