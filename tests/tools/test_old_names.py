"""Caffe's tools under their old names: arguments mapped, and run."""

from __future__ import annotations

import ast
import subprocess
import sys

import lmdb
import numpy as np
import pytest
from PIL import Image

from netspec import pycaffe
from netspec.cli.main import COMMANDS, main
from netspec.errors import UsageError
from netspec.proto import Datum, NetParameter
from tests.conftest import ROOT
from tools.old_names import mapping

FOLDER = ROOT / "tools" / "old_names"
SCRIPTS = sorted(
    p for p in FOLDER.iterdir()
    if p.is_file() and p.name not in ("mapping.py", "classify.py")
)  # fmt: skip
NET = """layer { name: "m" type: "ImageData" top: "x" top: "l"
  image_data_param { source: "list.txt" batch_size: 2 new_height: 5 new_width: 4 } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "l" top: "loss" }
"""
DEPLOY = """layer { name: "x" type: "Input" top: "x"
  input_param { shape { dim: 2 dim: 3 dim: 5 dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""

# tool, its arguments, and those of netspec
MAPPED = [
    ("convert_imageset", "-gray --resize_height=8 --resize_width 6 --noshuffle r/ l d",
     "data create r/ l d --gray --resize-width=6 --resize-height=8"),
    ("convert_imageset", "--shuffle=true --encoded --encode_type=png r/ l d",
     "data create r/ l d --shuffle --encoded --encode-type=png"),
    ("compute_image_mean", "-backend lmdb db out", "data mean db -o out"),
    ("compute_image_mean", "db", "data mean db"),
    ("extract_features", "w n fc7,prob a,b 3 lmdb CPU",
     "extract --weights w --model n --blob fc7,prob --batches 3 -o a,b"),
    ("upgrade_text", "a b", "upgrade a b --text"),
    ("upgrade_binary", "a b", "upgrade a b --binary"),
    ("draw_net", "n i.png", "draw n i.png --rankdir LR --phase all"),
    ("draw_net", "n i.png --phase TRAIN --rankdir=TB --display_lrm",
     "draw n i.png --rankdir TB --phase train --rates"),
    ("parse_log", "--verbose a.log out --delimiter ;",
     "log parse a.log out --delimiter=;"),
    ("plot_training_log", "0 o.png a b",
     "log plot a b -o o.png --show test:accuracy --x iterations"),
    ("plot_training_log", "7 o.png a",
     "log plot a -o o.png --show train:SmoothedLoss --x seconds"),
    ("summarize", "n", "summary n"),
    ("resize_and_crop_images", "--num_clients=8 --input=l --output_folder=o",
     "data resize l o --side 256"),
    ("detect", "w o --model_def=m --pretrained_model=p --crop_mode=list",
     "detect w o --model_def=m --pretrained_model=p --context_pad=16"),
    ("detect", "w o --gpu", "detect w o --gpu=0 --context_pad=16"),
    ("extract_features", "w n b d 3 lmdb GPU 2",
     "extract --weights w --model n --blob b --batches 3 -o d --gpu 2"),
    ("caffe", "train -solver s -gpu 0,1", "train -solver s -gpu 0,1"),
    ("device_query", "-gpu 0", "devices"),
    ("caffe", "device_query -gpu=all", "devices"),
    ("caffe", "time -model m", "time -model m"),
]  # fmt: skip

# tool, its arguments, and what is said
REFUSED = [
    ("convert_imageset", "r/ l", "takes ROOTFOLDER LISTFILE DB_NAME, and 2 are given."),
    ("convert_imageset", "--grey r/ l d", "unknown flag '--grey'."),
    ("convert_imageset", "r/ l d --backend", "flag '--backend' has no value."),
    ("extract_features", "w n b d 3 leveldb", "cannot write a leveldb database."),
    ("plot_training_log", "8 o.png a", "takes CHART IMAGE LOG..."),
    ("resize_and_crop_images", "--input=l", "--input and --output_folder are needed."),
    ("detect", "w o --crop_mode=selective_search", "only listed windows are taken."),
]


@pytest.mark.parametrize(("tool", "given", "wanted"), MAPPED)
def test_arguments(tool, given, wanted):
    assert getattr(mapping, tool)(given.split()) == wanted.split()
    assert wanted.split()[0] in COMMANDS


@pytest.mark.parametrize(("tool", "given", "said"), REFUSED)
def test_refusals(tool, given, said):
    with pytest.raises(UsageError) as caught:
        getattr(mapping, tool)(given.split())
    assert caught.value.problem == said


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_names_a_mapping(path):
    (wanted,) = (n for n in ast.walk(ast.parse(path.read_text()))
                 if isinstance(n, ast.ImportFrom))  # fmt: skip
    assert wanted.module == "mapping"
    assert all(callable(getattr(mapping, name.name)) for name in wanted.names)
    assert path.stat().st_mode & 0o111


def test_the_docs_name_every_tool():
    text = (ROOT / "docs" / "tools.md").read_text()
    assert [path.name for path in SCRIPTS if path.name not in text] == []


def run(name, *arguments) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Lines of errors; that kernels are compiled, on a new machine, is none."""
    return [
        line for line in done.stderr.splitlines() if "compiling kernels" not in line
    ]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(8)
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(rng.integers(0, 256, (7, 6, 3), np.uint8)).save(name)
    (tmp_path / "list.txt").write_text("a.png 0\nb.png 2\nc.png 1\n")
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "deploy.prototxt").write_text(DEPLOY)
    return tmp_path


