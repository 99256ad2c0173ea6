"""``netspec test --protocol``: the paper's ways to test, and what is written."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from netspec.errors import UsageError

if TYPE_CHECKING:
    from netspec.evaluate.images import Images
    from netspec.evaluate.metrics import Metrics
    from netspec.evaluate.model import Model
    from netspec.evaluate.outcome import Outcome

FAILED = 1
_WORST = 64  # pictures of the contact sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The protocol, where its pictures are, and what to write."""
    from netspec.cli.picture_options import add_pass, add_preprocess, add_protocol

    add_protocol(parser.add_argument_group("protocols"), None)
    group = parser.add_argument_group("with --protocol")
    add_preprocess(group)
    add_pass(group)
    add = group.add_argument
    add(
        "--data",
        metavar="PATH",
        help="a database, or a list of images and labels; default: the net's",
    )
    add(
        "--expect",
        nargs="?",
        const="",
        metavar="NETS",
        help="compare with the paper; NETS such as D or D+E, default: by name",
    )
    add(
        "--expect-within",
        type=float,
        metavar="POINTS",
        help="percentage points by which an error may be larger; default 0.5",
    )
    add(
        "--per-class",
        nargs="?",
        const="-",
        metavar="CSV",
        help="the errors of every class, printed or written",
    )
    add("--confusion", metavar="CSV", help="write the confusion matrix")
    add("--per-image", metavar="FILE", help="write every image's scores: .npz or .csv")
    add("--worst", metavar="PNG", help="draw the images whose label was missed most")


def run(args: argparse.Namespace) -> int:
    """Test, print, write; 1 where the errors are larger than the paper's."""
    from netspec.cli.picturing import models_of, protocol_of
    from netspec.cli.progress import progress
    from netspec.evaluate.evaluator import evaluate
    from netspec.evaluate.metrics import Metrics

    _check(args)
    protocol = protocol_of(args)
    models = models_of(args)
    images = _images(args, models[0])
    with progress("test") as tell:
        outcome = evaluate(models, images, protocol, args.on_error, tell)
    assert outcome.labels is not None
    metrics = Metrics(outcome.posteriors, outcome.labels)
    _write(args, outcome, metrics, images)
    return _print(args, outcome, metrics)


def check_unused(args: argparse.Namespace) -> None:
    """Refuse what only protocols know where none is asked for."""
    given = [
        option
        for option, default in _ONLY.items()
        if getattr(args, option.replace("-", "_")) not in (default, None, [], "")
    ]
    named = [f"--{option}" for option in given]
    if len(args.weights) > 1 or len(args.model) > 1:
        named.append("a second --weights or --model")
    if named:
        raise UsageError(
            f"{named[0]} needs a protocol.",
            f"Give --protocol: one of {', '.join(_names())}.",
        )


_ONLY: dict[str, Any] = dict.fromkeys(
    (
        *("scales", "mirror", "map-average", "scores", "preprocess", "resize", "crop"),
        *("classes", "train-scale", "data", "expect", "expect-within", "per-class"),
        *("confusion", "per-image", "worst"),
    )
) | {"memory": 1024, "on-error": "error"}


def _names() -> list[str]:
    from netspec.evaluate.protocols import PROTOCOLS

    return list(PROTOCOLS)


def _check(args: argparse.Namespace) -> None:
    unfit = {
        "--iterations": args.iterations is not None,
        "--phase train": args.phase != "test",
        "--on-mismatch": args.on_mismatch != "error",
        "--transplant": args.transplant is not None,
    }
    for option, given in unfit.items():
        if given:
            raise UsageError(
                f"{option} does not go with --protocol.",
                "A protocol sees the whole set once, with all weights of the test net.",
            )


def _images(args: argparse.Namespace, model: Model) -> Images:
    from netspec.evaluate.finding import images_at, open_images

    if args.data:
        return images_at(args.data)
    return open_images(model.cut.source, model.cut.net.file)


def _write(
    args: argparse.Namespace, outcome: Outcome, metrics: Metrics, images: Images
) -> None:
    from netspec.evaluate import files

    if args.per_image:
        files.write_scores(args.per_image, outcome)
    if args.confusion:
        files.write_confusion(args.confusion, outcome, metrics)
    if args.per_class and args.per_class != "-":
        files.write_classes(args.per_class, outcome, metrics)
    if args.worst:
        files.write_worst(args.worst, outcome, metrics, images, _WORST)


def _print(args: argparse.Namespace, outcome: Outcome, metrics: Metrics) -> int:
    from netspec.cli.options import write_json
    from netspec.report.evaluation import classes_text, comparison_text, result_text

    texts = [result_text(outcome, metrics)]
    if args.per_class == "-":
        texts.append(classes_text(outcome, metrics))
    comparison = _compared(args, outcome, metrics)
    if comparison:
        texts.append(comparison_text(comparison))
    if args.json:
        write_json(args.json, as_dict(outcome, metrics))
    if args.json != "-":
        print("\n\n".join(texts))
    return FAILED if comparison and not comparison.holds else 0


def _compared(args: argparse.Namespace, outcome: Outcome, metrics: Metrics) -> Any:
    from netspec.evaluate.paper import TOLERANCE, Comparison, figure_for

    if args.expect is None:
        return None
    figure = figure_for(outcome.conditions, args.expect)
    within = TOLERANCE if args.expect_within is None else args.expect_within
    errors = (metrics.error(1), metrics.error(5))
    return Comparison(figure, errors, outcome.conditions.images, within)


def as_dict(outcome: Outcome, metrics: Metrics) -> dict[str, Any]:
    """Conditions and errors as plain values."""
    return {
        **outcome.conditions.as_dict(),
        **{f"top{k}_error": metrics.error(k) for k in metrics.tops},
        "skipped": list(outcome.skipped),
        "notes": list(outcome.notes),
        "macs": outcome.macs,
        "seconds": outcome.seconds,
    }
