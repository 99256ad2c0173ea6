"""Write features: the values of any blobs of a net, one row a picture with its name.

netspec extract photos/ --weights w.caffemodel --model models/vgg16_deploy.prototxt \\
    --preprocess caffe-vgg --blob fc7 -o features.npz
netspec extract --weights w.caffemodel --model train_val.prototxt --blob pool5,fc6 \\
    -o features.h5

Without pictures, those of the net's TEST data layer are taken, with their labels. Of
each picture the centre crop is seen.
"""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Pictures, the net, preparation, blobs, and the file."""
    from netspec.cli.options import add_state
    from netspec.cli.picture_options import add_nets, add_pass, add_preprocess

    add = parser.add_argument
    add("images", nargs="*", metavar="IMAGE", help="image files, or folders of them")
    add(
        "--blob",
        required=True,
        action="append",
        metavar="NAME",
        help="may be repeated, or a comma-separated list",
    )
    add("-o", "--output", required=True, metavar="FILE", help=".npz or .h5")
    add("--data", metavar="PATH", help="a database, or a list of images and labels")
    add("--batches", type=int, metavar="N",
        help="instead run N batches of the net's own data, and write an LMDB of Datum "
        "for each blob: -o DB[,DB]")  # fmt: skip
    add_nets(parser)
    add_preprocess(parser)
    add_pass(parser)
    add_state(parser, "test")


def run(args: argparse.Namespace) -> int:
    """Compute and write."""
    from netspec.cli.picturing import adjusted, net_files, options
    from netspec.cli.progress import progress
    from netspec.errors import UsageError
    from netspec.evaluate.extract import Extractor
    from netspec.evaluate.features import feature_file
    from netspec.report.evaluation import skipped_lines

    if len(args.weights) > 1:
        raise UsageError(
            "features are of one net, and several --weights are given.", "Give one."
        )
    ((net, weights, preprocess),) = net_files(args)
    blobs = [name for given in args.blob for name in given.split(",") if name]
    if args.batches is not None:
        return _write_batches(args, net, weights, blobs)
    extractor = Extractor(
        net, weights, blobs, preprocess, adjusted(args), **options(args)
    )
    print(extractor.runner.report.summary(), file=sys.stderr)
    print(f"{weights}: {extractor.preprocess}", file=sys.stderr)
    images = _images(args, extractor)
    with (
        progress("extract") as tell,
        feature_file(args.output, extractor.shapes) as take,
    ):
        skipped = extractor.run(images, take, args.on_error, tell)
    for line in skipped_lines(skipped):
        print(line, file=sys.stderr)
    print(_summary(args.output, len(images) - len(skipped), extractor.shapes))
    return 0


def _write_batches(args, net, weights, blobs) -> int:  # type: ignore[no-untyped-def]
    """What Caffe's extract_features does."""
    from pathlib import Path

    from netspec.cli.device_options import one_device
    from netspec.cli.options import stages
    from netspec.errors import UsageError
    from netspec.evaluate.batch_features import write_batch_features
    from netspec.spec import Located, read_net

    paths = [Path(path) for path in args.output.split(",")]
    if args.batches < 1:
        raise UsageError("--batches must be at least 1.")
    if args.images or args.data:
        raise UsageError("--batches takes the net's own data.", "Name no other.")
    if len(paths) != len(blobs):
        raise UsageError(
            f"{len(blobs)} blobs go to {len(paths)} databases.",
            "Name a database for each blob, with commas between.",
        )
    spec = net if isinstance(net, Located) else read_net(net)
    targets = dict(zip(blobs, paths))
    state = (args.level, stages(args), one_device(args))
    seen = write_batch_features(spec, weights, targets, args.batches, *state)
    for name, path in targets.items():
        print(f"{path}: {name} of {seen:,} images")
    return 0


def _images(args: argparse.Namespace, extractor):  # type: ignore[no-untyped-def]
    from netspec.errors import UsageError
    from netspec.evaluate.finding import image_files, images_at, open_images
    from netspec.evaluate.images import Files

    if args.images and args.data:
        raise UsageError("both images and --data are given.", "Give one of them.")
    if args.images:
        return Files(image_files(args.images))
    if args.data:
        return images_at(args.data)
    return open_images(extractor.cut.source, extractor.cut.net.file)


def _summary(path: str, rows: int, shapes: dict[str, tuple[int, ...]]) -> str:
    from netspec.shapes import describe

    arrays = ", ".join(f"{name} {describe((rows, *s))}" for name, s in shapes.items())
    return f"{path}: {arrays}, with names"
