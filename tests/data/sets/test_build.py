"""Whole sets: what is written, and that nothing stops it or makes it differ."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.cli.main import main
from netspec.data.classes import ImageClass, read_classes_of
from netspec.data.database import Database
from netspec.data.decode import Channels, decode
from netspec.data.sets.build import Terms, finished, mean_pixel, store
from netspec.data.sets.labelling import by_folder
from netspec.data.sets.listing import open_set
from netspec.data.sets.stored import Stored
from netspec.errors import DataError, NetspecError, UsageError
from tests.conftest import ROOT
from tests.data.making import image_file, smooth
from tests.data.sets import making
from tests.data.sets.making import LABEL, TRAINING, VALIDATION, WNIDS, records


@pytest.fixture
def official(tmp_path, monkeypatch):
    """The official archives in a folder to work in."""
    monkeypatch.chdir(tmp_path)
    Path("train.tar").write_bytes(making.training_tar())
    Path("val.tar").write_bytes(making.tar_of(making.validation_files()))
    Path("kit.tar").write_bytes(making.tar_of(making.devkit_files()))
    return tmp_path


def run(command: str) -> int:
    return main(command.split())


COMMAND = "data imagenet --train train.tar --val val.tar --devkit kit.tar"


@pytest.mark.smoke
def test_the_official_archives(official, capsys):
    assert run(COMMAND) == 0
    shown = capsys.readouterr().out
    assert "data/ilsvrc12_train_lmdb: 10 images of 4 classes" in shown
    assert "     2         4 " + "#" * 40 in shown
    train = Path("data/ilsvrc12_train_lmdb")
    found = records(train)
    files = making.training_files()
    assert {key[9:]: data for key, data, _ in found} == files  # byte for byte
    assert [key[:9] for key, _, _ in found] == [f"{i:08d}_" for i in range(10)]
    assert [label for key, _, label in found] == [LABEL[k[9:18]] for k, _, _ in found]
    assert [k[9:] for k, _, _ in found] != sorted(files)  # shuffled
    val = records(Path("data/ilsvrc12_val_lmdb"))
    names = [*making.validation_files()]
    by_name = {key[9:]: label for key, _, label in val}
    assert by_name == {n: LABEL[WNIDS[i - 1]] for n, i in zip(names, VALIDATION)}
    classes = read_classes_of(train)
    assert classes is not None
    assert [c.name for c in classes] == [*LABEL]
    assert classes[0] == ImageClass("n01440764", "tench, Tinca tinca")
    means = [decode(data, Channels.COLOR).mean((0, 1)) for data in files.values()]
    told = json.loads((train / "contents.json").read_text())
    np.testing.assert_allclose(told["mean_pixel_bgr"], np.mean(means, 0), rtol=1e-9)
    assert told["records_of_each_class"] == [TRAINING[wnid] for wnid in LABEL]
    assert Database(train, Channels.COLOR).record(3)[0].shape[0] == 3


def test_info_tells_the_classes(official, capsys):
    assert run(COMMAND) == 0
    capsys.readouterr()
    assert run("data info data/ilsvrc12_train_lmdb") == 0
    shown = capsys.readouterr().out
    assert "10 of JPEG" in shown
    assert "classes.txt: 4 classes, from 'n01440764 tench, Tinca tinca' to" in shown


def test_folders_give_the_same_as_archives(official):
    assert run(COMMAND) == 0
    making.unpack(making.training_files(), Path("t"))
    sorted_val = {
        f"{WNIDS[number - 1]}/{name}": data
        for (name, data), number in zip(making.validation_files().items(), VALIDATION)
    }
    making.unpack(sorted_val, Path("v"))
    making.unpack(making.devkit_files(), Path("k"))
    command = "data imagenet --train t --val v --devkit k -o other"
    assert main(command.split()) == 0
    train = records(Path("data/ilsvrc12_train_lmdb"))
    assert records(Path("other/ilsvrc12_train_lmdb")) == train
    labels = Counter(label for _, _, label in records(Path("data/ilsvrc12_val_lmdb")))
    found = records(Path("other/ilsvrc12_val_lmdb"))
    assert Counter(label for _, _, label in found) == labels
    # Without a devkit, folders are classes all the same.
    assert run("data imagenet --train t --val v -o third") == 0
    assert records(Path("third/ilsvrc12_val_lmdb")) == found


def test_what_is_there_already_is_left(official, capsys):
    assert run(COMMAND) == 0
    before = os.stat("data/ilsvrc12_train_lmdb/data.mdb").st_mtime_ns
    capsys.readouterr()
    assert run(COMMAND) == 0
    assert capsys.readouterr().out.count("it is there already, whole") == 2
    assert os.stat("data/ilsvrc12_train_lmdb/data.mdb").st_mtime_ns == before
    assert main([*COMMAND.split(), "--seed", "4"]) == 2
    assert "exists." in capsys.readouterr().err
    assert main([*COMMAND.split(), "--seed", "4", "--force"]) == 0


def test_a_dry_run_writes_nothing(official, capsys):
    before = sorted(os.listdir())
    assert main([*COMMAND.split(), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "label 0, n01440764 tench, Tinca tinca" in shown
    assert sorted(os.listdir()) == before


def test_any_folder_and_the_classes_of_another(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train = {
        "dog/a.jpg": 0,
        "big cat/sub/b.JPEG": 1,
        "owl/c.png": 2,
        "big cat/d.jpg": 3,
    }
    making.unpack({name: making.jpeg(i) for name, i in train.items()}, Path("train"))
    making.unpack({"owl/x.jpg": making.jpeg(5), "owl/notes.txt": b"hi"}, Path("test"))
    assert run("data folder train db") == 0
    assert run("data folder test testdb --classes db --no-shuffle") == 0
    assert "other files, passed by: 1" in capsys.readouterr().out
    assert [c.name for c in read_classes_of(Path("db"))] == ["big_cat", "dog", "owl"]
    found = {key[9:]: label for key, _, label in records(Path("db"))}
    assert found == {
        "dog/a.jpg": 1,
        "sub/b.JPEG": 0,
        "owl/c.png": 2,
        "big cat/d.jpg": 0,
    }
    assert records(Path("testdb")) == [("00000000_owl/x.jpg", making.jpeg(5), 2)]
    Path("all.tar").write_bytes(
        making.tar_of({f"./set/train/{n}": making.jpeg(i) for n, i in train.items()})
    )
    assert run("data folder all.tar tardb --inside set/train") == 0
    assert records(Path("tardb")) == records(Path("db"))
    assert "lie deeper" not in capsys.readouterr().err
    assert run("data folder all.tar deep --inside set") == 0
    told = capsys.readouterr().err
    assert "as in 'train/big cat', which is of class 'train'" in told


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("imagenet", 2, "there is nothing to do."),
        ("imagenet --val val.tar", 4, "belongs to no known class."),
        ("imagenet --train none --devkit kit.tar", 4, "there is no 'none'."),
        ("imagenet --train val.tar", 4, "belongs to no known class."),
        ("imagenet --train kit.tar", 4, "there are 0 images for database"),
        ("folder val.tar db", 4, "belongs to no known class."),
        ("folder train.tar db --inside other", 4, "has no images in 'other'."),
        ("folder train.tar db --classes data", 2, "has no classes.txt."),
        ("folder train.tar kit.tar", 2, "'kit.tar' exists and is no database."),
    ],
)
def test_errors(official, capsys, arguments, code, message):
    before = {path for path in official.iterdir() if path.name != "data"}
    assert main(["data", *arguments.split()]) == code
    assert message in capsys.readouterr().err
    assert {path for path in official.iterdir() if path.name != "data"} == before


# Bad images --------------------------------------------------------------------------


def hostile() -> dict[str, bytes]:
    """Files of one class that no net should choke on; those with 'bad' are left out."""
    good = making.jpeg(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.arange(600, dtype=np.uint16).reshape(20, 30)
    lied = bytearray(good)
    at = lied.index(b"\xff\xc0")
    lied[at + 5 : at + 9] = b"\xea\x60\xea\x60"  # 60000 x 60000 pixels
    return {
        "grey.JPEG": image_file("JPEG", smooth(20, 30, "L")),
        "cmyk.JPEG": image_file("JPEG", smooth(20, 30, "CMYK")),
        "png.JPEG": image_file("PNG", smooth(20, 30)),
        "deep.png": image_file("PNG", Image.fromarray(deep)),
        "turned.JPEG": image_file("JPEG", smooth(20, 30), exif=exif),
        "bad_cut.JPEG": good[: len(good) // 2],
        "bad_empty.JPEG": b"",
        "bad_text.JPEG": b"<html>404</html>",
        "bad_giant.JPEG": bytes(lied),
    }  # fmt: skip


@pytest.mark.parametrize("workers", [1, 3])
def test_bad_images_stop_it_or_are_left_out(tmp_path, monkeypatch, capsys, workers):
    monkeypatch.chdir(tmp_path)
    making.unpack({f"c/{name}": data for name, data in hostile().items()}, Path("set"))
    command = ["data", "folder", "set", "db", "--workers", str(workers), "--no-shuffle"]
    assert main(command) == 4
    assert "image 'set/c/bad_cut.JPEG' cannot be decoded" in capsys.readouterr().err
    assert not Path("db").exists()
    assert main([*command, "--on-error", "skip"]) == 0
    shown = capsys.readouterr().out
    assert "5 records" in shown
    assert "left out 4 bad images" in shown
    assert "bad_giant.JPEG' has 60000 x 60000 pixels." in shown
    names = [key[9:] for key, _, _ in records(Path("db"))]
    assert names == sorted(f"c/{n}" for n in hostile() if not n.startswith("bad"))
    assert json.loads(Path("db/contents.json").read_text())["left_out"] == 4


def test_links_and_strange_names_in_archives_touch_nothing(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with tarfile.open("set.tar", "w") as tar:
        making.add(tar, "../../../tmp/c/evil.JPEG", making.jpeg(1))
        making.add(tar, "/c/root.JPEG", making.jpeg(2))
        making.add(
            tar, "c/link.JPEG", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"
        )
        making.add(tar, "c/pipe.JPEG", b"", type=tarfile.FIFOTYPE)
    command = "data folder set.tar db --on-error skip --no-shuffle"
    assert main(command.split()) == 0
    shown = capsys.readouterr().out
    assert "image 'c/link.JPEG' of 'set.tar' is a link." in shown
    assert "image 'c/pipe.JPEG' of 'set.tar' is a pipe." in shown
    assert [r[0] for r in records(Path("db"))] == ["00000002_c/root.JPEG",
                                                   "00000003_c/evil.JPEG"]  # fmt: skip
    assert not (tmp_path / "../../../tmp/c").resolve().exists()
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")}
    made = {"db/data.mdb", "db/classes.txt", "db/contents.json"}
    assert found == {"set.tar", "db", *made}


def test_nothing_that_can_be_decoded(tmp_path):
    making.unpack({"c/a.JPEG": b"x", "c/b.JPEG": b"y"}, tmp_path / "set")
    wanted = by_folder(open_set(tmp_path / "set"))
    with pytest.raises(DataError, match="none of the 2 images can be decoded"):
        store(wanted, tmp_path / "db", Terms(skip_bad=True))


# Going on ----------------------------------------------------------------------------


@pytest.fixture
def many(tmp_path):
    """Sixty images of three classes, every seventh of them bad."""
    files = {
        f"c{i % 3}/{i:02d}.JPEG": b"bad" if i % 7 == 3 else making.jpeg(i % 20)
        for i in range(60)
    }
    return by_folder(open_set(making.unpack(files, tmp_path / "set"))).shuffled(1)


class StopError(Exception):
    """An interruption."""


def interrupted(wanted, target, after: int) -> None:
    """Store, and be interrupted once so many files are dealt with."""

    def tell(done: int, total: int) -> None:
        if done == after:
            raise StopError

    with pytest.raises(StopError):
        store(wanted, target, Terms(skip_bad=True, workers=2, progress=tell))


def test_going_on_gives_the_same(many, tmp_path, monkeypatch):
    whole = store(many, tmp_path / "whole", Terms(skip_bad=True))
    monkeypatch.setattr("netspec.data.writer._BATCH_RECORDS", 4)
    target = tmp_path / "db"
    for after in (9, 20, 21, 50):
        interrupted(many, target, after)
        assert not target.exists()
    stored = store(many, target, Terms(skip_bad=True))
    assert 40 < stored.resumed <= 50
    assert records(target) == records(tmp_path / "whole")
    for name in ("classes.txt", "contents.json"):
        assert (target / name).read_text() == (tmp_path / "whole" / name).read_text()
    assert (stored.labels, stored.skipped, stored.faults) == (
        whole.labels, whole.skipped, whole.faults,
    )  # fmt: skip
    assert sorted(os.listdir(tmp_path)) == ["db", "set", "whole"]
    assert finished(many, target)


def test_another_set_begins_anew(many, tmp_path, monkeypatch):
    monkeypatch.setattr("netspec.data.writer._BATCH_RECORDS", 4)
    interrupted(many, tmp_path / "db", 30)
    other = many.shuffled(2)
    stored = store(other, tmp_path / "db", Terms(skip_bad=True))
    assert stored.resumed == 0
    assert [r[0][12:] for r in records(tmp_path / "db")] == [
        i.path[3:] for i in other.items if many.images.read(i) != b"bad"
    ]


def test_a_damaged_state_begins_anew_and_a_lost_one_is_told(
    many, tmp_path, monkeypatch
):
    monkeypatch.setattr("netspec.data.writer._BATCH_RECORDS", 4)
    partial = tmp_path / ".db.partial"
    interrupted(many, tmp_path / "db", 30)
    (partial / "state.json").write_text("{")
    assert store(many, tmp_path / "db", Terms(skip_bad=True)).resumed == 0
    interrupted(many, tmp_path / "db2", 30)
    (tmp_path / ".db2.partial/data.mdb").unlink()
    with pytest.raises(DataError, match=r"what is left of database .* is damaged"):
        store(many, tmp_path / "db2", Terms(skip_bad=True))


def test_two_at_once_are_refused(many, tmp_path):
    def tell(done: int, total: int) -> None:
        if done == 5:
            store(many, tmp_path / "db", Terms(skip_bad=True))

    with pytest.raises(UsageError, match="is being made by another process"):
        store(many, tmp_path / "db", Terms(skip_bad=True, progress=tell))


SLOWLY = """
import sys, time
from pathlib import Path
from netspec.data import writer
from netspec.data.sets.build import Terms, store
from netspec.data.sets.labelling import by_folder
from netspec.data.sets.listing import open_set
from netspec.data.sets.stored import Stored
writer._BATCH_RECORDS = 3
wanted = by_folder(open_set(Path(sys.argv[1]))).shuffled(1)
store(wanted, Path(sys.argv[2]), Terms(True, progress=lambda d, n: time.sleep(0.02)))
"""


def test_killed_at_any_moment(many, tmp_path):
    store(many, tmp_path / "whole", Terms(skip_bad=True))
    command = [
        sys.executable,
        "-c",
        SLOWLY,
        str(tmp_path / "set"),
        str(tmp_path / "db"),
    ]
    for delay in (0.1, 0.33):
        child = subprocess.Popen(command, cwd=ROOT)
        while not (tmp_path / ".db.partial/state.json").exists():
            assert child.poll() is None
            time.sleep(0.01)
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert not (tmp_path / "db").exists()
    stored = store(many, tmp_path / "db", Terms(skip_bad=True))
    assert stored.resumed > 5
    assert records(tmp_path / "db") == records(tmp_path / "whole")


@pytest.mark.parametrize("size", [(64, 200), (129, 95), (250, 367)])
def test_the_mean_of_an_eighth_is_the_mean(size):
    data = image_file("JPEG", smooth(*size), quality=95)
    wanted = decode(data, Channels.COLOR).mean((0, 1))
    # Blocks at a border are filled up with what the encoder likes.
    np.testing.assert_allclose(mean_pixel(data), wanted, atol=0.4)


def test_states_are_plain_values():
    stored = Stored(5, Counter({3: 2, 1: 1}), [0.1, 2.5, 1 / 3], 2, ["a", "b"])
    again = Stored.of(json.loads(json.dumps(stored.state())))
    assert again == Stored(5, stored.labels, stored.colours, 2, ["a", "b"], 5)


def test_errors_are_netspecs(tmp_path):
    with pytest.raises(NetspecError):
        open_set(tmp_path / "none")
