from __future__ import annotations

import random
import shutil
import subprocess
import sys

import numpy as np
import pytest

from netspec.data.database import Database
from netspec.data.feed import Feed
from netspec.data.inspect import contents, verify
from netspec.data.leveldb import LevelDb
from netspec.data.leveldb.kernels import crc32c, unsnappy
from netspec.errors import DataError
from tests.data.making import datum, layer, pictures

plyvel = pytest.importorskip("plyvel", reason="LevelDB's own library is not there")


def write(path, batches, **options):
    """A LevelDB by LevelDB itself; a value None deletes its key."""
    database = plyvel.DB(str(path), create_if_missing=True, **options)
    for batch in batches:
        with database.write_batch() as writing:
            for key, value in batch:
                if value is None:
                    writing.delete(key)
                else:
                    writing.put(key, value)
    database.close()
    return path


def read(path):
    found = LevelDb(path)
    return [tuple(map(bytes, found.item(i))) for i in range(len(found))]


def truth(path):
    """What LevelDB reads; it opens a copy, as it writes to what it opens."""
    copy = path.with_name(path.name + "_copy")
    shutil.copytree(path, copy)
    database = plyvel.DB(str(copy))
    found = list(database)
    database.close()
    shutil.rmtree(copy)
    return found


def values(count, size, seed=0):
    """Half noise and half runs, so that Snappy has something to do."""
    draw = np.random.default_rng(seed)
    return [
        draw.integers(0, 256, size, np.uint8).tobytes() + bytes([i % 7]) * size
        for i in range(count)
    ]


def test_crc32c_is_that_of_the_rfc():
    for data, wanted in (
        (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"", 0),
        (bytes(range(32)), 0x46DD794E),
    ):  # fmt: skip
        assert crc32c(np.frombuffer(data, np.uint8)) == wanted


def test_snappy_elements():
    # A literal "abcd", and copies: 5 bytes from 4 back (one byte of offset), 3 bytes
    # from 2 back (two bytes), 2 from 12 back (four bytes).
    data = bytes([3 << 2]) + b"abcd" + bytes([1 | 1 << 2, 4])
    data += bytes([2 | 2 << 2, 2, 0]) + bytes([3 | 1 << 2, 12, 0, 0, 0])
    packed, out = np.frombuffer(data, np.uint8), np.empty(14, np.uint8)
    assert unsnappy(packed, 0, out) == len(data)
    assert out.tobytes() == b"abcd" + b"abcda" + b"dad" + b"ab"
    for end in range(1, len(data)):
        assert unsnappy(packed[:end], 0, out) == -1


@pytest.mark.parametrize("options", [
    {"compression": "snappy"}, {"compression": None},
    {"compression": "snappy", "block_size": 65536},
    {"compression": "snappy", "write_buffer_size": 1 << 16},
], ids=["snappy", "raw", "as Caffe", "many tables"])  # fmt: skip
@pytest.mark.parametrize("size", [3, 1400, 9000])
def test_records_are_those_of_leveldb(tmp_path, options, size):
    records = [(b"%08d_%d" % (i * 3, i), v) for i, v in enumerate(values(150, size))]
    path = write(tmp_path / "db", (records[i : i + 40] for i in range(0, 150, 40)),
                 **options)  # fmt: skip
    assert read(path) == records == truth(path)


def test_what_came_last_counts(tmp_path):
    draw = random.Random(3)
    batches = [
        [
            (b"%03d" % draw.randrange(200), draw.choice((None, draw.randbytes(700))))
            for _ in range(30)
        ]
        for _ in range(60)
    ]
    path = tmp_path / "db"
    for part in (batches[:25], batches[25:50], batches[50:]):  # opening makes tables
        write(path, part, write_buffer_size=1 << 16)
    assert len(list(path.glob("*.ldb"))) > 1
    assert read(path) == truth(path)
    assert len(read(path)) < 200


def test_compacted_levels(tmp_path):
    path = tmp_path / "db"
    database = plyvel.DB(str(path), create_if_missing=True, write_buffer_size=1 << 16)
    records = [(b"%06d" % (i * 17 % 2000), v) for i, v in enumerate(values(2000, 300))]
    for key, value in records:
        database.put(key, value)
    database.compact_range()
    for key, value in records[:5]:
        database.put(key, value + b"new")
    database.close()
    found = read(path)
    assert found == truth(path)
    assert dict(found)[records[0][0]].endswith(b"new")


def test_reading_changes_nothing(tmp_path):
    path = write(tmp_path / "db", [[(b"a", b"1"), (b"b", b"22")]])
    before = {f.name: (f.read_bytes(), f.stat().st_mtime_ns) for f in path.iterdir()}
    assert read(path) == [(b"a", b"1"), (b"b", b"22")]
    after = {f.name: (f.read_bytes(), f.stat().st_mtime_ns) for f in path.iterdir()}
    assert after == before


