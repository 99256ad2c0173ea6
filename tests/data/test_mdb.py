from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.data.mdb import MdbFile
from netspec.errors import DataError
from tests.data.making import write_lmdb

# Lengths around LMDB's limits: values up to about 2,000 bytes lie in the leaf page.
lengths = st.sampled_from([0, 1, 30, 500, 1990, 2020, 2040, 4080, 4097, 20000])
items = st.dictionaries(st.binary(min_size=1, max_size=60), lengths, max_size=120)


def read(path: Path) -> list[tuple[bytes, bytes]]:
    mdb = MdbFile(path)
    return [tuple(map(bytes, mdb.item(i))) for i in range(len(mdb))]


@settings(max_examples=25, deadline=None)
@given(items, st.integers(0, 2**32))
def test_reads_what_liblmdb_wrote(tmp_path_factory, items, seed):
    draw = random.Random(seed)
    wanted = {key: draw.randbytes(length) for key, length in items.items()}
    path = write_lmdb(tmp_path_factory.mktemp("db"), wanted.items())
    assert read(path) == sorted(wanted.items())


def test_reads_a_tree_that_was_changed(tmp_path):
    path = write_lmdb(tmp_path, ((b"%07d" % i, b"x" * (i % 900)) for i in range(6000)))
    environment = lmdb.open(str(path), map_size=1 << 26, lock=False)
    with environment.begin(write=True) as transaction:
        for i in range(0, 6000, 3):
            transaction.delete(b"%07d" % i)
        transaction.put(b"0000003", b"y" * 5000)
    with environment.begin() as transaction:
        wanted = list(transaction.cursor())
        assert environment.stat()["depth"] >= 3
    environment.close()
    assert read(path) == wanted


@pytest.mark.smoke
def test_random_access_in_any_order_and_from_threads(tmp_path):
    path = write_lmdb(tmp_path, ((b"%05d" % i, b"%d" % i * 300) for i in range(4000)))
    order = random.Random(1).sample(range(4000), 4000)
    mdb = MdbFile(path)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: bytes(mdb.item(i)[1]), order))
    assert found == [b"%d" % i * 300 for i in order]


def test_the_file_itself_may_be_named(tmp_path):
    path = write_lmdb(tmp_path, [(b"a", b"1"), (b"b", b"22")])
    assert read(path / "data.mdb") == [(b"a", b"1"), (b"b", b"22")]


def test_no_records(tmp_path):
    assert len(MdbFile(write_lmdb(tmp_path, []))) == 0


@pytest.mark.parametrize("index", [-1, 2])
def test_no_such_record(tmp_path, index):
    mdb = MdbFile(write_lmdb(tmp_path, [(b"a", b"1"), (b"b", b"22")]))
    with pytest.raises(IndexError):
        mdb.item(index)


def _no_magic(data: bytearray) -> None:
    data[16] ^= 1


def _version(data: bytearray) -> None:
    data[20] = 2


def _page_size(data: bytearray) -> None:
    data[40] = 17


def _half(data: bytearray) -> None:
    del data[len(data) // 2 :]


def _nothing(data: bytearray) -> None:
    data.clear()


def _second_header(data: bytearray) -> None:
    data[4096 + 16] ^= 1


def _several_values(data: bytearray) -> None:
    for header in (0, 4096):
        data[header + 92] |= 0x04  # MDB_DUPSORT among the main tree's flags


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_no_magic, "is not an LMDB file of a 64-bit machine."),
        (_version, "has LMDB data version 2."),
        (_page_size, "has a damaged header."),
        (_second_header, "has a damaged header."),
        (_half, "refers to page 13, and has 7 pages."),
        (_nothing, "is empty."),
        (_several_values, "holds several values a key."),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    path = write_lmdb(tmp_path, ((b"%05d" % i, b"x" * 300) for i in range(120)))
    file = path / "data.mdb"
    data = bytearray(file.read_bytes())
    damage(data)
    file.unlink()
    file.write_bytes(data)
    with pytest.raises(DataError) as raised:
        MdbFile(path).item(0)
    assert raised.value.problem == f"database '{file}' {message}"
    assert raised.value.remedy


def test_named_databases_are_refused(tmp_path):
    environment = lmdb.open(str(tmp_path), map_size=1 << 24, lock=False, max_dbs=1)
    with environment.begin(write=True) as transaction:
        named = environment.open_db(b"name", txn=transaction)
        transaction.put(b"a", b"1", db=named)
    environment.close()
    with pytest.raises(DataError, match="holds named databases"):
        MdbFile(tmp_path).item(0)


def test_behind_a_damaged_page_records_do_not_change_their_numbers(tmp_path):
    path = write_lmdb(tmp_path, ((b"%07d" % i, b"x" * 30) for i in range(30000)))
    file = path / "data.mdb"
    environment = lmdb.open(str(path), readonly=True, lock=False)
    assert environment.stat()["depth"] == 3
    environment.close()
    data = bytearray(file.read_bytes())
    branches = [p for p in range(0, len(data), 4096) if data[p + 10] == 1]
    data[branches[0]] ^= 0xFF  # the first branch page: its own number
    file.unlink()
    file.write_bytes(data)
    mdb = MdbFile(path)
    for index in (0, 20000, 29999):
        with pytest.raises(DataError, match="is damaged at page"):
            mdb.item(index)
    assert mdb.failure is not None


def test_a_damaged_file_never_crashes(tmp_path):
    source = write_lmdb(
        tmp_path / "a", ((b"%05d" % i, b"x" * (i * 7)) for i in range(400))
    )
    sound = (source / "data.mdb").read_bytes()
    draw, file = random.Random(7), tmp_path / "data.mdb"
    outcomes = {"read": 0, "refused": 0}
    for _ in range(400):
        data = bytearray(sound)
        for _ in range(draw.choice((1, 1, 5, 40))):
            page = draw.randrange(len(data) // 4096)
            data[page * 4096 + draw.randrange(draw.choice((48, 4096)))] = (
                draw.randrange(256)
            )
        if draw.random() < 0.2:
            del data[draw.randrange(len(data)) :]
        file.unlink(missing_ok=True)
        file.write_bytes(data)
        try:
            read(file)
            outcomes["read"] += 1
        except DataError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 20
