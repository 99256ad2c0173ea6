"""Runs a program written for pycaffe as it is: python -m netspec.pycaffe script.py ...

``import caffe`` in it means netspec.pycaffe. --cpu keeps a program that asks for a GPU
on the CPU; --allow-python lets nets run the Python layers that they name.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from pathlib import Path

from netspec.pycaffe import allow_python, install
from netspec.pycaffe.modes import STAY_ON_CPU


def main() -> None:
    """Read the command line and run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m netspec.pycaffe",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cpu", action="store_true", help="ask for no GPU")
    parser.add_argument("--allow-python", action="store_true", help="run Python layers")
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...")
    args = parser.parse_args()
    if args.cpu:
        os.environ[STAY_ON_CPU] = "1"
    if args.allow_python:
        allow_python()
    install()
    sys.argv = [args.script, *args.arguments]
    sys.path[0] = str(Path(args.script).resolve().parent)
    runpy.run_path(args.script, run_name="__main__")


if __name__ == "__main__":
    main()
