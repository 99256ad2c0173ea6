"""Name what is in pictures: the best classes of each, with their posteriors.

netspec classify cat.jpg --weights w.caffemodel --model models/vgg16_deploy.prototxt \\
    --preprocess caffe-vgg --classes synset_words.txt
netspec classify photos/ --weights vgg_iter_9.caffemodel --csv classes.csv

A folder stands for the images in it. How pictures are prepared is read from beside the
weights, or from the net's data layer, or told; it is never guessed.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Pictures, nets, preparation, protocol, and where the classes go."""
    from netspec.cli.options import add_state
    from netspec.cli.picture_options import (
        add_nets,
        add_pass,
        add_preprocess,
        add_protocol,
    )

    add = parser.add_argument
    add("images", nargs="+", metavar="IMAGE", help="image files, or folders of them")
    add("--top", type=int, default=5, metavar="K", help="classes to print; default 5")
    add("--csv", metavar="FILE", help="write CSV instead; - is the terminal")
    add_nets(parser)
    add_preprocess(parser)
    add_protocol(parser, "single")
    add_pass(parser)
    add_state(parser, "test")


def run(args: argparse.Namespace) -> int:
    """Classify, and print or write."""
    from netspec.cli.picturing import models_of, protocol_of
    from netspec.cli.progress import progress
    from netspec.errors import UsageError
    from netspec.evaluate.evaluator import evaluate
    from netspec.evaluate.finding import image_files
    from netspec.evaluate.images import Files

    if args.top < 1:
        raise UsageError("--top must be at least 1.")
    images = Files(image_files(args.images))
    protocol = protocol_of(args)
    with progress("classify") as tell:
        outcome = evaluate(models_of(args), images, protocol, args.on_error, tell)
    _print(args, outcome)
    return 0


def _print(args: argparse.Namespace, outcome):  # type: ignore[no-untyped-def]
    import csv
    import sys
    from pathlib import Path

    from netspec.evaluate.files import best_header, best_rows, write_best
    from netspec.report.evaluation import best_text, skipped_lines

    if args.csv == "-":
        rows = [best_header(outcome, args.top), *best_rows(outcome, args.top)]
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
    elif args.csv:
        write_best(Path(args.csv), outcome, args.top)
    else:
        for row in range(len(outcome.names)):
            print(best_text(outcome, row, args.top))
    for line in skipped_lines(outcome.skipped):
        print(line, file=sys.stderr)
