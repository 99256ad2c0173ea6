from __future__ import annotations

import io
import sys
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from netspec.cli import progress
from netspec.cli.data import classes_text
from netspec.cli.main import main
from netspec.data.database import Database
from netspec.data.mean import read_mean
from tests.data.making import datum, image_file, pictures, smooth, write_lmdb


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with three images and their list."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img").mkdir()
    for i in range(3):
        (tmp_path / f"img/{i}.png").write_bytes(image_file("PNG", smooth(8 + i, 12)))
    (tmp_path / "list").write_text("0.png 5\n1.png 7\n2.png 5\n")
    return tmp_path


@pytest.mark.smoke
def test_create_info_mean_verify_show(folder, capsys):
    create = ["data", "create", "img", "list", "db"]
    assert main([*create, "--resize_height=6", "-resize_width", "9", "--shuffle"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "db: 3 records",
        "shapes: 3x6x9 (3)",
        "2 classes, labels 5 to 7",
        f"     5         2 {'#' * 40}",
        f"     7         1 {'#' * 20}",
    ]
    assert main(["data", "info", "db"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("db: 3 records, ")
    assert "records: 3 of pixels\nshapes: 3x6x9 (3)\n2 classes, labels 5 to 7" in shown

    assert main(["data", "mean", "db", "-o", "mean.binaryproto"]) == 0
    shown = capsys.readouterr().out.splitlines()
    mean = read_mean(folder / "mean.binaryproto")
    assert shown[0] == "mean.binaryproto: 3x6x9"
    values = [float(line.removeprefix("mean_value: ")) for line in shown[1:]]
    np.testing.assert_allclose(values, mean.mean((1, 2)), rtol=1e-5)

    assert main(["data", "verify", "db", "--workers", "2"]) == 0
    assert capsys.readouterr().out == "db: 3 records, 0 bad\n"

    assert main(["data", "show", "db", "-o", "sheet.png", "--first", "1"]) == 0
    assert capsys.readouterr().out == "sheet.png: records 1 to 2 with their labels\n"
    assert Image.open(folder / "sheet.png").size == (2 * 100 + 4, 114 + 4)


def test_create_skips_bad_images_when_asked(folder, capsys):
    (folder / "img/1.png").write_bytes(b"bad")
    assert main(["data", "create", "img", "list", "db", "--on-error", "skip"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-2:] == [
        "skipped: image 'img/1.png' is not an image of a known format.",
        "skipped 1 bad images",
    ]
    assert "note: pictures of different shapes need crop_size" in shown[2]


def test_create_from_mnist(shared_data, tmp_path, capsys):
    idx = shared_data / "images" / "mnist_idx"
    files = [idx / f"t10k-{what}-ubyte.gz" for what in ("images-idx3", "labels-idx1")]
    target = tmp_path / "db"
    assert main(["data", "create", "--mnist", *map(str, files), str(target)]) == 0
    shown = capsys.readouterr().out
    assert f"{target}: 10,000 records\nshapes: 1x28x28 (10,000)\n10 classes" in shown
    database = Database(target)
    assert [database.record(i)[1] for i in range(6)] == [7, 2, 1, 0, 4, 1]


def test_verify_lists_bad_records_and_exits_with_4(folder, capsys):
    wire = datum(pictures(1, (1, 4, 5))[0], 2)
    write_lmdb(folder / "db", [(b"a", wire), (b"b", wire[:-1]), (b"c", b"\xff")])
    assert main(["data", "verify", "db"]) == 4
    assert capsys.readouterr().out.splitlines() == [
        "record 'b' of database 'db' is not a Datum.",
        "record 'c' of database 'db' is not a Datum.",
        "db: 3 records, 2 bad",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            "create img list db --resize-width 4",
            2,
            "cannot resize to width 4 and height 0",
        ),
        ("create img list db --rgb --gray", 2, "--rgb is about the order of stored"),
        ("create img list db --backend leveldb", 2, "cannot write a leveldb database."),
        ("create img list img", 2, "'img' exists and is no database."),
        ("create img nolist db", 4, "cannot read image list 'nolist'"),
        ("create other list db", 4, "image 'other/0.png' cannot be read"),
        ("create img list", 2, "the following arguments are required: DB"),
        ("info db", 4, "there is no database 'db'."),
        ("verify img", 4, "folder 'img' holds no data.mdb"),
        ("mean db -o m", 4, "there is no database 'db'."),
        ("show ok -o s.png --first 1", 2, "cannot show 64 records from number 1"),
        ("show ok -o s.png --columns 0", 2, "cannot show 64 records from number 0"),
        ("show ok -o none/s.png", 4, "there is no folder"),
        ("shuffle db", 2, "invalid choice: 'shuffle'"),
    ],
)
def test_errors(folder, capsys, arguments, code, message):
    write_lmdb(folder / "ok", [(b"a", datum(pictures(1, (1, 4, 5))[0], 2))])
    before = sorted(folder.rglob("*"))
    assert main(["data", *arguments.split()]) == code
    assert message in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_many_classes_are_summed_up():
    labels = Counter({i: 10 + i for i in range(1000)})
    assert classes_text(labels) == (
        "1,000 classes, labels 0 to 999, 10 to 1,009 records each"
    )


def test_progress_in_lines(monkeypatch, capsys):
    clock = iter([0.0, 3.0, 12.0, 13.0, 30.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with progress.progress("create") as tell:
        for done in (10, 600, 700, 2400):
            tell(done, 10000)
    assert capsys.readouterr().err.splitlines() == [
        "create 600/10000, 50/s, 3:08 left",
        "create 2400/10000, 80/s, 1:35 left",
    ]


def test_progress_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.progress("create") as tell:
        tell(5, 20)
        tell(20, 20)
    assert "create" in sys.stderr.getvalue()
    assert "20/20" in sys.stderr.getvalue()
