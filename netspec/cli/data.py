"""Create, inspect, verify and show databases of images.

netspec data create images/ list.txt train_lmdb --resize-width 64 --resize-height 64
netspec data folder photos/ train_lmdb                   a folder for each class
netspec data imagenet --train ILSVRC2012_img_train.tar --val ILSVRC2012_img_val.tar \\
    --devkit ILSVRC2012_devkit_t12.tar.gz
netspec data create --mnist train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz DB
netspec data mean train_lmdb            prints the mean pixel, as mean_value lines
netspec data mean train_lmdb -o mean.binaryproto         and writes the mean image
netspec data info train_lmdb
netspec data verify train_lmdb          exit code 4 where a record is bad
netspec data show train_lmdb -o sheet.png
netspec data preview solver.prototxt -o sheet.png       what the net will see
netspec data resize photos/ small/ --side 256           and cropped to a square
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.cli import data_preview, data_resize, data_sets
from netspec.shapes import describe

if TYPE_CHECKING:
    from netspec.data.conversion import Conversion
    from netspec.data.create import Created

BAD_DATA = 4
_LISTED_CLASSES = 20  # more are summed up
_LISTED_BAD = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The commands about data, and what each takes."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _create_arguments(commands.add_parser("create", help="make an LMDB of images"))
    data_sets.add_imagenet(
        commands.add_parser("imagenet", help="make the LMDBs of ILSVRC 2012")
    )
    data_sets.add_folder(
        commands.add_parser("folder", help="make an LMDB of a folder for each class")
    )
    mean = commands.add_parser("mean", help="compute the mean pixel or mean image")
    mean.add_argument("database", type=Path, metavar="DB")
    _mean_arguments(mean)
    info = commands.add_parser("info", help="count records, shapes and classes")
    info.add_argument("database", type=Path, metavar="DB")
    verify = commands.add_parser("verify", help="decode every record, list bad ones")
    verify.add_argument("database", type=Path, metavar="DB")
    for command in (mean, verify):
        _add_workers(command)
    _show_arguments(commands.add_parser("show", help="draw a contact sheet"))
    data_preview.add_arguments(
        commands.add_parser("preview", help="draw what a net will see")
    )
    data_resize.add_arguments(
        commands.add_parser("resize", help="copy image files at one size")
    )


def _mean_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-o", "--output", type=Path, metavar="FILE", help="write the mean image")
    add("--pca", action="store_true", help="principal axes, for color_shift_axis")
    add("--gray", action="store_true", help="decode image files to one channel")
    add("--images", type=int, default=0, metavar="N",
        help="look at so many, evenly spread; default: all")  # fmt: skip


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("root", metavar="ROOT", help="folder of the images")
    add("list", type=Path, metavar="LIST", help="file with a path and a label a line")
    add("database", type=Path, metavar="DB", help="the LMDB to make")
    add("--mnist", action="store_true", help="ROOT and LIST are MNIST's two files")
    for side in ("width", "height"):
        add(
            f"--resize-{side}",
            f"--resize_{side}",
            f"-resize_{side}",
            dest=side,
            type=int,
            default=0,
            metavar="PIXELS",
        )
    add("--gray", "-gray", action="store_true", help="one channel instead of three")
    add(
        "--rgb",
        action="store_true",
        help="red first; Caffe: blue first",
    )
    add("--encoded", "-encoded", action="store_true", help="store image files")
    add(
        "--encode-type",
        "--encode_type",
        "-encode_type",
        choices=("jpg", "jpeg", "png", "bmp"),
        default="",
        help="store files of this kind",
    )
    add("--shuffle", "-shuffle", action="store_true", help="in random order")
    add("--seed", type=int, default=0, metavar="N", help="of the order; default 0")
    add("--check-size", "--check_size", "-check_size", action="store_true")
    add("--backend", "-backend", default="lmdb", metavar="lmdb")
    add("--on-error", choices=("error", "skip"), default="error", help="at a bad image")
    add("--force", action="store_true", help="replace a database that is there")
    _add_workers(parser)


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="threads; default: cores"
    )


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("database", type=Path, metavar="DB")
    add("-o", "--output", type=Path, metavar="PNG", required=True)
    add("--first", type=int, default=0, metavar="N", help="number of the first record")
    add("--count", type=int, default=64, metavar="N", help="records; default 64")
    add("--columns", type=int, default=8, metavar="N")
    add("--side", type=int, default=96, metavar="PIXELS", help="of a picture")


def run(args: argparse.Namespace) -> int:
    """Run one of the commands about data."""
    return ACTIONS[args.action](args)


def create(args: argparse.Namespace) -> int:
    """Make a database and print what is in it."""
    from netspec.cli.progress import progress
    from netspec.data.create import Policy, create_from_idx, create_from_list

    _check_backend(args.backend)
    conversion = _conversion(args)
    with progress("create") as tell:
        policy = Policy(
            args.force, args.on_error == "skip", args.check_size, args.workers, tell
        )
        if args.mnist:
            made = create_from_idx(Path(args.root), args.list, args.database, policy)
        else:
            seed = args.seed if args.shuffle else None
            made = create_from_list(
                args.root, args.list, args.database, conversion, policy, seed
            )
    _print_created(args.database, made)
    return 0


def _check_backend(name: str) -> None:
    from netspec.errors import UsageError

    if name.lower() != "lmdb":
        raise UsageError(f"cannot write a {name} database.", "Choose lmdb.")


def _conversion(args: argparse.Namespace) -> Conversion:
    from netspec.data.conversion import Conversion
    from netspec.errors import UsageError

    if (args.height > 0) != (args.width > 0) or min(args.height, args.width) < 0:
        raise UsageError(
            f"cannot resize to width {args.width} and height {args.height}.",
            "Give both in pixels, or neither.",
        )
    size = (args.height, args.width) if args.height else None
    encodes = args.encoded or args.encode_type
    if args.rgb and (args.gray or encodes):
        raise UsageError(
            "--rgb is about the order of stored colour pixels; "
            + ("encoded files have their own." if encodes else "--gray leaves one."),
            "Leave one of the two out.",
        )
    return Conversion(size, args.gray, args.encoded, args.encode_type, args.rgb)


def mean(args: argparse.Namespace) -> int:
    """Compute a mean image, write it, and print the mean of each channel; or only
    print the mean pixel, with the axes of its colours."""
    if args.output and (args.pca or args.gray or args.images):
        from netspec.errors import UsageError

        raise UsageError(
            "a mean image takes every record as it is.",
            "Leave --output out, or --pca, --gray and --images.",
        )
    return _write_mean(args) if args.output else _print_colours(args)


def _write_mean(args: argparse.Namespace) -> int:
    from netspec.cli.progress import progress
    from netspec.data.database import Database
    from netspec.data.mean import mean_image, write_mean

    with progress("mean") as tell:
        image = mean_image(Database(args.database), args.workers, tell)
    write_mean(args.output, image)
    print(f"{args.output}: {describe(image.shape)}")
    for channel in image:
        print(f"mean_value: {channel.mean(dtype='f8'):.6g}")
    return 0


def _print_colours(args: argparse.Namespace) -> int:
    from netspec.cli.progress import progress
    from netspec.data.database import Database
    from netspec.data.decode import Channels
    from netspec.data.statistics import colour_sums, evenly

    channels = Channels.GRAY if args.gray else Channels.COLOR
    database = Database(args.database, channels)
    records = evenly(len(database), args.images)
    with progress("mean") as tell:
        sums = colour_sums(database, records, args.workers, tell)
    for value in sums.mean:
        print(f"mean_value: {value:.6g}")
    if args.pca:
        for value in sums.axes.ravel():
            print(f"color_shift_axis: {value:.6g}")
    return 0


def info(args: argparse.Namespace) -> int:
    """Print what a database holds."""
    from netspec.cli.progress import progress
    from netspec.data.database import Database
    from netspec.data.inspect import contents

    with progress("info") as tell:
        found = contents(Database(args.database), tell)
    kinds = ", ".join(f"{n:,} of {kind}" for kind, n in found.kinds.most_common())
    print(f"{args.database}: {found.count:,} records, {found.file_size:,} bytes")
    print(f"first record: '{found.first_key}', {describe(found.first_shape)}")
    print(f"records: {kinds}")
    _print_shapes(found.shapes)
    print(classes_text(found.labels))
    _print_names(args.database)
    return 0


def _print_names(database: Path) -> None:
    """The classes that stand beside the records, if they do."""
    from netspec.data.classes import classes_file, read_classes_of
    from netspec.data.preprocess import class_hash

    classes = read_classes_of(database)
    if classes:
        names = [str(each) for each in classes]
        print(f"{classes_file(database)}: {len(names):,} classes, from '{names[0]}' to "
              f"'{names[-1]}', order {class_hash(names)}")  # fmt: skip


def verify(args: argparse.Namespace) -> int:
    """Decode every record, and print what is wrong with those that are bad."""
    from netspec.cli.progress import progress
    from netspec.data.database import Database
    from netspec.data.inspect import verify

    database = Database(args.database)
    bad = 0
    with progress("verify") as tell:
        for problem in verify(database, args.workers, tell):
            print(problem)
            bad += 1
    print(f"{args.database}: {len(database):,} records, {bad:,} bad")
    return BAD_DATA if bad else 0


def show(args: argparse.Namespace) -> int:
    """Draw a contact sheet of some records."""
    from netspec.data.database import Database
    from netspec.data.sheet import Tile, contact_sheet, write_sheet
    from netspec.errors import UsageError

    database = Database(args.database)
    last = min(args.first + args.count, len(database))
    if not 0 <= args.first < last or min(args.columns, args.side) < 1:
        raise UsageError(
            f"cannot show {args.count} records from number {args.first} in "
            f"{args.columns} columns of {args.side} pixels.",
            f"'{args.database}' has records 0 to {len(database) - 1}.",
        )
    records = (database.record(i) for i in range(args.first, last))
    tiles = [Tile(picture, str(label)) for picture, label in records]
    write_sheet(args.output, contact_sheet(tiles, args.columns, args.side))
    print(f"{args.output}: records {args.first} to {last - 1} with their labels")
    return 0


def _print_created(path: Path, made: Created) -> None:
    print(f"{path}: {made.count:,} records")
    _print_shapes(made.shapes)
    print(classes_text(made.labels))
    for problem in made.skipped[:_LISTED_BAD]:
        print(f"skipped: {problem}")
    if made.skipped:
        print(f"skipped {len(made.skipped):,} bad images")


def _print_shapes(shapes: Counter[tuple[int, ...]]) -> None:
    common = [f"{describe(shape)} ({n:,})" for shape, n in shapes.most_common(5)]
    if len(shapes) > 5:
        common.append(f"and {len(shapes) - 5} others")
    if common:
        print(f"shapes: {', '.join(common)}")
    if len(shapes) > 1:
        print("note: pictures of different shapes need crop_size, or a batch_size of 1")


def classes_text(labels: Counter[int]) -> str:
    """How many records each class has: in full, or for many classes in short."""
    head = f"{len(labels):,} classes, labels {min(labels)} to {max(labels)}"
    if len(labels) > _LISTED_CLASSES:
        least, most = min(labels.values()), max(labels.values())
        return f"{head}, {least:,} to {most:,} records each"
    longest = max(labels.values())
    rows = [
        f"  {label:>4} {n:>9,} {'#' * round(40 * n / longest)}"
        for label, n in sorted(labels.items())
    ]
    return "\n".join([head, *rows])


ACTIONS = {
    "create": create,
    "imagenet": data_sets.run_imagenet,
    "folder": data_sets.run_folder,
    "mean": mean,
    "info": info,
    "verify": verify,
    "show": show,
    "preview": data_preview.run,
    "resize": data_resize.run,
}
