"""Images that no net should choke on, under each policy, and one stream from all."""

from __future__ import annotations

import hashlib
import io
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from netspec.data import decode as decoding
from netspec.data.decode import Channels, decode, decode_raster
from netspec.data.feed import Feed
from netspec.data.prefetch import Prefetcher
from netspec.errors import DataError, DataWarning
from tests.data.making import data_layer, encoded, image_file, layer, smooth, write_lmdb

GOOD = image_file("JPEG", smooth(90, 130))
AUGMENT = (
    "short_side_min: 40 short_side_max: 70 crop_size: 32 mirror: true "
    "color_shift_std: 0.1 rotation: 10 contrast: 0.3 mean_value: 100 scale: 0.02 "
)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return image_file("JPEG", smooth(90, 130), exif=exif)


def giant() -> bytes:
    lied = bytearray(GOOD)
    at = lied.index(b"\xff\xc0")
    lied[at + 5 : at + 9] = b"\xea\x60\xea\x60"
    return bytes(lied)


def torn() -> bytes:
    """A piece of the entropy-coded data is missing."""
    half = len(GOOD) // 2
    return GOOD[:half] + GOOD[half + 300 :]


DEEP = Image.fromarray(np.arange(90 * 130, dtype=np.uint16).reshape(90, 130))
FINE = {
    "grey": image_file("JPEG", smooth(90, 130, "L")),
    "cmyk": image_file("JPEG", smooth(90, 130, "CMYK")),
    "progressive": image_file("JPEG", smooth(90, 130), progressive=True),
    "turned": turned(),
    "a PNG by another name": image_file("PNG", smooth(90, 130)),
    "transparent": image_file("PNG", smooth(90, 130, "RGBA")),
    "16 bits": image_file("PNG", DEEP),
    "palette": image_file("GIF", smooth(90, 130, "P")),
}
BAD = {
    "cut": (GOOD[: len(GOOD) // 2], "cannot be decoded: "),
    "giant": (giant(), "has 60000 x 60000 pixels."),
    "empty": (b"", "is not an image of a known format."),
    "text": (b"<html>404</html>", "is not an image of a known format."),
}


def feed_of(tmp_path, files, transform: str, data: str = "", batch: int = 1) -> Feed:
    path = tmp_path / "db"
    if not path.exists():
        write_lmdb(path, ((b"%03d" % i, encoded(f, i)) for i, f in enumerate(files)))
    return Feed(data_layer(path, batch, transform, data), seed=3)


@pytest.mark.parametrize("name", FINE)
@pytest.mark.parametrize("channels", [3, 1])
def test_odd_images_become_what_the_layer_says(tmp_path, name, channels):
    force = "force_color: true" if channels == 3 else "force_gray: true"
    text = f"{force} short_side: 40 crop_size: 32 mean_value: 7"
    feed = feed_of(tmp_path, [FINE[name]], text)
    data, label = feed.read(5, 3)
    assert (data.shape, label.tolist()) == ((3, channels, 32, 32), [0, 0, 0])
    picture = decode(FINE[name], Channels.COLOR if channels == 3 else Channels.GRAY)
    assert picture.shape[:2] == ((130, 90) if name == "turned" else (90, 130))
    assert abs(data.mean() + 7 - picture.mean()) < 40


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("kind", ["Data", "ImageData"])
def test_bad_images_are_errors_unless_they_are_replaced(tmp_path, name, kind):
    data, problem = BAD[name]
    files = [GOOD, data, FINE["cmyk"]]
    make = feed_of if kind == "Data" else list_feed
    feed = make(tmp_path, files, AUGMENT + "force_color: true")
    with pytest.raises(DataError) as raised:
        feed.read(0, 3)
    assert problem in raised.value.problem
    assert ("'001'" if kind == "Data" else "'1.x' (") in raised.value.problem
    lenient = make(tmp_path, files, AUGMENT + "force_color: true", "replace_bad: true")
    with pytest.warns(DataWarning, match="stands in its place") as caught:
        found, labels = lenient.read(0, 3)
    assert problem.rstrip(".") in str(caught[0].message)
    assert labels.tolist() == [0, 2, 2]  # the slot is filled, and none is moved
    for row in (0, 2):
        np.testing.assert_array_equal(found[row], feed.read(row, 1)[0][0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lenient.read(3, 3)  # told once


def list_feed(tmp_path, files, transform: str, data: str = "", batch: int = 1) -> Feed:
    for i, file in enumerate(files):
        (tmp_path / f"{i}.x").write_bytes(file)
    lines = "".join(f"{i}.x {i}\n" for i in range(len(files)))
    (tmp_path / "list").write_text(lines)
    proto = layer(
        f'type: "ImageData" top: "x" top: "y" image_data_param {{ source: "list" '
        f"batch_size: {batch} {data} }} transform_param {{ {transform} }}"
    )
    return Feed(proto, root=tmp_path, seed=3)


def test_where_all_are_bad_it_is_an_error_after_all(tmp_path):
    with pytest.raises(DataError, match="record '000' of database"):
        feed_of(tmp_path, [b"", b"x"], "crop_size: 9", "replace_bad: true")


def test_too_small_for_the_crop_is_bad_too(tmp_path):
    small = image_file("PNG", smooth(20, 50))
    files = [GOOD, small, GOOD]
    feed = feed_of(tmp_path, files, "crop_size: 32", "replace_bad: true")
    with pytest.warns(
        DataWarning, match=r"'001' .* is 3x20x50, smaller than crop_size"
    ):
        assert feed.read(0, 3)[1].tolist() == [0, 2, 2]
    scaled = feed_of(tmp_path, files, "crop_size: 32 short_side: 40")
    assert scaled.read(0, 3)[1].tolist() == [0, 1, 2]


def test_a_grey_file_among_coloured_ones_needs_force_color(tmp_path):
    feed = feed_of(tmp_path, [GOOD, FINE["grey"]], "short_side: 40 crop_size: 32")
    with pytest.raises(DataError, match="is 1x32x32, where the batch has 3x32x32"):
        feed.read(0, 2)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_damage_is_judged_alike_however_small_a_picture_is_decoded(factor):
    """What the fast decoder finds odd, Pillow judges: it passes what OpenCV passes."""
    with pytest.raises(DataError):
        decode_raster(BAD["cut"][0], Channels.COLOR, lambda h, w: factor)
    raster = decode_raster(torn(), Channels.COLOR, lambda h, w: factor)
    assert raster.factor == 1
    np.testing.assert_array_equal(
        raster.pixels.transpose(1, 2, 0), decode(torn(), Channels.COLOR)
    )


@pytest.mark.parametrize("most", [1, 1.99, 2, 3.9, 4, 7.5, 9])
@pytest.mark.parametrize("size", [(90, 130), (17, 33), (375, 500)])
def test_jpegs_are_decoded_smaller_by_twos(size, most):
    """Pixels stand where those of the whole picture do, and are their means, nearly."""
    data = image_file("JPEG", smooth(*size), quality=95)
    raster = decode_raster(data, Channels.COLOR, lambda height, width: most)
    factor = max(f for f in (1, 2, 4, 8) if f <= most)
    assert (raster.height, raster.width, raster.factor) == (*size, factor)
    high, wide = (-(-s // factor) for s in size)
    assert raster.pixels.shape == (3, high, wide)
    whole = decode(data, Channels.COLOR).astype(np.float64)
    inner = tuple(s // factor for s in size)
    cut = whole[: inner[0] * factor, : inner[1] * factor]
    means = cut.reshape(inner[0], factor, inner[1], factor, 3).mean((1, 3))
    found = raster.pixels.transpose(1, 2, 0)[: inner[0], : inner[1]]
    assert np.abs(found - means).max() < 6  # colour has half the resolution as it is


def test_a_file_that_is_no_jpeg_is_decoded_whole():
    raster = decode_raster(FINE["16 bits"], Channels.COLOR, lambda h, w: 8)
    assert (raster.factor, raster.pixels.shape) == (1, (3, 90, 130))


# One stream -------------------------------------------------------------------------


def digest(feed: Feed, ranges, workers: int) -> str:
    """Of all values and labels in order."""
    found = hashlib.sha256()
    with Prefetcher(feed, ranges, workers, ahead=3) as ahead:
        for data, labels in ahead:
            for row, label in zip(data, labels):
                found.update(row.tobytes() + label.tobytes())
    return found.hexdigest()


@pytest.mark.smoke
@pytest.mark.filterwarnings("ignore::netspec.errors.DataWarning")
def test_one_stream_for_any_number_of_workers_and_any_cut(tmp_path):
    files = [image_file("JPEG", smooth(60 + 7 * i, 150 - 5 * i)) for i in range(13)]
    files += [*FINE.values(), BAD["cut"][0], GOOD, BAD["text"][0], BAD["empty"][0]]
    transform = AUGMENT + "force_color: true saturation: 0.2 hue: 9 brightness: 0.1"
    options = "shuffle: true replace_bad: true"
    feeds = (feed_of(tmp_path, files, transform, options) for _ in range(12))
    cuts = [[(5, 60)], [(5, 7), (12, 33), (45, 20)], [(5 + i, 1) for i in range(60)]]
    found = {digest(next(feeds), cut, n) for n in (0, 1, 2, 4) for cut in cuts}
    assert len(found) == 1
    other = Feed(data_layer(tmp_path / "db", 1, transform, options), seed=4)
    assert digest(other, cuts[0], 2) not in found


@pytest.fixture
def no_simplejpeg(monkeypatch):
    """As if it were not installed."""
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    decoding._codec.cache_clear()
    yield
    decoding._codec.cache_clear()


def test_pillow_stands_in_for_simplejpeg(no_simplejpeg):
    raster = decode_raster(GOOD, Channels.COLOR, lambda h, w: 2)
    assert raster.factor == 1
    wanted = np.asarray(Image.open(io.BytesIO(GOOD)))[:, :, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(raster.pixels, wanted)
