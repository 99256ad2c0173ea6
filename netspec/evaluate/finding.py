"""Finding pictures: behind a data layer, under a path, in folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from netspec.data.decode import Channels
from netspec.data.feeds import root_of, source_of
from netspec.data.image_list import ImageList, read_list
from netspec.errors import SpecError, UsageError
from netspec.evaluate.images import Images, Listed, Records
from netspec.proto import LayerParameter

_FILE_NAMES = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"
)  # fmt: skip


def open_images(layer: LayerParameter, file: str) -> Images:
    """The pictures behind a data layer; *file* is the net's.

    Raises:
        SpecError: the layer holds no picture files, or names no source.
        DataError: the source is missing or damaged.
    """
    if layer.type not in _OPENERS:
        raise SpecError(
            "holds no pictures that could be rescaled.",
            f"Protocols take {' and '.join(_OPENERS)} layers.",
            layer=(layer.name, layer.type),
        )
    source = source_of(layer, file)
    assert source is not None
    return _OPENERS[layer.type](layer, source, file)


def _records(layer: LayerParameter, source: Path, file: str) -> Images:
    param = layer.transform_param
    channels = Channels.GRAY if param.force_gray else Channels.NATIVE
    return Records(source, Channels.COLOR if param.force_color else channels)


def _listed(layer: LayerParameter, source: Path, file: str) -> Images:
    param = layer.image_data_param
    channels = Channels.COLOR if param.is_color else Channels.GRAY
    root = root_of(layer, file)
    return Listed(ImageList(source, param.root_folder, root, channels))


_OPENERS: dict[str, Callable[[LayerParameter, Path, str], Images]] = {
    "Data": _records,
    "ImageData": _listed,
}


def images_at(path: str | Path) -> Images:
    """The pictures of a database, or of a list file with labels.

    Paths in a list start from the working folder, or where its first image is not
    found there, from the list's own.

    Raises:
        DataError: neither, or damaged.
    """
    path = Path(path)
    if path.is_dir() or path.suffix == ".mdb":
        return Records(path, Channels.NATIVE)
    first, *_ = read_list(path)
    root = Path() if Path(first.path).exists() else path.parent
    return Listed(ImageList(path, "", root, Channels.COLOR))


def image_files(names: Sequence[str]) -> list[Path]:
    """The image files that a command line names; of a folder, those in it, sorted.

    Raises:
        UsageError: nothing there, or a folder without an image.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        inside = sorted(_inside(path)) if path.is_dir() else [path]
        if not inside:
            raise UsageError(
                f"folder {name!r} has no image.",
                f"Images end in {', '.join(_FILE_NAMES)}.",
            )
        found += inside
    return found


def _inside(folder: Path) -> list[Path]:
    """Image files in a folder and those below it; links are not followed."""
    return [
        Path(where) / name
        for where, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(_FILE_NAMES)
    ]
