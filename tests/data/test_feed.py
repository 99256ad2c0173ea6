from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image

from netspec.data.feed import Feed
from netspec.errors import DataError, NetspecError, SpecError, UsageError
from netspec.proto import TEST, TRAIN
from tests.data.making import (
    data_layer,
    datum,
    encoded,
    image_file,
    layer,
    pictures,
    pictures_lmdb,
    smooth,
    write_lmdb,
)

IMAGES = pictures(23, (3, 10, 14))
RANDOM = "crop_size: 7 mirror: true mean_value: 3 scale: 0.5"


@pytest.fixture
def database(tmp_path):
    return pictures_lmdb(tmp_path / "db", IMAGES)


@pytest.fixture
def image_list(tmp_path):
    (tmp_path / "img").mkdir()
    for i, image in enumerate(IMAGES[:9]):
        picture = image[::-1].transpose(1, 2, 0)
        Image.fromarray(np.ascontiguousarray(picture)).save(tmp_path / f"img/a {i}.png")
    lines = "".join(f"a {i}.png {i * 3}\n" for i in range(9))
    (tmp_path / "list.txt").write_text(lines)
    return tmp_path


@pytest.mark.smoke
def test_the_stream_is_the_records_over_and_over(database):
    feed = Feed(data_layer(database, 5), TRAIN)
    assert (feed.tops, feed.size, feed.batch_size) == (("data", "label"), 23, 5)
    assert feed.shapes() == ((5, 3, 10, 14), (5,))
    assert feed.shapes(2) == ((2, 3, 10, 14), (2,))
    data, label = feed.read(first=20, count=30)
    order = [(20 + i) % 23 for i in range(30)]
    np.testing.assert_array_equal(data, IMAGES[order])
    np.testing.assert_array_equal(label, np.float32(order))
    assert data.dtype == label.dtype == np.float32
    assert feed.describe(24) == f"record '00000001_1.png' of database '{database}'"


@pytest.mark.smoke
def test_shards_are_parts_of_the_batch(database):
    proto = data_layer(database, 16, RANDOM, "shuffle: true rand_skip: 9")
    whole = Feed(proto, TRAIN, seed=4).read(160, 16)
    other = Feed(proto, TRAIN, seed=4)
    parts = [other.read(160 + at, 4) for at in (8, 0, 12, 4)]
    for top in (0, 1):
        joined = np.concatenate([parts[i][top] for i in (1, 3, 0, 2)])
        np.testing.assert_array_equal(joined, whole[top])
    assert not np.array_equal(whole[0], Feed(proto, TRAIN, seed=5).read(160, 16)[0])


def test_arrays_to_fill(database):
    feed = Feed(data_layer(database, 4, RANDOM), TRAIN, seed=1)
    out = tuple(np.full(shape, np.nan, np.float32) for shape in feed.shapes(6))
    found = feed.read(11, 6, out)
    assert found[0] is out[0]
    assert found[1] is out[1]
    for mine, wanted in zip(found, feed.read(11, 6)):
        np.testing.assert_array_equal(mine, wanted)


def test_a_test_phase_crops_the_centre_and_still_mirrors(database):
    feed = Feed(data_layer(database, 4, "crop_size: 7 mirror: true"), TEST)
    data = feed.read(0, 23)[0]
    centre = IMAGES[:, :, 1:8, 3:10]
    straight = [np.array_equal(d, c) for d, c in zip(data, centre)]
    flipped = [np.array_equal(d, c[:, :, ::-1]) for d, c in zip(data, centre)]
    assert [a or b for a, b in zip(straight, flipped)] == [True] * 23
    assert 0 < sum(flipped) < 23


def test_rand_skip_passes_over_records_once(database):
    plain = Feed(data_layer(database, 4)).read(0, 60)[1]
    skips = set()
    for seed in range(20):
        feed = Feed(data_layer(database, 4, data="rand_skip: 5"), seed=seed)
        labels = feed.read(0, 40)[1]
        skip = int(labels[0])
        np.testing.assert_array_equal(labels, plain[skip : skip + 40])
        skips.add(skip)
    assert skips == {0, 1, 2, 3, 4}


def test_one_top_only(database):
    proto = data_layer(database, 4)
    del proto.top[1]
    feed = Feed(proto)
    assert feed.shapes() == ((4, 3, 10, 14),)
    (data,) = feed.read(3, 2)
    np.testing.assert_array_equal(data, IMAGES[3:5])


