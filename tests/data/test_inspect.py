from __future__ import annotations

import numpy as np

from netspec.data.database import Database
from netspec.data.inspect import contents, verify
from netspec.data.sheet import Tile, contact_sheet, write_sheet
from tests.data.making import datum, encoded, image_file, pictures, smooth, write_lmdb

GOOD = [
    datum(pictures(1, (3, 5, 7))[0], 3),
    datum(pictures(1, (3, 5, 7))[0], 4),
    datum(pictures(1, (1, 4, 4))[0].astype(np.float32), 3),
    encoded(image_file("JPEG", smooth(16, 20)), 1),
    encoded(image_file("PNG", smooth(9, 8)), 3),
    encoded(image_file("WEBP", smooth(9, 8)), 3),
]


def database(path, wires) -> Database:
    return Database(write_lmdb(path, ((b"k%02d" % i, w) for i, w in enumerate(wires))))


def test_contents(tmp_path):
    found = contents(database(tmp_path / "db", GOOD))
    assert found.count == 6
    assert found.file_size == (tmp_path / "db/data.mdb").stat().st_size
    assert (found.first_key, found.first_shape) == ("k00", (3, 5, 7))
    assert found.kinds == {"pixels": 2, "floats": 1, "JPEG": 1, "PNG": 1, "WEBP": 1}
    assert found.shapes == {(3, 5, 7): 2, (1, 4, 4): 1}
    assert found.labels == {3: 4, 4: 1, 1: 1}


def test_verify_finds_nothing_wrong(tmp_path):
    told = []
    made = database(tmp_path / "db", GOOD)
    assert list(verify(made, 2, lambda done, total: told.append(done))) == []
    assert told == list(range(1, 7))


def test_verify_lists_every_bad_record(tmp_path):
    bad = [GOOD[0][:-1], GOOD[1], GOOD[3][:300], b"\x20\x01"]
    problems = list(verify(database(tmp_path / "db", bad), 2))
    assert [p.split("'")[1] for p in problems] == ["k00", "k02", "k03"]


def test_verify_stops_where_the_tree_is_broken(tmp_path):
    path = write_lmdb(tmp_path / "db", ((b"%06d" % i, GOOD[0]) for i in range(30000)))
    file = path / "data.mdb"
    data = bytearray(file.read_bytes())
    branches = [p for p in range(0, len(data), 4096) if data[p + 10] == 1]
    data[branches[len(branches) // 2]] ^= 0xFF
    file.unlink()
    file.write_bytes(data)
    problems = list(verify(Database(path), 2))
    assert len(problems) == 1
    assert "is damaged at page" in problems[0]


def test_a_contact_sheet(tmp_path):
    red = np.zeros((3, 10, 20), np.uint8)
    red[2] = 255  # BGR
    gray = np.full((1, 40, 80), 7, np.uint8)
    floats = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 8, 8)
    odd = np.full((2, 3, 3), np.nan, np.float32)
    tiles = [Tile(p, str(i)) for i, p in enumerate((red, gray, floats, odd))]
    sheet = contact_sheet(tiles, columns=3, side=32)
    # Cells are 36 wide and 50 high, after 4 of margin.
    assert sheet.size == (3 * 36 + 4, 2 * 50 + 4)
    assert sheet.getpixel((5, 5)) == (255, 0, 0)
    assert sheet.getpixel((23, 5)) == (255, 0, 0)
    assert sheet.getpixel((25, 5)) == (255, 255, 255)  # 20 wide is not enlarged
    assert sheet.getpixel((41, 5)) == (7, 7, 7)
    assert sheet.getpixel((77, 5)) == (0, 0, 0)  # 8 pixels are enlarged to 32
    assert sheet.getpixel((77 + 30, 5 + 30)) == (255, 255, 255)
    write_sheet(tmp_path / "sheet.png", sheet)
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"
