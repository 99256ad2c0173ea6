"""The classes of a database: a text file beside its records.

``classes.txt`` has a line a class in the order of labels, as Caffe's
``synset_words.txt``: a word that is the class's own name (for ImageNet its WordNet id,
which sorts into the order of labels), and perhaps a space and how it is called. Caffe
and other readers of LMDB pass such a file by.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from netspec.data.mdb import database_file
from netspec.errors import DataError, Place

FILE = "classes.txt"
_LARGEST = 1 << 24  # bytes of such a file


class ImageClass(NamedTuple):
    """A class: its own name, and how it is called; that may be empty."""

    name: str
    words: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.words}".strip()


def classes_file(database: Path) -> Path:
    """Where the classes of a database stand, if they do."""
    return database_file(database).parent / FILE


def read_classes_of(database: Path) -> tuple[ImageClass, ...] | None:
    """The classes of a database, by label; None where nobody wrote them down.

    Raises:
        DataError: the file is damaged.
    """
    path = classes_file(database)
    if not path.is_file():
        return None
    data = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
    lines = data.decode("utf-8", "replace").splitlines()
    if not lines or not all(line.strip() for line in lines):
        raise DataError(
            "it is no list of classes.",
            "Write a class a line, or remove the file.",
            place=Place(str(path)),
        )
    found = (line.strip().partition(" ") for line in lines)
    return tuple(ImageClass(name, words) for name, _, words in found)


def classes_text(classes: Sequence[ImageClass]) -> str:
    """What the file holds."""
    return "".join(" ".join(str(each).split()) + "\n" for each in classes)