@pytest.mark.parametrize(
    ("force", "channels"), [("", 3), ("force_color: true", 3), ("force_gray: true", 1)]
)
def test_encoded_records(tmp_path, force, channels):
    files = [image_file("PNG", smooth(8 + i, 9)) for i in range(3)]
    path = write_lmdb(
        tmp_path / "db", ((b"%d" % i, encoded(f, i)) for i, f in enumerate(files))
    )
    feed = Feed(data_layer(path, 1, force))
    assert feed.decodes
    assert not feed.fixed_shape
    assert [feed.read(i, 1)[0].shape for i in range(3)] == [
        (1, channels, 8 + i, 9) for i in range(3)
    ]
    with pytest.raises(DataError) as raised:
        feed.read(0, 2)
    assert f"record '1' of database '{path}' is {channels}x9x9" in raised.value.problem
    assert "crop_size" in raised.value.remedy
    cropped = Feed(data_layer(path, 3, f"{force} crop_size: 6"))
    assert cropped.fixed_shape
    assert cropped.read(0, 3)[0].shape == (3, channels, 6, 6)


def test_force_gray_leaves_pixels_as_they_are(database):
    """As in Caffe, it concerns records that must be decoded."""
    feed = Feed(data_layer(database, 2, "force_gray: true"))
    np.testing.assert_array_equal(feed.read(0, 2)[0], IMAGES[:2])


