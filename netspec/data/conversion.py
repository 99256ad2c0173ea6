"""From an image file to a Datum: the options of Caffe's ``convert_imageset``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netspec.data.decode import Channels, Picture, decode, encode
from netspec.data.image_list import read_file
from netspec.data.resize import resize
from netspec.proto import Datum


@dataclass(frozen=True)
class Conversion:
    """How an image file becomes a Datum.

    Attributes:
        size: height and width to resize to, in pixels; None: each keeps its own.
        gray: one channel instead of three.
        encoded: store image files instead of pixels: as they are where nothing changes.
        encode_type: kind of file to store, such as "jpg"; empty: each keeps its own.
        rgb: pixels with red first, as the nets trained on CIFAR's own files expect;
            Caffe stores blue first.
    """

    size: tuple[int, int] | None = None
    gray: bool = False
    encoded: bool = False
    encode_type: str = ""
    rgb: bool = False

    def datum(self, path: Path, label: int) -> Datum:
        """The Datum of an image file.

        Raises:
            DataError: missing or damaged; the problem begins with its verb.
        """
        data = read_file(path)
        # A file that is kept as it is, is decoded too: a bad one is found now.
        picture = decode(data, Channels.GRAY if self.gray else Channels.COLOR)
        if self.size:
            picture = resize(picture, *self.size)
        if not (self.encoded or self.encode_type):
            return raw_datum(picture[:, :, ::-1] if self.rgb else picture, label)
        own = path.suffix[1:].lower()
        kind = self.encode_type or own
        # Caffe keeps a file whose extension fits, even a grey one among coloured.
        keeps = not self.size and (own == kind or (own, kind) == ("jpeg", "jpg"))
        return Datum(
            data=data if keeps else encode(picture, kind), label=label, encoded=True
        )


def raw_datum(picture: Picture, label: int) -> Datum:
    """A Datum that holds the pixels of a picture of shape (H, W, C)."""
    height, width, channels = picture.shape
    return Datum(
        channels=channels,
        height=height,
        width=width,
        data=picture.transpose(2, 0, 1).tobytes(),
        label=label,
        encoded=False,
    )