def test_a_feed_of_datums(tmp_path):
    images = pictures(25, (3, 9, 7))
    batch = [(b"%08d" % i, datum(x, i % 4)) for i, x in enumerate(images)]
    path = write(tmp_path / "db", [batch], block_size=512)
    feed = Feed(layer(
        f'type: "Data" top: "data" top: "label" data_param {{ source: "{path}" '
        "backend: LEVELDB batch_size: 4 shuffle: true }"
    ))  # fmt: skip
    data, labels = feed.read(0, 25)
    order = feed.records(0, 25)
    np.testing.assert_array_equal(data, images[order])
    np.testing.assert_array_equal(labels, [i % 4 for i in order])
    found = contents(Database(path))
    assert (found.count, found.first_shape, found.first_key) == (
        25, (3, 9, 7), "00000000"
    )  # fmt: skip
    assert list(verify(Database(path))) == []


def test_a_locked_database_is_refused(tmp_path):
    pytest.importorskip("fcntl")
    path = write(tmp_path / "db", [[(b"a", b"1")]])
    code = (
        f"import plyvel, sys; db = plyvel.DB({str(path)!r}); print('open', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(DataError) as raised:
            LevelDb(path)
        holder.stdin.close()
    assert raised.value.problem == f"database '{path}' is open in another program."
    assert read(path) == [(b"a", b"1")]


def test_an_empty_database_is_refused(tmp_path):
    path = write(tmp_path / "db", [])
    assert len(LevelDb(path)) == 0
    with pytest.raises(DataError, match="has no records"):
        Database(path)


def tables(tmp_path, **options):
    """A database whose records are all in tables."""
    records = [(b"%05d" % i, v) for i, v in enumerate(values(300, 500))]
    path = write(tmp_path / "db", [records], **options)
    write(path, [])  # opening again turns the log into tables
    assert read(path) == records
    return path, max(path.glob("*.ldb"), key=lambda file: file.stat().st_size)


def no_manifest(path, table):
    (path / "CURRENT").write_bytes(b"../other\n")


def manifest_gone(path, table):
    next(path.glob("MANIFEST-*")).unlink()


def manifest_bit(path, table):
    flip(next(path.glob("MANIFEST-*")), 20)


def table_gone(path, table):
    table.unlink()


def table_short(path, table):
    table.write_bytes(table.read_bytes()[:-9])


def table_bit(path, table):
    flip(table, 300)


def table_footer(path, table):
    flip(table, table.stat().st_size - 1)


def flip(file, at):
    data = bytearray(file.read_bytes())
    data[at] ^= 0x10
    file.write_bytes(data)


@pytest.mark.parametrize(("damage", "message"), [
    (no_manifest, "has a CURRENT that names no manifest."),
    (manifest_gone, "has a CURRENT that names no manifest."),
    (manifest_bit, "is damaged at byte 0."),
    (table_gone, "cannot open database"),
    (table_short, "bytes, and should"),
    (table_bit, "is damaged at byte 0."),
    (table_footer, "is not a LevelDB table."),
])  # fmt: skip
def test_damage_is_named(tmp_path, damage, message):
    path, table = tables(tmp_path)
    damage(path, table)
    with pytest.raises(DataError, match="database") as raised:
        read(path)
    assert message in raised.value.problem
    assert raised.value.remedy


def test_a_cut_log_ends_at_its_last_whole_batch(tmp_path):
    batches = [[(b"%04d" % i, v)] for i, v in enumerate(values(60, 1500))]
    path = write(tmp_path / "db", batches)
    log = max(path.glob("*.log"), key=lambda file: file.stat().st_size)
    log.write_bytes(log.read_bytes()[:-700])
    found = read(path)
    assert found == [record for batch in batches[:59] for record in batch]


def test_a_damaged_log_is_named(tmp_path):
    batches = [[(b"%04d" % i, v)] for i, v in enumerate(values(60, 1500))]
    path = write(tmp_path / "db", batches)
    log = max(path.glob("*.log"), key=lambda file: file.stat().st_size)
    flip(log, 50_000)
    with pytest.raises(DataError, match=r"\.log' is damaged at byte"):
        LevelDb(path)


def test_another_order_of_keys_is_refused(tmp_path):
    path = tmp_path / "db"
    plyvel.DB(
        str(path), create_if_missing=True, comparator_name=b"idb_cmp1",
        comparator=lambda a, b: (a > b) - (a < b),
    ).close()  # fmt: skip
    with pytest.raises(DataError, match="orders its keys by 'idb_cmp1'"):
        LevelDb(path)


def test_a_damaged_file_never_crashes(tmp_path):
    path, _ = tables(tmp_path, block_size=700)
    draw = random.Random(11)
    outcomes = {"read": 0, "refused": 0}
    sound = {file: file.read_bytes() for file in path.iterdir() if file.stat().st_size}
    for _ in range(200):
        file = draw.choice([f for f in sound if f.name != "LOG"])
        data = bytearray(sound[file])
        for _ in range(draw.choice((1, 3, 30))):
            at = draw.choice((0, len(data) * 9 // 10))
            data[draw.randrange(at, len(data))] = draw.randrange(256)
        if draw.random() < 0.2:
            del data[draw.randrange(len(data)) :]
        file.write_bytes(data)
        try:
            read(path)
            outcomes["read"] += 1
        except DataError:
            outcomes["refused"] += 1
        file.write_bytes(sound[file])
    assert outcomes["refused"] > 50
