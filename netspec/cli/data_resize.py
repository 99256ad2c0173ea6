"""``netspec data resize``: copies of images at one size."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which images, where to, and the size."""
    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE",
        help="folder of images, or a text file with a path a line")  # fmt: skip
    add("folder", type=Path, metavar="FOLDER", help="for the copies, which is made")
    add("--side", type=int, default=256, metavar="PIXELS", help="default 256")
    add("--no-crop", action="store_true",
        help="keep the whole picture, its shorter side of that length")  # fmt: skip
    add("--on-error", choices=("error", "skip"), default="error", help="at a bad image")
    add("--workers", type=int, default=0, metavar="N", help="threads; default: cores")


def run(args: argparse.Namespace) -> int:
    """Make the copies."""
    from netspec.cli.progress import progress
    from netspec.data.resize_files import Resizing, resize_files
    from netspec.errors import UsageError

    if args.side < 1:
        raise UsageError(f"--side is {args.side}.", "Give at least 1 pixel.")
    pairs = _pairs(args.source, args.folder)
    resizing = Resizing(args.side, not args.no_crop)
    skip = args.on_error == "skip"
    with progress("resize") as tell:
        bad = list(resize_files(pairs, resizing, skip, args.workers, tell))
    for error in bad:
        print(f"skipped: {error.place}: {error.problem}", file=sys.stderr)
    print(f"{args.folder}: {len(pairs) - len(bad):,} images")
    return 0


def _pairs(source: Path, folder: Path) -> list[tuple[Path, Path]]:
    """Images and their copies: under their paths in a folder, else by their names."""
    from netspec.errors import DataError, UsageError
    from netspec.evaluate.finding import image_files

    if source.is_dir():
        found = image_files([str(source)])
        return [(path, folder / path.relative_to(source)) for path in found]
    try:
        lines = source.read_text(errors="surrogateescape").splitlines()
    except OSError as error:
        problem = f"cannot read '{source}': {error.strerror}."
        raise DataError(problem, "Name a folder, or a list of images.") from None
    found = [Path(line.strip()) for line in lines if line.strip()]
    pairs = [(path, folder / path.name) for path in found]
    if len({target for _, target in pairs}) < len(pairs):
        raise UsageError(
            f"list '{source}' has several images of one name.",
            "Give the folder that they are in: their paths in it are kept.",
        )
    return pairs
