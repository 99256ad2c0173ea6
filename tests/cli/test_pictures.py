"""test --protocol, classify and extract: what they print, write and refuse."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from netspec.cli.main import main
from netspec.data.preprocess_file import read_sidecar, write_sidecar
from netspec.data.rescale import Resize
from netspec.evaluate.evaluator import evaluate
from netspec.evaluate.images import Files
from netspec.evaluate.metrics import Metrics
from netspec.evaluate.model import Model
from netspec.evaluate.protocols import PROTOCOLS
from tests.evaluate.small import (
    MEAN,
    deploy,
    encoded_lmdb,
    model,
    net_file,
    pictures,
    png,
    train_val,
    weights,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A net, weights, a database and image files."""
    monkeypatch.chdir(tmp_path)
    encoded_lmdb(tmp_path / "db", pictures())
    net_file(tmp_path, train_val(Path("db")))
    weights(tmp_path, train_val(tmp_path / "db"))
    weights(tmp_path, train_val(tmp_path / "db"), seed=1)
    weights(tmp_path, deploy(), name="deploy")
    (tmp_path / "images").mkdir()
    for i, picture in enumerate(pictures()):
        (tmp_path / "images" / f"{i}.png").write_bytes(png(picture))
    (tmp_path / "names.txt").write_text("ant\nbee\ncat\ndog\neel\nfox\ngnu\n")
    return tmp_path


TEST = "test --model net.prototxt --weights weights0.caffemodel"


def run(command: str, capsys) -> tuple[int, str, str]:
    code = main(command.split())
    out, err = capsys.readouterr()
    return code, out, err


def test_a_protocol_is_tested(folder: Path, capsys) -> None:
    code, out, err = run(
        f"{TEST} --protocol dense --scales 13,18 --classes names.txt --per-class "
        "--json o.json --per-image s.csv --confusion m.csv --worst w.png",
        capsys,
    )
    assert code == 0
    assert "weights0.caffemodel: 6 loaded" in err
    assert "bgr 0-255, mean 103.5 117.25 124, scale 0.0125" in err
    one = Model("net.prototxt", "weights0.caffemodel")
    from netspec.evaluate.finding import open_images

    images = open_images(one.cut.source, one.cut.net.file)
    outcome = evaluate([one], images, PROTOCOLS["dense"].at((13, 18)))
    metrics = Metrics(outcome.posteriors, outcome.labels)
    row = out.splitlines()[2].split("  ")
    assert [cell.strip() for cell in row if cell] == [
        "small", "dense", "not recorded", "13,18", "whole image", "2", "7",
        f"{metrics.error(1):.2f}", f"{metrics.error(5):.2f}",
    ]  # fmt: skip
    found = json.loads((folder / "o.json").read_text())
    assert found["top1_error"] == pytest.approx(metrics.error(1))
    assert found["macs"] == outcome.macs
    assert found["class order"] in out
    assert "\ngnu " in out
    for name in ("s.csv", "m.csv"):
        assert (folder / name).read_text().startswith("# net small, protocol dense")
    assert (folder / "w.png").exists()


def test_an_ensemble(folder: Path, capsys) -> None:
    pair = f"{TEST} --weights weights1.caffemodel --protocol multi-crop --json -"
    code, out, _ = run(f"{pair} --per-image two.npz", capsys)
    assert code == 0
    assert json.loads(out)["net"] == "small + small"
    alone = []
    for name in ("weights0", "weights1"):
        run(f"test --model net.prototxt --weights {name}.caffemodel --protocol "
            f"multi-crop --per-image {name}.npz", capsys)  # fmt: skip
        alone.append(np.load(f"{name}.npz")["posteriors"])
    both = np.load("two.npz")["posteriors"]
    np.testing.assert_allclose(both, (alone[0] + alone[1]) / 2, atol=1e-6)


def test_other_data(folder: Path, capsys) -> None:
    """A deploy net, and images of a list."""
    (folder / "list.txt").write_text(
        "".join(f"images/{i}.png {i % 7}\n" for i in range(7))
    )
    command = (
        "--preprocess caffe-vgg --crop 12x10 --resize short-side:14 --protocol single "
        "--json -"
    )
    code, out, _ = run(
        f"test --weights deploy.caffemodel --data list.txt {command}", capsys
    )
    assert code == 0
    found = json.loads(out)
    assert (found["images"], found["Q"]) == (7, "short-side:14:opencv-bilinear")
    _, again, _ = run(f"test --weights deploy.caffemodel --data db {command}", capsys)
    assert json.loads(again)["top1_error"] == found["top1_error"]


