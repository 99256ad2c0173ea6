"""The image files of a folder or of a tar archive, by path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol

from netspec.data.naming import printable
from netspec.data.sets.tar import members
from netspec.errors import DataError

_ENDINGS = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"
)  # fmt: skip
_LARGEST = 1 << 28  # bytes of an image file


class Item(NamedTuple):
    """An image file.

    Attributes:
        path: within the set; parts are separated by slashes.
        start: where it begins in an archive.
        size: bytes.
        unfit: what it is instead of a file, as an archive may hold.
    """

    path: str
    start: int
    size: int
    unfit: str = ""


class ImageSet(Protocol):
    """Image files that can be read one by one, from any thread."""

    @property
    def items(self) -> list[Item]:
        """The files, sorted by path."""

    @property
    def passed_by(self) -> int:
        """Files that are no images by their names."""

    def read(self, item: Item) -> bytes:
        """The bytes of a file.

        Raises:
            DataError: unreadable, or too large; the problem begins with its verb.
        """

    def describe(self, item: Item) -> str:
        """What a file is called in messages."""


def open_set(path: Path, inside: str = "") -> ImageSet:
    """The images of a folder or tar archive.

    Args:
        inside: folder within it; files elsewhere are left out.

    Raises:
        DataError: neither is there, or it is damaged.
    """
    if path.is_dir():
        return FolderSet(path / inside)
    if path.is_file():
        return TarSet(path, inside)
    raise DataError(f"there is no '{path}'.", "Name a folder, or a tar archive.")


class FolderSet:
    """The images in a folder and those below it; links to folders are not followed."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"there is no folder '{root}'.", "Check its name.")
        self.root = root
        self.passed_by = 0
        self.items = sorted(self._found())

    def _found(self) -> Iterator[Item]:
        for where, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                file = Path(where, name)
                if not _is_image(name):
                    self.passed_by += not name.startswith(".")
                elif file.is_file():
                    path = file.relative_to(self.root).as_posix()
                    yield Item(path, 0, file.stat().st_size)

    def read(self, item: Item) -> bytes:
        """See :class:`ImageSet`."""
        _check_size(item)
        try:
            return (self.root / item.path).read_bytes()
        except OSError as error:
            raise DataError(
                f"cannot be read: {error.strerror}.", "Check its rights."
            ) from None

    def describe(self, item: Item) -> str:
        """See :class:`ImageSet`."""
        return f"image '{printable(str(self.root / item.path))}'"


class TarSet:
    """The images in a tar archive, and in tar archives right in that.

    A file of an inner archive ``n01440764.tar`` is in folder ``n01440764``.
    """

    def __init__(self, path: Path, inside: str = "") -> None:
        self.path = path
        self._file = _PlacedFile(path)
        self._inside = inside.strip("/") + "/" if inside.strip("/") else ""
        self.passed_by = 0
        self.items = sorted(self._found(0, self._file.size, ""))
        if self._inside and not self.items:
            raise DataError(
                f"'{path}' has no images in '{inside}'.",
                "Name a folder as the archive does; tar -t lists it.",
            )

    def _found(self, start: int, end: int, folder: str) -> Iterator[Item]:
        where = f"{self.path}: {folder.rstrip('/')}.tar" if folder else str(self.path)
        for member in members(self._file.read, start, end, where):
            path = folder + _plain(member.name)
            name = path.rpartition("/")[2]
            if not folder and name.endswith(".tar") and not member.unfit:
                inner = name.removesuffix(".tar") + "/"
                yield from self._found(member.start, member.start + member.size, inner)
            elif not _is_image(name):
                self.passed_by += not name.startswith(".")
            elif path.startswith(self._inside):
                path = path.removeprefix(self._inside)
                yield Item(path, member.start, member.size, member.unfit)

    def read(self, item: Item) -> bytes:
        """See :class:`ImageSet`."""
        if item.unfit:
            raise DataError(f"is {item.unfit}.", "Archives of images hold files only.")
        _check_size(item)
        return self._file.read(item.start, item.size)

    def describe(self, item: Item) -> str:
        """See :class:`ImageSet`."""
        return f"image '{printable(self._inside + item.path)}' of '{self.path}'"


class _PlacedFile:
    """A file of which any thread may read any part."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Where one call both seeks and reads, threads need not wait for one another.
        self._lock: AbstractContextManager[Any] = (
            nullcontext() if hasattr(os, "pread") else Lock()
        )
        try:
            self._handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise DataError(
                f"cannot read '{path}': {error.strerror}.", "Check its rights."
            ) from None
        self.size = os.fstat(self._handle).st_size

    def read(self, start: int, size: int) -> bytes:
        """Bytes *start* to *start + size*."""
        try:
            with self._lock:
                data = _read_at(self._handle, size, start)
        except OSError as error:
            raise DataError(
                f"cannot be read: {error.strerror}.", f"Check '{self._path}'."
            ) from None
        if len(data) != size:
            raise DataError("cannot be read whole.", f"Has '{self._path}' changed?")
        return data

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)


def _read_at(handle: int, size: int, start: int) -> bytes:
    """One read may give less than asked for: it stops at 2 GB, or at a signal."""
    parts: list[bytes] = []
    while size > 0 and (part := _PREAD(handle, size, start)):
        parts.append(part)
        size, start = size - len(part), start + len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _seek_and_read(handle: int, size: int, start: int) -> bytes:
    os.lseek(handle, start, os.SEEK_SET)
    return os.read(handle, size)


_PREAD = getattr(os, "pread", _seek_and_read)  # Windows has none


def _plain(name: str) -> str:
    """A path without empty parts, dots and a slash before it: it is but a name."""
    return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))


def _is_image(name: str) -> bool:
    return name.lower().endswith(_ENDINGS) and not name.startswith(".")


def _check_size(item: Item) -> None:
    if item.size > _LARGEST:
        raise DataError(
            f"has {item.size:,} bytes.", f"An image file may have {_LARGEST:,}."
        )
