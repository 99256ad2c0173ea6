"""The list of classes beside a database."""

from __future__ import annotations

import pytest

from netspec.data.classes import ImageClass, classes_file, classes_text, read_classes_of
from netspec.errors import DataError
from tests.data.making import pictures, pictures_lmdb

CLASSES = (ImageClass("n01440764", "tench, Tinca tinca"), ImageClass("dog"))


def test_written_and_read(tmp_path):
    path = pictures_lmdb(tmp_path / "db", pictures(1, (1, 4, 5)))
    assert read_classes_of(path) is None
    classes_file(path).write_text(classes_text(CLASSES))
    assert classes_file(path).read_text() == "n01440764 tench, Tinca tinca\ndog\n"
    assert read_classes_of(path) == CLASSES
    assert read_classes_of(path / "data.mdb") == CLASSES


def test_a_class_is_one_line_whatever_its_words():
    assert classes_text([ImageClass("a", " x\n\ty ")]) == "a x y\n"


@pytest.mark.parametrize("text", ["", "a\n\nb\n"])
def test_damaged(tmp_path, text):
    path = pictures_lmdb(tmp_path / "db", pictures(1, (1, 4, 5)))
    classes_file(path).write_text(text)
    with pytest.raises(DataError) as raised:
        read_classes_of(path)
    assert str(raised.value) == (
        f"{path / 'classes.txt'}: it is no list of classes.\n"
        "  Write a class a line, or remove the file."
    )