def test_comparing_with_the_paper(folder: Path, capsys) -> None:
    command = f"{TEST} --protocol dense --scales 256 --train-scale 256 --expect D"
    code, out, _ = run(command, capsys)
    assert code == 1
    assert "paper: D S 256 Q 256 dense" in out
    assert "top-1      27.0" in out
    assert "note: the paper's figures are of 50,000 images (ILSVRC-2012" in out
    assert out.endswith("worse than the paper, within 0.5 percentage points\n")
    code, out, _ = run(f"{command} --expect-within 99", capsys)
    assert code == 0
    assert out.endswith("as good as the paper, within 99 percentage points\n")


@pytest.mark.smoke
def test_classify_prints_the_best_classes(folder: Path, capsys) -> None:
    code, out, _ = run(
        "classify images/3.png images/0.png --weights weights0.caffemodel --model "
        "net.prototxt --resize short-side:13 --classes names.txt --top 3",
        capsys,
    )
    assert code == 0
    one = Model(
        "net.prototxt", "weights0.caffemodel",
        adjust={"resize": Resize("short-side", (13,)), "classes": tuple(NAMES)},
    )  # fmt: skip
    files = Files(["images/3.png", "images/0.png"])
    outcome = evaluate([one], files, PROTOCOLS["single"])
    lines = []
    for name, scores in zip(outcome.names, outcome.posteriors):
        lines.append(name)
        for k in np.argsort(-scores)[:3]:
            lines.append(f"  {scores[k]:8.2%}  {NAMES[k]}")
    assert out.splitlines() == lines


NAMES = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"]


def test_classify_writes_csv(folder: Path, capsys) -> None:
    (folder / "images" / "bad.jpg").write_bytes(b"no image")
    command = (
        "classify images --weights weights0.caffemodel --model net.prototxt --resize "
        "short-side:13 --classes names.txt --on-error skip --top 2 --csv"
    )
    code, out, err = run(f"{command} -", capsys)
    assert code == 0
    head, *rows = list(csv.reader(out.splitlines()))
    assert head == ["name", "class1", "p1", "class2", "p2"]
    assert [row[0] for row in rows] == [f"images/{i}.png" for i in range(7)]
    assert all(row[1] in NAMES and float(row[2]) > float(row[4]) for row in rows)
    assert "skipped: image 'images/bad.jpg' is not an image of a known format." in err
    assert "skipped 1 bad images, which are not counted" in err
    assert run(f"{command} c.csv", capsys)[0] == 0
    comment, rest = (folder / "c.csv").read_text().split("\n", 1)
    assert comment.startswith("# net small, protocol single")
    assert rest == out


def test_a_sidecar_makes_the_options_unneeded(folder: Path, capsys) -> None:
    given = model(folder).preprocess.with_(crop=None, classes=tuple(NAMES))
    write_sidecar(folder / "deploy.caffemodel", given)
    code, out, _ = run("classify images/2.png --weights deploy.caffemodel", capsys)
    assert code == 0
    assert len(out.splitlines()) == 6
    assert any(name in out for name in NAMES)


def test_extract_from_images_and_from_the_nets_data(folder: Path, capsys) -> None:
    command = (
        "extract --weights weights0.caffemodel --model net.prototxt --blob fc1,fc2"
    )
    code, out, _ = run(f"{command} images --resize none -o a.npz", capsys)
    assert code == 0
    assert out == "a.npz: fc1 7x9, fc2 7x7, with names\n"
    assert run(f"{command} -o b.h5", capsys)[:2] == (
        0, "b.h5: fc1 7x9, fc2 7x7, with names\n"
    )  # fmt: skip
    import h5py

    a, b = np.load("a.npz"), h5py.File("b.h5")
    np.testing.assert_allclose(a["fc2"], b["fc2"][()], atol=1e-6)
    assert b["labels"][()].tolist() == list(range(7))
    assert a["labels"].tolist() == [-1] * 7


