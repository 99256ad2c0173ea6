"""A database of Datums as a source of pictures: LMDB or LevelDB, as Caffe writes it."""

from __future__ import annotations

from pathlib import Path

from netspec.data.datum import glance, parse_datum, pixels
from netspec.data.decode import Channels, decode_raster
from netspec.data.leveldb import LevelDb, is_leveldb
from netspec.data.mdb import MdbFile
from netspec.data.naming import about, printable
from netspec.data.protocols import Pixels, Raster, Shrink
from netspec.errors import DataError
from netspec.proto import Datum

CREATE = "netspec data create IMAGE_FOLDER LIST_FILE"


class Database:
    """The pictures and labels of an LMDB or LevelDB of Datums, by record number.

    Args:
        path: folder that holds a ``data.mdb``, or that file; or a LevelDB's folder.
        channels: what encoded Datums are decoded to; others stay as they are.

    Raises:
        DataError: missing, damaged, empty, or another kind of database.

    Attributes:
        stored: keys and values, as they are stored.
    """

    fixed_shape = False  # one record may differ from the next

    def __init__(self, path: Path, channels: Channels = Channels.NATIVE) -> None:
        check_is_database(path)
        self.path = path
        self.channels = channels
        self.stored = LevelDb(path) if is_leveldb(path) else MdbFile(path)
        if not len(self.stored):
            raise DataError(
                f"database '{path}' has no records.",
                f"Make it anew: {CREATE} '{path}'.",
            )

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def decodes(self) -> bool:
        """Whether the first record, and so most likely the rest, is an image file."""
        return bool(self.datum(0).encoded)

    def datum(self, index: int) -> Datum:
        """Record *index* as it is stored."""
        value = self.stored.item(index)[1]
        try:
            return parse_datum(value)
        except DataError as error:
            raise about(self.describe(index), error) from None

    def glance(self, index: int) -> Datum:
        """Record *index* with only the first bytes of its data, which are not read."""
        value = self.stored.item(index)[1]
        try:
            return glance(value)
        except DataError as error:
            raise about(self.describe(index), error) from None

    def record(self, index: int) -> tuple[Pixels, int]:
        """Pixels of shape (C, H, W), 3 channels being BGR, and label.

        Raises:
            DataError: the record is damaged; names its key.
        """
        raster, label = self.raster(index)
        return raster.pixels, label

    def raster(self, index: int, shrink: Shrink | None = None) -> tuple[Raster, int]:
        """The same, decoded smaller where *shrink* allows it and the codec can."""
        datum = self.datum(index)
        try:
            return datum_raster(datum, self.channels, shrink), datum.label
        except DataError as error:
            raise about(self.describe(index), error) from None

    def key(self, index: int) -> str:
        """Key of record *index*, as messages print it."""
        return printable(self.stored.item(index)[0])

    def describe(self, index: int) -> str:
        """What record *index* is called in messages."""
        return f"record '{self.key(index)}' of database '{self.path}'"


def datum_pixels(datum: Datum, channels: Channels) -> Pixels:
    """The pixels of a Datum, decoded where it holds an image file: (C, H, W)."""
    return datum_raster(datum, channels).pixels


def datum_raster(
    datum: Datum, channels: Channels, shrink: Shrink | None = None
) -> Raster:
    """The pixels of a Datum; smaller where *shrink* allows it and the codec can."""
    if datum.encoded:
        return decode_raster(datum.data, channels, shrink)
    return Raster.of(pixels(datum))


def check_is_database(path: Path) -> None:
    """Refuse what is neither an LMDB nor a LevelDB, and say how to get one.

    Raises:
        DataError: nothing there, or a folder of something else.
    """
    if not path.exists():
        raise DataError(
            f"there is no database '{path}'.", f"Make it: {CREATE} '{path}'."
        )
    if path.is_dir() and not (path / "data.mdb").exists() and not is_leveldb(path):
        raise DataError(
            f"folder '{path}' holds no data.mdb: it is not an LMDB.",
            f"Make one: {CREATE} '{path}'.",
        )
