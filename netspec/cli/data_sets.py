"""``netspec data imagenet`` and ``netspec data folder``: databases of image sets."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.errors import DataWarning, UsageError

if TYPE_CHECKING:
    from netspec.data.sets.build import Labelled
    from netspec.data.sets.devkit import Devkit
    from netspec.data.sets.stored import Stored

_LISTED_BAD = 20


def add_imagenet(parser: argparse.ArgumentParser) -> None:
    """Where ILSVRC 2012 is, and where its databases go."""
    add = parser.add_argument
    add("--train", type=Path, metavar="DIR|TAR", help="ILSVRC2012_img_train.tar, or "
        "a folder for each WordNet id")  # fmt: skip
    add("--val", type=Path, metavar="DIR|TAR", help="ILSVRC2012_img_val.tar, or a "
        "folder, flat or sorted")  # fmt: skip
    add("--devkit", type=Path, metavar="DIR|TAR", help="ILSVRC2012_devkit_t12.tar.gz, "
        "Caffe's caffe_ilsvrc12.tar.gz, or Kaggle's two LOC_ files")  # fmt: skip
    add("--output", "-o", type=Path, default=Path("data"), metavar="DIR",
        help="folder of the databases; default: data")  # fmt: skip
    add("--name", default="ilsvrc12", metavar="NAME",
        help="NAME_train_lmdb and NAME_val_lmdb; default: ilsvrc12")  # fmt: skip
    _add_common(parser)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Where images are, a folder for each class, and where their database goes."""
    add = parser.add_argument
    add("source", type=Path, metavar="DIR|TAR", help="a folder for each class in it")
    add("database", type=Path, metavar="DB", help="the LMDB to make")
    add("--inside", default="", metavar="PATH", help="the folder within the archive")
    add("--classes", type=Path, metavar="DB",
        help="take the classes of this database: for the test set")  # fmt: skip
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--on-error", choices=("error", "skip"), default="error", help="at a bad image")
    add("--no-shuffle", action="store_true",
        help="store training images in the order of their paths")  # fmt: skip
    add("--seed", type=int, default=0, metavar="N", help="of the order; default 0")
    add("--dry-run", action="store_true",
        help="look at a few images and say what would be written")  # fmt: skip
    add("--force", action="store_true", help="replace a database that is there")
    add("--workers", type=int, default=0, metavar="N", help="threads; default: cores")


def run_imagenet(args: argparse.Namespace) -> int:
    """Make the databases that are asked for, one after the other."""
    from netspec.data.sets.devkit import read_devkit

    if not (args.train or args.val):
        raise UsageError("there is nothing to do.", "Give --train, --val or both.")
    devkit = read_devkit(args.devkit) if args.devkit else None
    if not args.dry_run:
        args.output.mkdir(parents=True, exist_ok=True)
    for what, wanted in _sets(args, devkit):
        _store(args, wanted, args.output / f"{args.name}_{what}_lmdb", what)
    return 0


def _sets(
    args: argparse.Namespace, devkit: Devkit | None
) -> list[tuple[str, Labelled]]:
    """All sets are looked through before the first is written."""
    from netspec.data.sets.labelling import imagenet_training, imagenet_validation
    from netspec.data.sets.listing import open_set

    found: list[tuple[str, Labelled]] = []
    if args.train:
        training = imagenet_training(open_set(args.train), devkit)
        found.append(("train", _ordered(args, training)))
    if args.val:
        classes = found[0][1].classes if found else ()
        images = open_set(args.val)
        found.append(("val", imagenet_validation(images, devkit, classes)))
    return found


def run_folder(args: argparse.Namespace) -> int:
    """Make a database of a folder or archive."""
    from netspec.data.classes import read_classes_of
    from netspec.data.sets.labelling import by_folder, nested
    from netspec.data.sets.listing import open_set

    classes = None
    if args.classes:
        classes = read_classes_of(args.classes)
        if classes is None:
            raise UsageError(
                f"database '{args.classes}' has no classes.txt.",
                "Name a database that netspec data folder made.",
            )
    images = open_set(args.source, args.inside)
    wanted = by_folder(images, classes)
    if deeper := nested(images):
        first, _, rest = deeper.partition("/")
        warnings.warn(
            f"the images lie deeper, as in '{deeper}', which is of class {first!r}. "
            f"If {rest!r} is the class, --inside names the folder above it.",
            DataWarning,
            stacklevel=1,
        )
    _store(args, _ordered(args, wanted), args.database, "folder")
    return 0


def _ordered(args: argparse.Namespace, wanted: Labelled) -> Labelled:
    return wanted if args.no_shuffle else wanted.shuffled(args.seed)


def _store(args: argparse.Namespace, wanted: Labelled, target: Path, what: str) -> None:
    from netspec.cli.progress import progress
    from netspec.data.sets.build import Terms, finished, store

    classes, others = len(wanted.classes), wanted.images.passed_by
    print(f"{target}: {len(wanted.items):,} images of {classes:,} classes")
    if others:
        print(f"  other files, passed by: {others:,}")
    if args.dry_run:
        _try(wanted)
    elif finished(wanted, target) and not args.force:
        print("  it is there already, whole")
    else:
        with progress(what) as tell:
            skips = args.on_error == "skip"
            terms = Terms(skips, args.force, args.workers, tell)
            print_stored(store(wanted, target, terms))


def _try(wanted: Labelled) -> None:
    """Read and decode a few images from all over the set."""
    from netspec.data.sets.build import mean_pixel
    from netspec.data.statistics import evenly

    for number in evenly(len(wanted.items), 10):
        item = wanted.items[number]
        mean_pixel(wanted.images.read(item))
        words = wanted.classes[wanted.labels[number]]
        print(f"  {item.path}: label {wanted.labels[number]}, {words}")


def print_stored(stored: Stored) -> None:
    """How many records of which classes, the mean pixel, and what was left out."""
    from netspec.cli.data import classes_text

    if stored.resumed:
        print(f"  went on after {stored.resumed:,} images of an earlier run")
    print(f"{stored.count:,} records")
    print(classes_text(stored.labels))
    for value in stored.mean_pixel:
        print(f"mean_value: {value:.6g}")
    for fault in stored.faults[:_LISTED_BAD]:
        print(f"left out: {fault}")
    if stored.skipped:
        print(f"left out {stored.skipped:,} bad images")
