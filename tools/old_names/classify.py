#!/usr/bin/env python3
"""Caffe's classify.py: scores of images as pycaffe's Classifier gives them, as .npy.

``netspec classify`` prepares images as their net was trained, and prints names.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from netspec.cli.transform_options import add_transform, transform_of
from netspec.errors import NetspecError, UsageError
from netspec.files import replacing
from netspec.pycaffe import Classifier, io


def images(source: Path, ending: str) -> list[np.ndarray]:
    """The images of a file, of an array in .npy, or of a folder."""
    if source.is_dir():
        found = sorted(source.glob(f"*.{ending}"))
        if not found:
            raise UsageError(f"folder '{source}' has no *.{ending}.", "Give --ext.")
        return [io.load_image(path) for path in found]
    if source.suffix == ".npy":
        return list(np.load(source, allow_pickle=False))
    return [io.load_image(source)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input_file", type=Path)
    parser.add_argument("output_file", type=Path)
    add_transform(parser)
    parser.add_argument("--center_only", action="store_true")
    parser.add_argument("--images_dim", default="256,256", metavar="H,W")
    parser.add_argument("--ext", default="jpg")
    args = parser.parse_args()
    size = [int(side) for side in args.images_dim.split(",")]
    try:
        net = Classifier(args.model, args.weights, size, **transform_of(args))
        scores = net.predict(images(args.input_file, args.ext), not args.center_only)
        with replacing(args.output_file) as path, path.open("wb") as file:
            np.save(file, scores)
    except NetspecError as error:
        print(f"classify.py: {error}", file=sys.stderr)
        return error.exit_code
    print(f"wrote {args.output_file}: {len(scores)} images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
