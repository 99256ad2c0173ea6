"""Write the prototxt files of the deep models into models/.

The VGG networks, GoogLeNet and ResNet-50 repeat a few patterns many times: their
files are made from the tables in tools/model_files. The short ones (lenet,
cifar10_quick, alexnet, digits) are written by hand.

    python tools/make_models.py [FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from model_files import googlenet, resnet, vgg

MODELS = Path(__file__).resolve().parent.parent / "models"


def all_files() -> dict[str, str]:
    """File names and texts of every generated file."""
    texts: dict[str, str] = {}
    for network in vgg.NETWORKS:
        texts |= vgg.files(network)
    return texts | googlenet.files() | resnet.files()


def main() -> None:
    """Write every file to the folder given, by default models/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=MODELS)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in all_files().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
