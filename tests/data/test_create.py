from __future__ import annotations

import gzip
import os
import signal
import struct
import subprocess
import sys

import lmdb
import numpy as np
import pytest
from PIL import Image

from netspec.data import writer
from netspec.data.conversion import Conversion
from netspec.data.create import Policy, create_from_idx, create_from_list
from netspec.data.database import Database
from netspec.data.decode import Channels, decode
from netspec.data.resize import resize
from netspec.data.writer import DatabaseWriter
from netspec.errors import DataError, NetspecError, UsageError
from netspec.proto import Datum
from tests.conftest import ROOT
from tests.data.making import image_file, smooth, write_lmdb

NAMES = ["a.png", "sub dir/b.JPG", "c.jpeg", "grey.jpg", "d.bmp"]


@pytest.fixture
def images(tmp_path):
    """A folder of images of different kinds and sizes, and its list."""
    root = tmp_path / "images"
    (root / "sub dir").mkdir(parents=True)
    kinds = ["PNG", "JPEG", "JPEG", "JPEG", "BMP"]
    for i, (name, kind) in enumerate(zip(NAMES, kinds)):
        image = smooth(20 + i, 30 - 2 * i, "L" if "grey" in name else "RGB")
        (root / name).write_bytes(image_file(kind, image))
    lines = [f"{name} {7 * i}" for i, name in enumerate(NAMES)]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    return root


def create(images, target="db", conversion=None, shuffle=None, **policy):
    path = images.parent / target
    made = create_from_list(
        str(images),
        images.parent / "list.txt",
        path,
        conversion or Conversion(),
        Policy(**policy),
        shuffle,
    )
    return made, path


def records(path) -> list[tuple[str, Datum]]:
    """Read with liblmdb and protobuf, as Caffe does."""
    with lmdb.open(str(path), readonly=True, lock=False) as environment:
        items = list(environment.begin().cursor())
    return [(key.decode(), Datum.FromString(bytes(value))) for key, value in items]


def pixels(datum: Datum) -> np.ndarray:
    """Caffe's layout, as pixels (H, W, C)."""
    shape = (datum.channels, datum.height, datum.width)
    return np.frombuffer(datum.data, np.uint8).reshape(shape).transpose(1, 2, 0)


@pytest.mark.smoke
def test_pixels(images):
    made, path = create(images)
    assert made.count == 5
    assert made.labels == {0: 1, 7: 1, 14: 1, 21: 1, 28: 1}
    assert made.shapes == {(3, 20 + i, 30 - 2 * i): 1 for i in range(5)}
    found = records(path)
    assert [key for key, _ in found] == [f"{i:08d}_{n}" for i, n in enumerate(NAMES)]
    for (_, datum), name in zip(found, NAMES):
        wanted = decode((images / name).read_bytes(), Channels.COLOR)
        np.testing.assert_array_equal(pixels(datum), wanted)
        assert not datum.encoded
    assert [datum.label for _, datum in found] == [0, 7, 14, 21, 28]
    assert os.listdir(path) == ["data.mdb"]
    assert sorted(os.listdir(images.parent)) == ["db", "images", "list.txt"]


def test_resized_and_grey(images):
    made, path = create(images, conversion=Conversion(size=(9, 16), gray=True))
    assert made.shapes == {(1, 9, 16): 5}
    for (_, datum), name in zip(records(path), NAMES):
        wanted = resize(decode((images / name).read_bytes(), Channels.GRAY), 9, 16)
        np.testing.assert_array_equal(pixels(datum), wanted)


def test_encoded_files_are_kept_where_nothing_changes(images):
    made, path = create(images, conversion=Conversion(encoded=True))
    assert made.shapes == {}
    for (_, datum), name in zip(records(path), NAMES):
        assert datum.encoded
        assert datum.data == (images / name).read_bytes()


def test_encoded_to_one_kind(images):
    _, path = create(images, conversion=Conversion(encode_type="jpg"))
    kept = [False, True, True, True, False]
    for (_, datum), name, keep in zip(records(path), NAMES, kept):
        assert (datum.data == (images / name).read_bytes()) == keep
        assert datum.data[:3] == b"\xff\xd8\xff"
    # Caffe's own rule: a grey file whose extension fits stays grey.
    depths = [decode(d.data, Channels.NATIVE).shape[2] for _, d in records(path)]
    assert depths == [3, 3, 3, 1, 3]


def test_encoded_and_resized(images):
    _, path = create(images, conversion=Conversion((8, 12), encoded=True))
    shapes = [decode(d.data, Channels.NATIVE).shape for _, d in records(path)]
    assert shapes == [(8, 12, 3)] * 5


