from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from netspec.data.decode import Channels, decode, encode
from netspec.errors import DataError
from tests.data.making import image_file, smooth

COLOR, GRAY, NATIVE = Channels.COLOR, Channels.GRAY, Channels.NATIVE


def bgr(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))[:, :, ::-1]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_files_keep_every_pixel(kind):
    image = smooth(17, 30)
    np.testing.assert_array_equal(decode(image_file(kind, image), COLOR), bgr(image))


@pytest.mark.smoke
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("channels", [COLOR, GRAY, NATIVE])
def test_jpeg_decodes_as_pillow_does(mode, channels):
    image = smooth(33, 50).convert(mode)
    data = image_file("JPEG", image, quality=95)
    found = decode(data, channels).astype(int)
    gray = channels is GRAY or (channels is NATIVE and mode == "L")
    assert found.shape == (33, 50, 1 if gray else 3)
    again = Image.open(io.BytesIO(data))
    wanted = np.asarray(again.convert("L"))[:, :, None] if gray else bgr(again)
    # CMYK goes to grey by way of RGB in one and at once in the other.
    assert np.abs(found - wanted).max() <= (3 if mode == "CMYK" else 1)


@pytest.mark.parametrize(
    ("mode", "channels", "depth"),
    [
        ("L", NATIVE, 1), ("RGB", NATIVE, 3), ("RGBA", NATIVE, 4), ("LA", NATIVE, 4),
        ("P", NATIVE, 3), ("1", NATIVE, 1), ("L", COLOR, 3), ("RGBA", COLOR, 3),
        ("LA", GRAY, 1), ("P", GRAY, 1), ("1", COLOR, 3),
    ],
)  # fmt: skip
def test_channels_of_png(mode, channels, depth):
    found = decode(image_file("PNG", smooth(8, 9).convert(mode)), channels)
    assert found.shape == (8, 9, depth)


def test_transparency_does_not_change_colours():
    image = smooth(8, 9).convert("RGBA")
    image.putalpha(Image.fromarray(np.arange(72, dtype=np.uint8).reshape(8, 9)))
    data = image_file("PNG", image)
    np.testing.assert_array_equal(decode(data, COLOR), bgr(smooth(8, 9)))
    np.testing.assert_array_equal(
        decode(data, NATIVE)[:, :, 3], np.arange(72).reshape(8, 9)
    )


def test_grey_of_png_rounds_down_as_libpng_does():
    image = Image.fromarray(np.uint8([[[200, 10, 30], [1, 2, 3], [255, 255, 255]]]))
    # 0.299 R + 0.587 G + 0.114 B is 69.09, 1.815 and 255.
    np.testing.assert_array_equal(
        decode(image_file("PNG", image), GRAY)[:, :, 0], [[69, 1, 255]]
    )


def test_sixteen_bits_keep_the_upper_eight():
    values = np.arange(0, 65536, 1000, dtype=np.uint16).reshape(6, 11)
    data = image_file("PNG", Image.fromarray(values))
    np.testing.assert_array_equal(decode(data, GRAY)[:, :, 0], values >> 8)
    with pytest.raises(DataError, match="more than 8 bits"):
        decode(data, NATIVE)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_photos_are_turned_upright_but_not_native(kind, orientation):
    image = smooth(20, 31)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = image_file(kind, image, exif=exif)
    turned = orientation >= 5
    assert decode(data, COLOR).shape == ((31, 20, 3) if turned else (20, 31, 3))
    assert decode(data, GRAY).shape == ((31, 20, 1) if turned else (20, 31, 1))
    assert decode(data, NATIVE).shape == (20, 31, 3)
    if orientation == 6:  # stored lying on its left side
        np.testing.assert_allclose(
            decode(data, COLOR), np.rot90(decode(data, NATIVE), -1), atol=1
        )


def test_the_name_of_a_file_does_not_matter_but_its_bytes():
    assert decode(memoryview(image_file("GIF", smooth(4, 5))), COLOR).shape == (4, 5, 3)


def png_of_claimed_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, and little behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


JPEG = image_file("JPEG", smooth(200, 300))
PNG = image_file("PNG", smooth(200, 300))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not an image of a known format."),
        (b"hello", "is not an image of a known format."),
        (b"\xff\xd8\xff" + bytes(50), "is not an image of a known format."),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"),
        (JPEG[: len(JPEG) // 2], "image file is truncated"),
        (PNG[: len(PNG) // 2], "cannot be decoded: "),
        (png_of_claimed_size(9400, 9500), "cannot be decoded: "),
        (png_of_claimed_size(9500, 9500), "has 9500 x 9500 pixels.|exceeds limit"),
        (png_of_claimed_size(60000, 60000), "has 60000 x 60000 pixels.|exceeds limit"),
    ],
)
@pytest.mark.parametrize("channels", [COLOR, NATIVE])
def test_bad_images_are_refused(data, message, channels):
    with pytest.raises(DataError, match=message) as raised:
        decode(data, channels)
    assert raised.value.remedy


def test_a_jpeg_may_be_sloppy():
    """libjpeg only warns of bytes between the scan and the end; OpenCV goes on."""
    data = JPEG[:-2] + b"\0\0\0\0" + JPEG[-2:]
    np.testing.assert_array_equal(decode(data, COLOR), decode(JPEG, COLOR))


@pytest.mark.parametrize("depth", [1, 3])
def test_encode(depth):
    picture = np.asarray(smooth(40, 60))[:, :, :depth]
    lossless = decode(encode(picture, "png"), NATIVE)
    np.testing.assert_array_equal(lossless, picture)
    lossy = decode(encode(picture, "jpg"), NATIVE).astype(int)
    assert lossy.shape == picture.shape
    assert np.abs(lossy - picture).max() <= 12  # quality 95, colour halved
    with pytest.raises(DataError, match="cannot encode to 'gif'"):
        encode(picture, "gif")
