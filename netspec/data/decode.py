"""Image files to pixels and back, with OpenCV's conventions, which are Caffe's.

Pixels are arrays of shape (H, W, C), uint8; three channels are blue, green, red.
JPEG goes through simplejpeg, and whatever that refuses, or is no JPEG, through Pillow,
as does all of it where there is no simplejpeg.
Both use libjpeg-turbo with the accurate transform, as OpenCV does.
"""

from __future__ import annotations

import io
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netspec.data.protocols import Raster, Shrink
from netspec.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

Picture = NDArray[np.uint8]

MOST_PIXELS = 89_478_485  # Pillow's own limit: 256 MB of RGB
_JPEG = b"\xff\xd8\xff"
_FACTORS = (8, 4, 2)  # a JPEG is decoded so many times smaller faster than in full
# Formats that OpenCV reads too; others run interpreters or have no use here.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "PPM", "GIF")
_REPLACE = "Replace the file, or leave it out."
_EXIF, _EXIF_WITHIN = b"Exif\0\0", 4096  # it comes first, if at all
_ORIENTATION = 0x0112  # its tag
_GRAY_MODES = ("1", "L")


class Channels(Enum):
    """What to decode to.  COLOR and GRAY turn a photo upright as its EXIF says."""

    NATIVE = "native"  # as stored: 1, 3, or 4 with transparency
    COLOR = "color"
    GRAY = "gray"


def decode(data: bytes | memoryview, channels: Channels) -> Picture:
    """The pixels of an image file: (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA.

    Raises:
        DataError: not an image, damaged, cut short, or more than ``MOST_PIXELS``.
    """
    return _interleaved(decode_raster(data, channels))


def _interleaved(raster: Raster) -> Picture:
    picture: Picture = raster.pixels.transpose(1, 2, 0)  # type: ignore[assignment]
    return picture


def decode_raster(
    data: bytes | memoryview, channels: Channels, shrink: Shrink | None = None
) -> Raster:
    """An image file's pixels, of a JPEG perhaps smaller: frequencies are left out.

    Args:
        shrink: how many times smaller it may be.

    Raises:
        DataError: see :func:`decode`.
    """
    if data[:3] == _JPEG and (channels is Channels.NATIVE or not _lies(data)):
        raster = _decode_jpeg(data, channels, shrink)
        if raster is not None:
            return raster
    return Raster.of(_decode_any(data, channels).transpose(2, 0, 1))


def _lies(data: bytes | memoryview) -> bool:
    """Whether a JPEG's EXIF says that it must be turned, or cannot be read."""
    if _EXIF not in bytes(data[:_EXIF_WITHIN]):
        return False
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return bool(image.getexif().get(_ORIENTATION, 1) != 1)
    except Exception:  # whatever is wrong, _decode_any finds it and says so
        return True


def _decode_jpeg(
    data: bytes | memoryview, channels: Channels, shrink: Shrink | None
) -> Raster | None:
    """A sound JPEG's pixels; None where a slower, more tolerant decoder must judge."""
    codec = _codec()
    if codec is None:
        return None
    try:
        height, width, space, _ = codec.decode_jpeg_header(data)
        _check_size(width, height)
        gray = channels is Channels.GRAY or (
            channels is Channels.NATIVE and space == "Gray"
        )
        most = shrink(height, width) if shrink else 1
        factor = next((f for f in _FACTORS if f <= most), 1)
        picture = codec.decode_jpeg(
            data, "GRAY" if gray else "BGR", **_smaller(height, width, factor)
        )
        return Raster(picture.transpose(2, 0, 1), height, width, factor)
    except ValueError:
        return None


@cache
def _codec() -> Any:
    """simplejpeg; None where it is not installed."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


def _smaller(height: int, width: int, factor: int) -> dict[str, int]:
    """Options of the codec: it takes the least size that has so many pixels."""
    if factor == 1:
        return {}
    least = {"min_height": -(-height // factor), "min_width": -(-width // factor)}
    return least | {"min_factor": factor}


def _decode_any(data: bytes | memoryview, channels: Channels) -> Picture:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_size(*image.size)
            if channels is Channels.GRAY:
                image.draft("L", image.size)  # a JPEG's own luminance
            return _pixels(image, channels)
    except DataError:
        raise
    except Image.UnidentifiedImageError:
        raise DataError("is not an image of a known format.", _REPLACE) from None
    # What a decoder raises on a hostile file is anybody's guess.
    except Exception as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise DataError(f"cannot be decoded: {reason}.", _REPLACE) from None


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise DataError(
            f"has {width} x {height} pixels.",
            f"At most {MOST_PIXELS:,} are decoded: shrink the image.",
        )


def _pixels(image: Image.Image, channels: Channels) -> Picture:
    deep = image.mode.startswith("I")
    if image.mode == "F" or (deep and channels is Channels.NATIVE):
        raise DataError(
            f"has more than 8 bits a sample (mode {image.mode}).",
            "Convert it to 8 bits, or force colour or grey.",
        )
    if channels is Channels.NATIVE:
        return _array(image, _native_mode(image))
    upright = _upright(_eight_bits(image) if deep else image)
    if channels is Channels.COLOR:
        return _array(upright, "RGB")
    if upright.mode in _GRAY_MODES:
        return _array(upright, "L")
    return _luminance(_array(upright, "RGB"))


def _luminance(picture: Picture) -> Picture:
    """Grey as libpng, and so OpenCV, computes it: 0.299 R + 0.587 G, rounded down."""
    blue, green, red = np.moveaxis(picture.astype(np.int32), 2, 0)
    gray = (9797 * red + 19234 * green + 3737 * blue) >> 15
    return gray.astype(np.uint8)[:, :, None]


def _native_mode(image: Image.Image) -> str:
    if image.mode in _GRAY_MODES:
        return "L"
    return "RGBA" if image.has_transparency_data else "RGB"


def _eight_bits(image: Image.Image) -> Image.Image:
    """The upper eight of sixteen bits."""
    from PIL import Image

    high = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255)
    return Image.fromarray(high.astype(np.uint8))


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    if image.getexif().get(_ORIENTATION, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def _array(image: Image.Image, mode: str) -> Picture:
    if image.mode != mode:
        image = image.convert(mode)
    raw = {"L": "L", "RGB": "BGR", "RGBA": "BGRA"}[mode]
    flat = np.frombuffer(image.tobytes("raw", raw), np.uint8)
    return flat.reshape(image.height, image.width, len(raw))


_QUALITY = 95  # of a JPEG; this and the halved colour are OpenCV's defaults
_ENCODERS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "bmp": "BMP"}


def encode(picture: Picture, kind: str) -> bytes:
    """An image file of *kind* ("jpg", "png" or "bmp") with these pixels.

    Raises:
        DataError: unknown kind.
    """
    from PIL import Image

    if kind not in _ENCODERS:
        raise DataError(
            f"cannot encode to {kind!r}.", f"Choose from: {', '.join(_ENCODERS)}."
        )
    image = Image.fromarray(
        picture[:, :, 0] if picture.shape[2] == 1 else to_rgb(picture)
    )
    out = io.BytesIO()
    image.save(out, _ENCODERS[kind], quality=_QUALITY, subsampling="4:2:0")
    return out.getvalue()


def to_rgb(picture: Picture) -> Picture:
    """A BGR picture as RGB."""
    return np.ascontiguousarray(picture[:, :, ::-1])