def test_scripts_run(folder):
    done = run("convert_imageset", "-resize_height=5", "-resize_width=4", "./",
               "list.txt", "db")  # fmt: skip
    assert (done.returncode, complaints(done)) == (0, [])
    done = run("draw_net.py", "deploy.prototxt")
    assert done.returncode == 2
    assert done.stderr.startswith("draw_net: takes NET IMAGE, and 1 are given.")


def records(path) -> list[tuple[str, Datum]]:
    with lmdb.open(str(path), lock=False, readonly=True) as env, env.begin() as txn:
        return [(k.decode(), Datum.FromString(v)) for k, v in txn.cursor()]


def test_features_are_the_nets_own(folder, capsys):
    pycaffe.Net("net.prototxt", pycaffe.TEST).save("w.caffemodel")
    args = ["w.caffemodel", "net.prototxt", "c,ip", "c_db,ip_db", "2", "lmdb"]
    assert main(mapping.extract_features(args)) == 0
    assert "ip_db: ip of 4 images" in capsys.readouterr().out
    net = pycaffe.Net("net.prototxt", "w.caffemodel", pycaffe.TEST)
    expected = {name: [] for name in ("c", "ip")}
    for _ in range(2):
        net.forward()
        for name, rows in expected.items():
            rows.extend(net.blobs[name].data.copy())
    for name, shape in (("c", (2, 3, 2)), ("ip", (3, 1, 1))):
        found = records(folder / f"{name}_db")
        assert [key for key, _ in found] == [f"{n:010d}" for n in range(4)]
        for (_, datum), values in zip(found, expected[name], strict=True):
            assert (datum.channels, datum.height, datum.width) == shape
            np.testing.assert_array_equal(
                np.array(datum.float_data, np.float32), values.ravel()
            )


def test_bad_requests_for_features(folder, capsys):
    pycaffe.Net("net.prototxt", pycaffe.TEST).save("w.caffemodel")
    for blob, out, batches, said in (
        ("d", "x", "1", "no blob 'd'."),
        ("loss", "x", "1", "blob 'loss' has no row an image."),
        ("c,ip", "x", "1", "2 blobs go to 1 databases."),
        ("c", "x", "0", "--batches must be at least 1."),
    ):
        args = ["w.caffemodel", "net.prototxt", blob, out, batches, "lmdb"]
        assert main(mapping.extract_features(args)) == 2
        assert said in capsys.readouterr().err
        assert not (folder / "x").exists()


def test_upgrades_write_what_they_are_asked_for(folder):
    old = 'layers { name: "r" type: RELU bottom: "x" top: "y" }\n'
    (folder / "old").write_text(old)
    assert main(mapping.upgrade_binary(["old", "new"])) == 0
    net = NetParameter.FromString((folder / "new").read_bytes())
    assert net.layer[0].type == "ReLU"
    assert main(mapping.upgrade_text(["new", "again.caffemodel"])) == 0
    assert 'type: "ReLU"' in (folder / "again.caffemodel").read_text()


def test_classify_gives_pycaffes_scores(folder):
    pycaffe.Net("deploy.prototxt", pycaffe.TEST).save("w.caffemodel")
    done = run("classify.py", ".", "out.npy", "--ext", "png", "--center_only",
               "--model_def", "deploy.prototxt", "--pretrained_model", "w.caffemodel",
               "--images_dim", "6,5", "--mean_file", "3,4,5")  # fmt: skip
    assert (done.returncode, complaints(done)) == (0, [])
    net = pycaffe.Classifier(
        "deploy.prototxt", "w.caffemodel", (6, 5), np.array([3, 4, 5.0]),
        raw_scale=255, channel_swap=(2, 1, 0),
    )  # fmt: skip
    names = ("a.png", "b.png", "c.png")
    expected = net.predict([pycaffe.io.load_image(n) for n in names], False)
    np.testing.assert_array_equal(np.load("out.npy"), expected)
    done = run("classify.py", "none.png", "o.npy", "--model_def", "deploy.prototxt",
               "--pretrained_model", "w.caffemodel")  # fmt: skip
    assert done.returncode == 4
    assert done.stderr.startswith("classify.py: none.png: cannot be read:")
