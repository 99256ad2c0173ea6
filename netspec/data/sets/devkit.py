"""Classes and validation labels of ILSVRC 2012, in the forms that they are handed out.

The devkit numbers classes from 1 in an order of its own (``ILSVRC2012_ID``); Caffe's
models number them from 0 in the order of their WordNet ids. To take one for the other
is the classic way to an accuracy of nothing; here labels are always Caffe's.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from netspec.data.classes import ImageClass
from netspec.data.sets.matlab import read_structs
from netspec.data.sets.tar import members
from netspec.errors import DataError

WNID = re.compile(r"n\d{8}\Z")
_IMAGE_NUMBER = re.compile(r"_(\d{8})(?:\.|\Z)")

_META, _TRUTH = "meta.mat", "ILSVRC2012_validation_ground_truth.txt"
_WORDS, _VAL = "synset_words.txt", "val.txt"
_MAPPING, _SOLUTION = "LOC_synset_mapping.txt", "LOC_val_solution.csv"
_NAMES = {_META, _TRUTH, _WORDS, _VAL, _MAPPING, _SOLUTION}
_LARGEST, _LARGEST_KIT = 1 << 24, 1 << 26  # bytes of a file, and of an archive
_DEEPEST = 4  # folders below the one that is named
_HOW = (
    f"Name the devkit's folder or archive ({_META} and {_TRUTH}), Caffe's auxiliary "
    f"files ({_WORDS} and {_VAL}) or Kaggle's ({_MAPPING} and {_SOLUTION})."
)

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Devkit:
    """What a devkit tells.

    Attributes:
        classes: by label: in the order of their WordNet ids.
        labels: of validation images, by number or by name without its ending.
    """

    classes: tuple[ImageClass, ...]
    labels: Mapping[int | str, int]

    def label(self, name: str) -> int | None:
        """The label of a validation image by its file name; None: it has none."""
        stem = name.rpartition(".")[0] or name
        number = _IMAGE_NUMBER.search(name)
        found = self.labels.get(stem)
        return self.labels.get(int(number[1])) if found is None and number else found


def read_devkit(path: Path) -> Devkit:
    """Read a folder or a tar archive, compressed or not.

    Raises:
        DataError: not there, damaged, or without the files that are known.
    """
    files = dict(_files(path))
    for needed, read in _FORMS:
        if needed <= files.keys():
            try:
                return read(files)
            except DataError as error:
                text = f"devkit '{path}': {error.problem}"
                raise DataError(text, error.remedy) from None
    found = f"only {', '.join(sorted(files))}" if files else "none of the known files"
    raise DataError(f"devkit '{path}' has {found}.", _HOW)


# Where the files are --------------------------------------------------------------


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        yield from _in_folder(path)
    elif path.is_file():
        yield from _in_archive(path)
    else:
        raise DataError(f"there is no devkit '{path}'.", _HOW)


def _in_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for where, folders, names in os.walk(path):
        if len(Path(where).relative_to(path).parts) >= _DEEPEST:
            folders.clear()
        for name in sorted(_NAMES & set(names)):
            file = Path(where, name)
            if file.is_file():
                _check_size(name, file.stat().st_size)
                yield name, file.read_bytes()


def _in_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    data = _unpacked(path)
    read: Callable[[int, int], bytes] = lambda at, size: data[at : at + size]  # noqa: E731
    for member in members(read, 0, len(data), str(path)):
        name = member.name.rpartition("/")[2]
        if name in _NAMES and not member.unfit:
            _check_size(name, member.size)
            yield name, read(member.start, member.size)


def _unpacked(path: Path) -> bytes:
    """The bytes of a tar archive, decompressed up to a bound."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            data: bytes = file.read(_LARGEST_KIT + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"devkit '{path}' cannot be read: {error}.", _HOW) from None
    if len(data) > _LARGEST_KIT:
        raise DataError(
            f"devkit '{path}' holds more than {_LARGEST_KIT:,} bytes.", _HOW
        )
    return data