def test_shuffle_depends_on_the_seed_alone(images):
    orders = []
    for target, seed in (("one", 3), ("two", 3), ("three", 4)):
        found = records(create(images, target, shuffle=seed)[1])
        assert [key[:9] for key, _ in found] == [f"{i:08d}_" for i in range(5)]
        orders.append([datum.label for _, datum in found])
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == [0, 7, 14, 21, 28]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_bad_image_stops_it_and_leaves_nothing(images, workers):
    (images / "c.jpeg").write_bytes(b"not an image")
    with pytest.raises(DataError) as raised:
        create(images, workers=workers)
    assert raised.value.problem == (
        f"image '{images / 'c.jpeg'}' is not an image of a known format."
    )
    assert sorted(os.listdir(images.parent)) == ["images", "list.txt"]


def test_bad_images_are_left_out_and_counted_when_asked(images):
    (images / "c.jpeg").write_bytes(b"not an image")
    (images / "a.png").unlink()
    made, path = create(images, skip_bad=True)
    assert made.count == 3
    assert [s.rpartition("' ")[2] for s in made.skipped] == [
        "cannot be read: No such file or directory.",
        "is not an image of a known format.",
    ]
    assert [key[:9] for key, _ in records(path)] == [
        "00000001_",
        "00000003_",
        "00000004_",
    ]


def test_no_image_at_all_is_an_error(images):
    for name in NAMES:
        (images / name).unlink()
    with pytest.raises(DataError, match="none of the 5 images could be read; image '"):
        create(images, skip_bad=True)
    assert not (images.parent / "db").exists()


def test_check_size(images):
    with pytest.raises(DataError) as raised:
        create(images, check_size=True)
    assert raised.value.problem == (
        "image '00000001_sub dir/b.JPG' is 3x21x28, and those before it are 3x20x30."
    )


def test_progress(images):
    told = []
    create(images, progress=lambda done, total: told.append((done, total)))
    assert told == [(i, 5) for i in range(1, 6)]


def test_a_database_is_replaced_only_when_asked(images):
    _, path = create(images)
    before = (path / "data.mdb").read_bytes()
    with pytest.raises(UsageError, match=r"database '.*' exists"):
        create(images)
    (images / "a.png").write_bytes(b"bad now")
    with pytest.raises(DataError):
        create(images, force=True)
    assert (path / "data.mdb").read_bytes() == before
    create(images, force=True, skip_bad=True)
    assert len(records(path)) == 4


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_nothing_but_a_database_is_ever_replaced(images, what):
    path = images.parent / "db"
    if what == "file":
        path.write_text("precious")
    elif what == "folder":
        path.mkdir()
        (path / "thesis.tex").write_text("precious")
    else:
        path.symlink_to(images)
    with pytest.raises(UsageError, match="exists and is no database"):
        create(images, force=True)


def test_the_map_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_FIRST_MAP", 1 << 16)
    monkeypatch.setattr(writer, "_BATCH_RECORDS", 7)
    rng = np.random.default_rng(0)
    wanted = [(f"{i:08d}", rng.bytes(30_000)) for i in range(60)]
    with DatabaseWriter(tmp_path / "db") as database:
        for key, value in wanted:
            database.put(key, value)
    mdb = Database(tmp_path / "db").stored
    assert [bytes(mdb.item(i)[1]) for i in range(60)] == [value for _, value in wanted]


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise lmdb.DiskError("mdb_txn_commit: No space left on device")

    monkeypatch.setattr(writer, "_write", full)
    with (
        pytest.raises(DataError, match=r"cannot write .*No space left"),
        DatabaseWriter(tmp_path / "db") as database,
    ):
        database.put("0", b"1")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["00", "00"], "is not after the one before it"),
        (["b", "a"], "is not after the one before it"),
        (["x" * 512], "has 512 bytes"),
    ],
)
def test_keys(tmp_path, keys, message):
    def write() -> None:
        with DatabaseWriter(tmp_path / "d") as made:
            for key in keys:
                made.put(key, b"")

    with pytest.raises(DataError, match=message):
        write()
    assert os.listdir(tmp_path) == []


def test_no_folder_to_write_to(tmp_path):
    with (
        pytest.raises(DataError, match="cannot write database"),
        DatabaseWriter(tmp_path / "none" / "db"),
    ):
        pass


