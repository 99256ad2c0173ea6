"""Write the databases of the digits model from scikit-learn's handwritten digits.

    pip install scikit-learn
    python tools/make_digits.py [FOLDER]

The pictures are the test set of "Optical Recognition of Handwritten Digits" (Alpaydin
and Kaynak, UCI Machine Learning Repository, 1998, CC BY 4.0): 1,797 of 8 x 8 pixels,
0 (paper) to 16 (ink). scikit-learn carries a copy. They are shuffled with a fixed seed;
the first 1,437 become models/digits_train_lmdb, the other 360 models/digits_test_lmdb.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import lmdb
import numpy as np

from netspec.proto import Datum

MODELS = Path(__file__).resolve().parent.parent / "models"
SEED = 0
TRAINING_IMAGES = 1437
MAP_SIZE = 1 << 24

Record = tuple[bytes, bytes]


def records() -> dict[str, list[Record]]:
    """Keys and serialized Datum of each split, in the order they are stored."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images.astype(np.uint8)
    # RandomState's stream is frozen: every NumPy gives this order.
    order = np.random.RandomState(SEED).permutation(len(images))
    splits = {"train": order[:TRAINING_IMAGES], "test": order[TRAINING_IMAGES:]}
    return {
        split: [
            (_key(place, index), _datum(images[index], int(digits.target[index])))
            for place, index in enumerate(indices)
        ]
        for split, indices in splits.items()
    }


def _key(place: int, index: int) -> bytes:
    """As convert_imageset writes keys: the place in the list, then the name."""
    return f"{place:08d}_digit_{index:04d}".encode()


def _datum(image: np.ndarray, label: int) -> bytes:
    height, width = image.shape
    datum = Datum(
        channels=1, height=height, width=width, data=image.tobytes(), label=label
    )
    return datum.SerializeToString(deterministic=True)


def write_database(folder: Path, content: list[Record]) -> None:
    """A compact LMDB: data.mdb alone, without the pages a growing map leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        grown, compact = Path(draft, "grown"), Path(draft, "compact")
        compact.mkdir()
        with lmdb.open(str(grown), map_size=MAP_SIZE) as environment:
            with environment.begin(write=True) as transaction:
                for key, value in content:
                    transaction.put(key, value, append=True)
            environment.copy(str(compact), compact=True)
        shutil.move(compact / "data.mdb", folder / "data.mdb")


def main() -> None:
    """Write both databases to the folder given, by default models/."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=MODELS)
    folder = parser.parse_args().folder
    for split, content in records().items():
        write_database(folder / f"digits_{split}_lmdb", content)


if __name__ == "__main__":
    main()