def _check_size(name: str, size: int) -> None:
    if size > _LARGEST:
        raise DataError(f"{name} has {size:,} bytes, more than {_LARGEST:,}.", _HOW)


# What they say --------------------------------------------------------------------


def _official(files: Files) -> Devkit:
    """meta.mat tells the WordNet id of each ILSVRC2012_ID; leaves are the classes."""
    leaves: dict[int, ImageClass] = {}
    for fields in read_structs(files[_META], "synsets"):
        number, children = fields.get("ILSVRC2012_ID"), fields.get("num_children")
        wnid, words = fields.get("WNID"), fields.get("words")
        if not (isinstance(number, list) and number and isinstance(wnid, str)):
            raise DataError(f"{_META} has a class without number or id.", _HOW)
        if not (isinstance(children, list) and any(children)):
            text = words if isinstance(words, str) else ""
            leaves[int(number[0])] = ImageClass(wnid, text)
    classes = _in_order(leaves.values())
    label = {each.name: i for i, each in enumerate(classes)}
    labels: dict[int | str, int] = {}
    for line, word in enumerate(_lines(files[_TRUTH]), 1):
        if not word.isdigit() or int(word[:9]) not in leaves:
            raise DataError(f"{_TRUTH}:{line} says '{word[:20]}', no class.", _HOW)
        labels[line] = label[leaves[int(word)].name]
    return Devkit(classes, labels)


def _caffes(files: Files) -> Devkit:
    """val.txt has a file and the number of a line of synset_words.txt a line."""
    listed = [*_words(files, _WORDS)]
    classes = _in_order(listed)
    label = {each: i for i, each in enumerate(classes)}
    labels: dict[int | str, int] = {}
    for number, line in enumerate(_lines(files[_VAL]), 1):
        name, _, at = line.rpartition(" ")
        if not at.isdigit() or int(at[:9]) >= len(listed):
            raise DataError(f"{_VAL}:{number} says '{at[:20]}', no label.", _HOW)
        stem = name.strip().rpartition("/")[2].rpartition(".")[0]
        labels[stem] = label[listed[int(at)]]
    return Devkit(classes, labels)


def _kaggles(files: Files) -> Devkit:
    """LOC_val_solution.csv has an image, a comma, and a WordNet id first of all."""
    classes = _in_order(_words(files, _MAPPING))
    label = {each.name: i for i, each in enumerate(classes)}
    labels: dict[int | str, int] = {}
    for number, line in enumerate(_lines(files[_SOLUTION])[1:], 2):
        name, _, rest = line.partition(",")
        wnid = rest.split(" ", 1)[0]
        if wnid not in label:
            raise DataError(f"{_SOLUTION}:{number} says '{wnid[:20]}', no class.", _HOW)
        labels[name] = label[wnid]
    return Devkit(classes, labels)


_FORMS: tuple[tuple[set[str], Callable[[Files], Devkit]], ...] = (
    ({_META, _TRUTH}, _official),
    ({_WORDS, _VAL}, _caffes),
    ({_MAPPING, _SOLUTION}, _kaggles),
)


def _words(files: Files, name: str) -> Iterator[ImageClass]:
    for line in _lines(files[name]):
        wnid, _, words = line.partition(" ")
        yield ImageClass(wnid, words.strip())


def _in_order(classes: Iterable[ImageClass]) -> tuple[ImageClass, ...]:
    found = tuple(sorted(classes))
    if not found or len({each.name for each in found}) < len(found):
        raise DataError("its classes are none, or one of them twice.", _HOW)
    bad = next((each.name for each in found if not WNID.match(each.name)), None)
    if bad is not None:
        raise DataError(f"'{bad[:20]}' is no WordNet id.", _HOW)
    return found


def _lines(data: bytes) -> list[str]:
    text = data.decode("utf-8-sig", "replace")
    return [line.strip() for line in text.splitlines() if line.strip()]