def test_image_data(image_list):
    feed = Feed(
        layer(
            'type: "ImageData" top: "x" top: "y" image_data_param { source: "list.txt" '
            'root_folder: "img/" batch_size: 2 shuffle: true }'
        ),
        root=image_list,
        seed=3,
    )
    data, label = feed.read(0, 9)
    order = [int(y) // 3 for y in label]
    assert sorted(order) == list(range(9)) != order
    np.testing.assert_array_equal(data, IMAGES[order])
    assert feed.describe(0) == (
        f"image 'img/a {order[0]}.png' ({image_list / 'list.txt'}:{order[0] + 1})"
    )


def test_image_data_resized(image_list):
    feed = Feed(
        layer(
            'type: "ImageData" top: "x" top: "y" image_data_param { source: "list.txt" '
            'root_folder: "img/" new_height: 5 new_width: 20 is_color: false }'
        ),
        root=image_list,
    )
    assert feed.fixed_shape
    assert feed.shapes(3) == ((3, 1, 5, 20), (3,))
    assert feed.read(1, 3)[0].shape == (3, 1, 5, 20)


@pytest.fixture
def hdf5(tmp_path):
    rows = np.arange(60, dtype=np.float64).reshape(12, 5)
    marks = np.arange(12, dtype=np.int16)[:, None] * 2
    for name, part in (("a.h5", slice(0, 7)), ("b.h5", slice(7, 12))):
        with h5py.File(tmp_path / name, "w") as file:
            file["x"] = rows[part]
            file.create_dataset("y", data=marks[part], compression="gzip")
    (tmp_path / "files.txt").write_text("a.h5\nb.h5\n")
    return tmp_path, rows, marks


def hdf5_layer(options: str = ""):
    return layer(
        'type: "HDF5Data" top: "x" top: "y" hdf5_data_param { source: "files.txt" '
        f"batch_size: 4 {options} }}"
    )


def test_hdf5_rows_run_through_files(hdf5):
    root, rows, marks = hdf5
    feed = Feed(hdf5_layer(), root=root)
    assert feed.shapes() == ((4, 5), (4, 1))
    order = [(5 + i) % 12 for i in range(16)]
    x, y = feed.read(5, 16)
    np.testing.assert_array_equal(x, rows[order])
    np.testing.assert_array_equal(y, marks[order])
    assert x.dtype == y.dtype == np.float32
    assert feed.describe(8) == f"row 1 of '{root / 'b.h5'}'"


def test_hdf5_shuffled(hdf5):
    root, rows, _ = hdf5
    feed = Feed(hdf5_layer("shuffle: true"), root=root, seed=2)
    x, y = feed.read(0, 12)
    order = [int(v) // 2 for v in y[:, 0]]
    assert sorted(order) == list(range(12)) != order
    np.testing.assert_array_equal(x, rows[order])
    np.testing.assert_array_equal(feed.read(3, 5)[0], x[3:8])


def test_memory_data():
    proto = layer(
        'type: "MemoryData" top: "x" top: "y" memory_data_param { batch_size: 2 '
        "channels: 3 height: 10 width: 14 }"
    )
    feed = Feed(proto)
    assert (feed.size, feed.shapes()) == (0, ((2, 3, 10, 14), (2,)))
    with pytest.raises(DataError, match="has no arrays yet"):
        feed.read(0, 2)
    feed.set_arrays(IMAGES[:5], np.arange(5).reshape(5, 1, 1, 1))
    data, label = feed.read(3, 4)
    np.testing.assert_array_equal(data, IMAGES[[3, 4, 0, 1]])
    np.testing.assert_array_equal(label, [3, 4, 0, 1])
    with pytest.raises(UsageError, match="of 5x3x10x13"):
        feed.set_arrays(IMAGES[:5, :, :, :13], np.zeros(5))
    with pytest.raises(UsageError, match="5 pictures and 4 labels"):
        feed.set_arrays(IMAGES[:5], np.zeros(4))


def test_only_memory_data_takes_arrays(database):
    with pytest.raises(UsageError, match="takes no arrays"):
        Feed(data_layer(database, 2)).set_arrays(IMAGES, np.zeros(23))


@pytest.mark.parametrize(
    ("text", "kind", "problem", "remedy"),
    [
        (
            'type: "Date"', SpecError,
            "unknown data layer type 'Date'.", "Did you mean 'Data'?",
        ),
        (
            'type: "Data" data_param { batch_size: 2 }', SpecError,
            "names no source.", "Set data_param.source.",
        ),
        (
            'type: "Data" data_param { source: "none" backend: LMDB batch_size: 2 }',
            DataError, "there is no database 'none'.",
            "Make it: netspec data create IMAGE_FOLDER LIST_FILE 'none'.",
        ),
        (
            'type: "Data" data_param { source: "level" backend: LEVELDB }',
            DataError, "database 'level' has a CURRENT that names no manifest.",
            "Copy the whole folder again, or make the database anew.",
        ),
        (
            'type: "Data" data_param { source: "empty" backend: LMDB batch_size: 2 }',
            DataError, "folder 'empty' holds no data.mdb: it is not an LMDB.",
            "Make one: netspec data create IMAGE_FOLDER LIST_FILE 'empty'.",
        ),
        (
            'type: "Data" data_param { source: "hollow" backend: LMDB batch_size: 2 }',
            DataError, "database 'hollow' has no records.",
            "Make it anew: netspec data create IMAGE_FOLDER LIST_FILE 'hollow'.",
        ),
        (
            'type: "Data" top: "x" data_param { source: "db" backend: LMDB }',
            SpecError, "has batch_size 0.", "Set it to at least 1.",
        ),
        (
            'type: "Data" data_param { source: "db" backend: LMDB batch_size: 2 } '
            "transform_param { force_color: true force_gray: true }", SpecError,
            "has both force_color and force_gray.", "Keep one.",
        ),
        (
            'type: "Data" data_param { source: "db" backend: LMDB batch_size: 2 } '
            "transform_param { crop_size: 11 }", DataError,
            "record '00000000_0.png' of database 'db' is 3x10x14, smaller than "
            "crop_size 11.",
            "Lower crop_size, or make the pictures larger: short_side does.",
        ),
        (
            'type: "ImageData" image_data_param { source: "list" new_width: 3 }',
            SpecError, "has new_height 0 and new_width 3.", "Set both, or neither.",
        ),
        (
            'type: "ImageData" image_data_param { source: "none" }', DataError,
            "cannot read image list 'none': No such file or directory.",
            "Write a path, a space and an integer label on each line.",
        ),
        (
            'type: "ImageData" image_data_param { source: "blank" }', DataError,
            "image list 'blank' names no image.",
            "Write a path, a space and an integer label on each line.",
        ),
        (
            'type: "ImageData" image_data_param { source: "list" }', DataError,
            "the line 'b.png one' has no label.",
            "Write a path, a space and an integer label on each line.",
        ),
        (
            'type: "ImageData" image_data_param { source: "lost" root_folder: "img" }',
            DataError, "image 'imga.png' (lost:1) cannot be read: No such file or "
            "directory.",
            "Check the list's paths and the folder before them, with its last slash.",
        ),
        (
            'type: "HDF5Data" top: "x" hdf5_data_param { source: "none" }', DataError,
            "cannot read list 'none': No such file or directory.",
            "Write the path of an HDF5 file on each line.",
        ),
        (
            'type: "HDF5Data" top: "x" hdf5_data_param { source: "lost" }', DataError,
            "cannot open HDF5 file 'a.png': no such file.",
            "Check the paths in the list: relative ones start from where netspec runs.",
        ),
        (
            'type: "HDF5Data" top: "x" hdf5_data_param { source: "lost" } '
            "transform_param { scale: 2 }", SpecError,
            "does not transform its data.",
            "Leave transform_param out, and transform the data in its files.",
        ),
        (
            'type: "MemoryData" memory_data_param { batch_size: 2 channels: 3 }',
            SpecError, "has pictures of 3x0x0.",
            "Set channels, height and width, each at least 1.",
        ),
    ],
)  # fmt: skip
def test_errors(tmp_path, monkeypatch, text, kind, problem, remedy):
    monkeypatch.chdir(tmp_path)
    pictures_lmdb(tmp_path / "db", IMAGES[:2])
    write_lmdb(tmp_path / "hollow", [])
    (tmp_path / "empty").mkdir()
    (tmp_path / "level").mkdir()
    (tmp_path / "level/CURRENT").write_text("MANIFEST-000002\n")
    (tmp_path / "list").write_text("a.png 1\nb.png one\n")
    (tmp_path / "lost").write_text("a.png 1\n")
    (tmp_path / "blank").write_text("\n  \n")
    with pytest.raises(NetspecError) as raised:
        Feed(layer(text))
    error = raised.value
    assert (type(error), error.problem, error.remedy) == (kind, problem, remedy)
    assert error.layer is not None


def test_a_bad_record_is_named_when_it_is_reached(tmp_path):
    broken = image_file("JPEG", smooth(40, 50))[:700]
    path = write_lmdb(
        tmp_path / "db",
        [
            (b"0_good.jpg", encoded(image_file("JPEG", smooth(40, 50)), 0)),
            (b"1_cut.jpg", encoded(broken, 1)),
            (b"2_garbage", b"\xff\xff\xff"),
            (b"3_short", datum(IMAGES[0], 0)[:-200]),
            (b"4_\xff\n", b"\x20\x01"),
        ],
    )
    feed = Feed(data_layer(path, 1))
    feed.read(0, 1)
    for sample, (key, message) in enumerate(
        [
            ("1_cut.jpg", "cannot be decoded: "),
            ("2_garbage", "is not a Datum."),
            ("3_short", "is not a Datum."),
            (r"4_\xff\n", "holds no picture."),
        ],
        start=1,
    ):
        with pytest.raises(DataError) as raised:
            feed.read(sample, 1)
        start = f"record '{key}' of database '{path}' {message}"
        assert raised.value.problem.startswith(start)
        assert raised.value.layer == ("in", "Data")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.pop("y"), "has no dataset 'y'."),
        (
            lambda f: f.update(y=np.zeros((6, 1))),
            "have other numbers of rows: x 7, y 6.",
        ),
        (lambda f: f.update(y=np.array(["a"] * 7, "S3")), "holds |S3 of shape (7,)."),
        (lambda f: f.update(y=np.float32(3)), "holds float32 of shape ()."),
        (lambda f: f.update(x=np.zeros((7, 6))), "are 5 in '"),
        (lambda f: f.update(y=h5py.ExternalLink("b.h5", "y")), "has no dataset 'y'."),
    ],
)
def test_hdf5_errors(hdf5, change, problem):
    root, rows, marks = hdf5
    content = {"x": rows[:7], "y": marks[:7]}
    change(content)
    with h5py.File(root / "a.h5", "w") as file:
        for name, value in content.items():
            file[name] = value
    with pytest.raises(DataError) as raised:
        Feed(hdf5_layer(), root=root)
    assert problem in raised.value.problem


def test_hdf5_claims_are_checked_before_memory_is_taken(hdf5):
    root, _, _ = hdf5
    with h5py.File(root / "a.h5", "w") as file:
        file.create_dataset("x", (10**7, 10**4), "f4", chunks=(1, 10**4))
        file["y"] = np.zeros((10, 1))
    with pytest.raises(DataError, match="claims 400000000000 bytes and stores 0"):
        Feed(hdf5_layer(), root=root)


def test_hdf5_garbage(hdf5):
    root, _, _ = hdf5
    (root / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    with pytest.raises(DataError, match="cannot open HDF5 file"):
        Feed(hdf5_layer(), root=root)
