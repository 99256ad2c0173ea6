"""netspec detect: windows of images to scores of classes."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from netspec import pycaffe
from netspec.cli.detect import read_windows
from netspec.cli.main import main
from netspec.cli.transform_options import mean_of
from netspec.data.mean import write_mean
from netspec.pycaffe import Detector

NET = """layer { name: "x" type: "Input" top: "x"
  input_param { shape { dim: 3 dim: 3 dim: 6 dim: 5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0.002 } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
WINDOWS = [
    ("a.png", 1, 2, 15, 20),
    ("a.png", 0, 0, 20, 30.5),
    ("b.png", 3, 4, 9, 12),
    ("a.png", 2, 2, 8, 7),
]
HEAD = "filename,ymin,xmin,ymax,xmax\n"
ARGS = ["--model", "net.prototxt", "--weights", "w.caffemodel", "--mean", "9,20,40"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    pycaffe.Net("net.prototxt", pycaffe.TEST).save("w.caffemodel")
    rng = np.random.default_rng(3)
    for name, shape in (("a.png", (20, 31, 3)), ("b.png", (12, 14, 3))):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(name)
    rows = [",".join(map(str, row)) for row in WINDOWS]
    (tmp_path / "windows.csv").write_text(HEAD + "\n".join(rows) + "\n")
    return tmp_path


def found(path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("pad", [0, 1])
def test_windows_are_what_pycaffes_detector_makes_of_them(folder, capsys, pad):
    args = [*ARGS, "--context-pad", str(pad), "--input-scale", "0.5"]
    assert main(["detect", "windows.csv", "out.csv", *args]) == 0
    assert capsys.readouterr().out.endswith("wrote out.csv: 4 windows\n")
    head, *rows = found(folder / "out.csv")
    assert head == [*HEAD.strip().split(","), *(f"class{n}" for n in range(4))]
    net = Detector(
        "net.prototxt", "w.caffemodel", np.array([9, 20, 40.0]), 0.5, 255, (2, 1, 0),
        pad or None,
    )  # fmt: skip
    expected = net.detect_windows([(row[0], [row[1:]]) for row in WINDOWS])
    for row, window, each in zip(rows, WINDOWS, expected, strict=True):
        assert row[:5] == [window[0], *(f"{edge:g}" for edge in window[1:])]
        scores = [float(score) for score in row[5:]]
        np.testing.assert_allclose(scores, each["prediction"].ravel(), rtol=1e-6)


# rows of the file, exit code, and what is said
MISTAKES = {
    "no file": (None, 4, "cannot read 'bad.csv': No such file"),
    "no column": ("filename,ymin,xmax\n", 4, "'bad.csv' has no column xmin, ymax."),
    "no rows": (HEAD, 4, "'bad.csv' has no windows."),
    "a word": (HEAD + "a.png,1,x,3,4\n", 4, "bad.csv:2: (1, x, 3, 4) is no window."),
    "few": (HEAD + "a.png,1,2,3\n", 4, "bad.csv:2: (1, 2, 3, None) is no window."),
    "empty": (HEAD + "a.png,5,2,5,9\n", 4, "bad.csv:2: (5, 2, 5, 9) is no window."),
    "infinite": (HEAD + "a.png,5,2,inf,9\n", 4, "bad.csv:2: (5, 2, inf, 9) is no"),
    "outside": (HEAD + "a.png,50,2,60,9\n", 2, "window (50, 2, 60, 9) has nothing of"),
    "no image": (HEAD + "z.png,5,2,6,9\n", 4, "z.png: cannot be read: No such file"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(folder, capsys, name):
    rows, code, said = MISTAKES[name]
    if rows is not None:
        (folder / "bad.csv").write_text(rows)
    assert main(["detect", "bad.csv", "out.csv", *ARGS]) == code
    assert said in capsys.readouterr().err
    assert not (folder / "out.csv").exists()


def test_edges_left_of_the_image_are_cut(folder):
    (folder / "w.csv").write_text(HEAD + "a.png,-5,-4,6,9\na.png,0,0,6,9\n")
    assert [w.edges[0] for w in read_windows(folder / "w.csv")] == [-5, 0]
    assert main(["detect", "w.csv", "out.csv", *ARGS]) == 0
    _, one, other = found(folder / "out.csv")
    assert one[5:] == other[5:]


def test_means_from_files(tmp_path):
    image = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    write_mean(tmp_path / "m.binaryproto", image)
    np.save(tmp_path / "m.npy", image)
    for name in ("m.binaryproto", "m.npy"):
        np.testing.assert_allclose(
            mean_of(str(tmp_path / name)), image.mean((1, 2)), rtol=1e-5
        )
    np.testing.assert_array_equal(mean_of("1,2.5,3"), [1, 2.5, 3])


def test_bad_means(folder, capsys):
    np.save("o.npy", np.array([{}]), allow_pickle=True)
    np.save("c.npy", np.zeros((2, 2)))
    for mean, said in (
        ("none.npy", "cannot read 'none.npy': No such file"),
        ("o.npy", "'o.npy' is no array of numbers."),
        ("c.npy", "'c.npy' has shape (2, 2) of float64."),
        ("1,b", "--mean '1,b' is no list of numbers."),
    ):
        args = ["windows.csv", "out.csv", *ARGS[:4], "--mean", mean]
        assert main(["detect", *args]) in (2, 4)
        assert said in capsys.readouterr().err
