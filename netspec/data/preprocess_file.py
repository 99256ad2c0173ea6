"""Files of preprocessing: beside weights, and alone; and of class names."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from netspec.data.preprocess import Preprocess
from netspec.data.preprocess_json import WHOLE, parse_preprocess, to_json
from netspec.errors import DataError, Place
from netspec.files import replacing

SUFFIX = ".preprocess.json"
_LARGEST = 64 << 20  # bytes: a mean image of 2048 x 2048 in colour


def sidecar_path(path: str | PathLike[str]) -> Path:
    """The file that travels beside a weights or net file.

    ``vgg_iter_9.caffemodel`` and ``vgg_iter_9.caffemodel.h5`` have
    ``vgg_iter_9.preprocess.json``.
    """
    path = Path(path)
    stem = path.stem.removesuffix(".caffemodel")
    return path.with_name(stem + SUFFIX)


def read_sidecar(path: str | PathLike[str]) -> Preprocess | None:
    """What stands beside a weights or net file; None where nothing does."""
    beside = sidecar_path(path)
    return read_preprocess(beside) if beside.exists() else None


def write_sidecar(path: str | PathLike[str], preprocess: Preprocess) -> Path:
    """Write it beside a weights or net file; returns where."""
    beside = sidecar_path(path)
    write_preprocess(beside, preprocess)
    return beside


def read_preprocess(path: str | PathLike[str]) -> Preprocess:
    """Read a file.

    Raises:
        DataError: missing, damaged, or with a key or value that has no meaning.
    """
    path, place = Path(path), Place(str(path))
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(
                f"it has {path.stat().st_size:,} bytes.",
                f"A preprocessing has at most {_LARGEST:,}.",
                place=place,
            )
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"the preprocessing cannot be read: {error.strerror}.",
            "Name a file that netspec wrote, or a preset.",
            place=place,
        ) from None
    except UnicodeDecodeError:
        raise DataError("it is not text in UTF-8.", WHOLE, place=place) from None
    return parse_preprocess(text, str(path))


def write_preprocess(path: str | PathLike[str], preprocess: Preprocess) -> None:
    """Write a file, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    with replacing(Path(path)) as temporary:
        temporary.write_text(to_json(preprocess), encoding="utf-8")


def read_classes(path: str | PathLike[str]) -> tuple[str, ...]:
    """Class names, one a line, in the order of the net's outputs.

    Raises:
        DataError: unreadable or empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(
            f"the class names cannot be read: {error.strerror}.",
            "Name a text file with one class a line.",
            place=Place(str(path)),
        ) from None
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise DataError(
            "it names no class.", "Write one class a line.", place=Place(str(path))
        )
    return names