SLOW = """
import sys, time
from pathlib import Path
from netspec.data.writer import DatabaseWriter
with DatabaseWriter(Path(sys.argv[1]), force=True) as database:
    for i in range(100000):
        database.put(f"{i:08d}", bytes(1000))
        if i == 5000:
            print("going", flush=True)
        time.sleep(0.00001)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_leaves_what_was_there(tmp_path, how):
    write_lmdb(tmp_path / "db", [(b"old", b"1")])
    before = (tmp_path / "db/data.mdb").read_bytes()
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path / "db")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout.readline() == b"going\n"
    process.send_signal(how)
    process.wait(30)
    process.stdout.close()
    assert (tmp_path / "db/data.mdb").read_bytes() == before
    left = [name for name in os.listdir(tmp_path) if name != "db"]
    assert not left or how == signal.SIGKILL
    # The next run is not disturbed by what a killed one left.
    with DatabaseWriter(tmp_path / "db", force=True) as database:
        database.put("new", b"2")
    assert Database(tmp_path / "db").key(0) == "new"


def idx(values: np.ndarray) -> bytes:
    axes = values.ndim
    header = bytes((0, 0, 8, axes)) + struct.pack(f">{axes}I", *values.shape)
    return header + values.tobytes()


DIGITS = np.random.default_rng(1).integers(0, 256, (7, 4, 5), np.uint8)
MARKS = np.uint8([3, 1, 4, 1, 5, 9, 2])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_mnist(tmp_path, pack):
    (tmp_path / "i").write_bytes(pack(idx(DIGITS)))
    (tmp_path / "l").write_bytes(pack(idx(MARKS)))
    made = create_from_idx(tmp_path / "i", tmp_path / "l", tmp_path / "db", Policy())
    assert (made.count, made.shapes) == (7, {(1, 4, 5): 7})
    for i, (key, datum) in enumerate(records(tmp_path / "db")):
        assert (key, datum.label) == (f"{i:08d}", MARKS[i])
        np.testing.assert_array_equal(pixels(datum)[:, :, 0], DIGITS[i])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (idx(DIGITS), idx(MARKS[:6]), "has 7 images, and '.*' 6 labels"),
        (idx(MARKS), idx(DIGITS), "is no IDX file with 3 axes of bytes"),
        (idx(DIGITS)[:-1], idx(MARKS), "says it holds 7x4x5 bytes, and holds 139"),
        (idx(DIGITS) + b"1", idx(MARKS), "says it holds 7x4x5 bytes, and holds 141"),
        (idx(DIGITS[:0]), idx(MARKS), "says it holds 0x4x5 bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, idx(MARKS), "says it holds 4294967295x"),
        (gzip.compress(idx(DIGITS))[:-30], idx(MARKS), "says it holds|cannot read"),
        (b"\x1f\x8b" + bytes(40), idx(MARKS), "cannot read"),
        (b"", idx(MARKS), "is no IDX file"),
    ],
)
def test_bad_mnist_files(tmp_path, images, labels, message):
    (tmp_path / "i").write_bytes(images)
    (tmp_path / "l").write_bytes(labels)
    with pytest.raises(DataError, match=message) as raised:
        create_from_idx(tmp_path / "i", tmp_path / "l", tmp_path / "db", Policy())
    assert raised.value.remedy
    assert not (tmp_path / "db").exists()


@pytest.mark.parametrize("slash", ["", "/"])
def test_lists_are_written_with_and_without_slashes(images, slash):
    (images.parent / "list.txt").write_text(f"{slash}a.png 3\r\n\r\n")
    assert create(images)[0].labels == {3: 1}


def test_a_wide_label_and_a_path_with_bytes_that_are_no_text(images):
    (images.parent / "list.txt").write_bytes(b"\xe9.png -2147483648\n")
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(
        images / os.fsdecode(b"\xe9.png"), "PNG"
    )
    _, path = create(images)
    database = Database(path)
    assert database.datum(0).label == -(2**31)
    assert database.key(0) == r"00000000_\xe9.png"


def test_a_label_too_large(images):
    (images.parent / "list.txt").write_text("a.png 2147483648\n")
    with pytest.raises(NetspecError, match="has no label"):
        create(images)


def test_rgb_stores_red_first(tmp_path) -> None:
    Image.new("RGB", (3, 2), (250, 130, 10)).save(tmp_path / "a.png")
    blue_first, red_first = (
        Conversion(rgb=rgb).datum(tmp_path / "a.png", 4).data for rgb in (False, True)
    )
    assert list(blue_first[::6]) == [10, 130, 250]
    assert list(red_first[::6]) == [250, 130, 10]
