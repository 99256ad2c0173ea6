"""netspec data resize: copies of images at one size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from netspec.cli.main import main
from netspec.data.resize import resize
from netspec.data.resize_files import Resizing

RNG = np.random.default_rng(5)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name, size in (("a.png", (40, 30)), ("sub/b.jpg", (21, 50))):
        pixels = RNG.integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    return tmp_path


def sizes(folder) -> dict[str, tuple[int, int]]:
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with Image.open(path) as image:
            found[str(path.relative_to(folder))] = image.size
    return found


def test_a_folder_keeps_its_paths(folder, capsys):
    assert main(["data", "resize", "in", "out", "--side", "12"]) == 0
    assert capsys.readouterr().out.endswith("out: 2 images\n")
    assert sizes(folder / "out") == {"a.png": (12, 12), "sub/b.jpg": (12, 12)}
    assert main(["data", "resize", "in", "out", "--side", "12", "--no-crop"]) == 0
    assert sizes(folder / "out") == {"a.png": (16, 12), "sub/b.jpg": (12, 29)}


def test_pixels_are_those_of_caffes_resizing():
    picture = RNG.integers(0, 256, (30, 47, 3), np.uint8)
    found = Resizing(20).apply(picture)
    whole = resize(picture, 20, 31)  # 47 * 20 / 30, rounded
    np.testing.assert_array_equal(found, whole[:, 5:25])


def test_a_list(folder, capsys):
    (folder / "list.txt").write_text("in/a.png\n\nin/sub/b.jpg\n")
    assert main(["data", "resize", "list.txt", "out", "--side", "9"]) == 0
    assert sizes(folder / "out") == {"a.png": (9, 9), "b.jpg": (9, 9)}


def test_bad_images(folder, capsys):
    (folder / "in" / "c.png").write_bytes(b"no image")
    assert main(["data", "resize", "in", "out", "--side", "9"]) == 4
    assert "netspec: in/c.png: " in capsys.readouterr().err
    args = ["data", "resize", "in", "out", "--side", "9", "--on-error", "skip"]
    assert main(args) == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].startswith("skipped: in/c.png: ")
    assert said.out.endswith("out: 2 images\n")


def test_mistakes(folder, capsys):
    (folder / "twice.txt").write_text("in/a.png\nb/a.png\n")
    for args, code, said in (
        ("in out --side 0", 2, "--side is 0."),
        ("none out", 4, "cannot read 'none': No such file"),
        ("twice.txt out", 2, "list 'twice.txt' has several images of one name."),
    ):
        assert main(["data", "resize", *args.split()]) == code
        assert said in capsys.readouterr().err
