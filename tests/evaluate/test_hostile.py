"""Images that break or mislead, under each policy, through classify and a database."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.data.decode import Channels
from netspec.errors import DataError, UsageError
from netspec.evaluate.evaluator import evaluate
from netspec.evaluate.finding import image_files, images_at
from netspec.evaluate.images import Files, Records
from netspec.evaluate.protocols import PROTOCOLS
from tests.data.making import encoded, image_file, smooth, write_lmdb
from tests.evaluate.small import model

HEIGHT, WIDTH = 31, 24
PLAIN = smooth(HEIGHT, WIDTH)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return image_file("JPEG", PLAIN, quality=100, subsampling=0, exif=tags.tobytes())


def giant() -> bytes:
    """A PNG whose header promises 60000 x 60000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99)))
    return b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b"")


def sixteen_bits() -> bytes:
    deep = (np.asarray(PLAIN.convert("L")).astype(np.uint16) << 8) + 17
    return image_file("PNG", Image.fromarray(deep))


def truncated() -> bytes:
    whole = image_file("JPEG", PLAIN, quality=95)
    return whole[: len(whole) // 2]


def corrupt() -> bytes:
    whole = bytearray(image_file("PNG", PLAIN))
    whole[60:90] = bytes(30)
    return bytes(whole)


BAD = {
    "corrupt.png": (corrupt, "cannot be decoded"),
    "truncated.jpg": (truncated, "cannot be decoded"),
    "giant.png": (giant, "cannot be decoded: Image size (3600000000 pixels)"),
    "text.jpg": (lambda: b"no image at all", "is not an image of a known format."),
    "empty.png": (lambda: b"", "is not an image of a known format."),
}
# What each must look like: within a few grey levels of the plain picture, or its grey.
GOOD = {
    "plain.png": (lambda: image_file("PNG", PLAIN), PLAIN, 0),
    "png_named.jpg": (lambda: image_file("PNG", PLAIN), PLAIN, 0),
    "jpeg_named.png": (lambda: image_file("JPEG", PLAIN, quality=100), PLAIN, 6),
    "gray.png": (lambda: image_file("PNG", PLAIN.convert("L")), PLAIN.convert("L"), 0),
    "sixteen.png": (sixteen_bits, PLAIN.convert("L"), 1),
    "cmyk.jpg": (
        lambda: image_file("JPEG", PLAIN.convert("CMYK"), quality=100), PLAIN, 12
    ),
    "alpha.png": (lambda: image_file("PNG", PLAIN.convert("RGBA")), PLAIN, 0),
    "palette.gif": (lambda: image_file("GIF", PLAIN), PLAIN, 30),
    "turned.jpg": (lambda: exif(6), PLAIN.transpose(Image.Transpose.ROTATE_270), 6),
    "mirrored.jpg": (
        lambda: exif(2), PLAIN.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 6
    ),
}  # fmt: skip


def write(folder: Path, names) -> list[Path]:
    paths = []
    for name in names:
        made = (BAD | GOOD)[name][0]()
        (folder / name).write_bytes(made)
        paths.append(folder / name)
    return paths


@pytest.mark.parametrize("name", GOOD)
def test_odd_files_are_seen_as_what_they_show(tmp_path: Path, name: str) -> None:
    _, image, tolerance = GOOD[name]
    pixels, label = Files(write(tmp_path, [name])).read(0, 3)
    expected = np.asarray(image.convert("RGB"))[:, :, ::-1].transpose(2, 0, 1)
    assert (pixels.shape, label) == (expected.shape, -1)
    assert abs(pixels.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("name", GOOD)
def test_odd_files_are_classified(tmp_path: Path, name: str) -> None:
    paths = write(tmp_path, ["plain.png", name])
    outcome = evaluate([model(tmp_path)], Files(paths), PROTOCOLS["dense"])
    plain, odd = outcome.posteriors
    turned = name in ("turned.jpg", "mirrored.jpg", "gray.png", "sixteen.png")
    assert (abs(plain - odd).max() < 0.25) or turned
    np.testing.assert_allclose(odd.sum(), 1)


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_errors_that_name_them(tmp_path: Path, name: str) -> None:
    paths = write(tmp_path, ["plain.png", name, "gray.png"])
    with pytest.raises(DataError) as caught:
        evaluate([model(tmp_path)], Files(paths), PROTOCOLS["single"])
    assert str(caught.value).startswith(f"image '{tmp_path / name}' {BAD[name][1]}")


@pytest.mark.smoke
def test_or_are_left_out_and_counted(tmp_path: Path) -> None:
    order = ["plain.png", "corrupt.png", "truncated.jpg", "gray.png", "giant.png",
             "text.jpg", "cmyk.jpg", "empty.png"]  # fmt: skip
    paths = [*write(tmp_path, order), tmp_path / "gone.jpg"]
    outcome = evaluate([model(tmp_path)], Files(paths), PROTOCOLS["single"], "skip")
    good = [str(tmp_path / name) for name in ("plain.png", "gray.png", "cmyk.jpg")]
    assert list(outcome.names) == good
    assert outcome.conditions.images == 3
    assert len(outcome.skipped) == 6
    assert outcome.skipped[-1] == (
        f"image '{tmp_path / 'gone.jpg'}' cannot be read: No such file or directory."
    )
    alone = evaluate(
        [model(tmp_path)], Files([p for p in paths if str(p) in good]),
        PROTOCOLS["single"],
    )  # fmt: skip
    np.testing.assert_allclose(outcome.posteriors, alone.posteriors, atol=1e-6)


def test_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    paths = write(tmp_path, ["plain.png"])
    with pytest.raises(UsageError, match="unknown policy 'skp' for bad images"):
        evaluate([model(tmp_path)], Files(paths), PROTOCOLS["single"], "skp")


def test_records_of_a_database(tmp_path: Path) -> None:
    """A grey, a CMYK and a transparent file among colour ones; and bad ones."""
    names = [
        "plain.png",
        "corrupt.png",
        "gray.png",
        "cmyk.jpg",
        "alpha.png",
        "empty.png",
    ]
    files = [(BAD | GOOD)[name][0]() for name in names]
    records = [(b"%03d" % i, encoded(file, i)) for i, file in enumerate(files)]
    images = Records(write_lmdb(tmp_path / "db", records), Channels.NATIVE)
    outcome = evaluate([model(tmp_path)], images, PROTOCOLS["single"], "skip")
    assert list(outcome.names) == ["000", "002", "003", "004"]
    assert outcome.labels.tolist() == [0, 2, 3, 4]
    np.testing.assert_allclose(outcome.posteriors[3], outcome.posteriors[0], atol=1e-6)
    assert outcome.skipped[0].startswith(
        f"record '001' of database '{tmp_path / 'db'}'"
    )


def test_images_of_a_list_are_found_beside_it(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path, ["plain.png", "gray.png"])
    (tmp_path / "list.txt").write_text("plain.png 3\ngray.png 6\n")
    images = images_at(tmp_path / "list.txt")
    assert [images.read(i, 3)[1] for i in range(len(images))] == [3, 6]
    assert images.name(1) == "gray.png"
    monkeypatch.chdir(tmp_path)
    assert images_at("list.txt").read(0, 3)[0].shape == (3, HEIGHT, WIDTH)


def test_folders_stand_for_their_images(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("z.PNG", "a.jpg", "notes.txt", "b/c.webp"):
        (tmp_path / "a" / name).write_bytes(b"")
    single = tmp_path / "a" / "notes.txt"
    found = image_files([str(single), str(tmp_path / "a")])
    assert [str(p.relative_to(tmp_path)) for p in found] == [
        "a/notes.txt", "a/a.jpg", "a/b/c.webp", "a/z.PNG"
    ]  # fmt: skip
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="has no image"):
        image_files([str(tmp_path / "none")])


def test_a_gif_bomb_is_refused(tmp_path: Path) -> None:
    """A few bytes that ask for gigabytes."""
    out = io.BytesIO()
    Image.new("L", (8, 8)).save(out, "GIF")
    file = bytearray(out.getvalue())
    file[6:10] = struct.pack("<HH", 65535, 65535)
    (tmp_path / "bomb.gif").write_bytes(bytes(file))
    with pytest.raises(DataError, match=r"Image size .4294836225 pixels."):
        Files([tmp_path / "bomb.gif"]).read(0, 3)