def test_training_leaves_a_sidecar_that_test_obeys(folder: Path, capsys) -> None:
    (folder / "db" / "classes.txt").write_text((folder / "names.txt").read_text())
    (folder / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 2 snapshot: 1 '
        'snapshot_keep: 1 snapshot_prefix: "run" type: "SGD" random_seed: 3'
    )
    assert main(["train", "--solver", "solver.prototxt", "--quiet"]) == 0
    found = read_sidecar("run_iter_2.caffemodel")
    assert found.mean == MEAN
    assert (found.scale, found.crop) == ((0.0125,), (12, 12))
    assert found.classes == tuple(NAMES)
    assert not Path("run_iter_1.preprocess.json").exists()
    capsys.readouterr()
    code, out, err = run(
        "classify images/1.png --weights run_iter_2.caffemodel --resize short-side:12 "
        "--top 1",
        capsys,
    )
    assert code == 0
    assert "mean 103.5 117.25 124" in err
    assert out.startswith("images/1.png\n")
    assert out.split()[-1] in NAMES


MISTAKES = {
    "no protocol": (
        f"{TEST} --scales 256", 2,
        "--scales needs a protocol.\n  Give --protocol: one of dense, "
        "dense+multi-crop, multi-crop, multi-scale, single, ten-crop.",
    ),
    "ensemble without protocol": (
        f"{TEST} --weights weights1.caffemodel", 2,
        "a second --weights or --model needs a protocol.",
    ),
    "unknown protocol": (
        f"{TEST} --protocol 10crop", 2, "unknown protocol '10crop'.\n"
        "  Known are: dense, dense+multi-crop, multi-crop, multi-scale, single, ",
    ),
    "iterations": (
        f"{TEST} --protocol single --iterations 3", 2,
        "--iterations does not go with --protocol.",
    ),
    "training phase": (
        f"{TEST} --protocol single --phase train", 2,
        "--phase train does not go with --protocol.",
    ),
    "lenient weights": (
        f"{TEST} --protocol single --on-mismatch skip", 2,
        "--on-mismatch does not go with --protocol.",
    ),
    "scales": (
        f"{TEST} --protocol dense --scales 256;512", 2,
        "--scales '256;512' is no list of whole numbers above 0.\n"
        "  Separate them by ','.",
    ),
    "models": (
        f"{TEST} --model net.prototxt --model net.prototxt --protocol dense", 2,
        "--model is given 3 times for 1 weights files.\n"
        "  Give it once, or once for each.",
    ),
    "a list without labels": (
        f"{TEST} --protocol dense --data names.txt", 4,
        "names.txt:1: the line 'ant' has no label.",
    ),
    "an image that is not there": (
        "classify no.png --weights deploy.caffemodel --preprocess tf --crop 12x10",
        4, "image 'no.png' cannot be read: No such file or directory.\n"
        "  Check the path.",
    ),
    "unknown preparation": (
        "classify images --weights deploy.caffemodel", 2,
        "how pictures are prepared for this model is not known.",
    ),
    "unknown resizing": (
        "classify images --weights weights0.caffemodel --model net.prototxt", 2,
        "how whole pictures are resized for this model is not known.",
    ),
    "top": (
        "classify images --weights deploy.caffemodel --top 0", 2,
        "--top must be at least 1.",
    ),
    "classes of another net": (
        f"{TEST} --protocol single --classes list.txt", 4,
        "list.txt: the class names cannot be read: No such file",
    ),
    "crop": (
        "classify images --weights deploy.caffemodel --preprocess tf --crop 12x10x3", 2,
        "--crop 12x10x3 has 3 numbers.\n  Give 1 or 2.",
    ),
    "memory": (
        f"{TEST} --protocol single --memory 0", 2, "--memory must be at least 1.",
    ),
    "two sources": (
        "extract images --data db --weights deploy.caffemodel --blob fc1 -o f.npz "
        "--preprocess caffe-vgg --crop 12x10", 2,
        "both images and --data are given.\n  Give one of them.",
    ),
    "features of two nets": (
        "extract images --weights deploy.caffemodel --weights deploy.caffemodel --blob "
        "fc1 -o f.npz", 2, "features are of one net, and several --weights are given.",
    ),
    "no data layer": (
        "extract --weights deploy.caffemodel --blob fc1 -o f.npz --preprocess tf "
        "--crop 12x10", 3, "layer 'data' (Input): holds no pictures that could be",
    ),
    "output": (
        "extract images --weights deploy.caffemodel --blob fc1 -o f.txt --preprocess "
        "caffe-vgg --crop 12x10", 2, "cannot write features to 'f.txt'.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(folder: Path, capsys, case: str) -> None:
    command, code, expected = MISTAKES[case]
    found, out, err = run(command, capsys)
    assert (found, out) == (code, "")
    assert f"netspec: {expected}" in err
    assert not Path("f.npz").exists()
