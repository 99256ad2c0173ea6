"""What a net will see, drawn; and how fast it comes."""

from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import pytest
from PIL import Image

from netspec.cli.main import main
from netspec.data.feed import Feed
from netspec.data.preview import caption, looks, tiles
from netspec.data.rescale import Size
from netspec.data.speed import Speed, measure
from netspec.data.view import View
from netspec.errors import UsageError
from tests.conftest import ROOT
from tests.data.making import (
    data_layer,
    encoded,
    image_file,
    layer,
    pictures,
    pictures_lmdb,
    smooth,
    write_lmdb,
)

TRANSFORM = (
    "short_side_min: 40 short_side_max: 60 crop_size: 30 mirror: true "
    "mean_value: 100 mean_value: 110 mean_value: 120 scale: 0.02"
)
NET = """
name: "n"
layer {{ name: "in" type: "Data" top: "data" top: "label" include {{ phase: TRAIN }}
  transform_param {{ {transform} }}
  data_param {{ source: "db" batch_size: 4 backend: LMDB }} }}
layer {{ name: "in" type: "Data" top: "data" top: "label" include {{ phase: TEST }}
  transform_param {{ short_side: 50 crop_size: 30 }}
  data_param {{ source: "db" batch_size: 2 backend: LMDB }} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param {{ num_output: 2 }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "l" }}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [image_file("PNG", smooth(60 + 5 * i, 90)) for i in range(5)]
    write_lmdb(
        tmp_path / "db", ((b"%d" % i, encoded(f, i)) for i, f in enumerate(files))
    )
    (tmp_path / "net.prototxt").write_text(NET.format(transform=TRANSFORM))
    (tmp_path / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 '
        "random_seed: 9 test_iter: 1 test_interval: 5"
    )
    return tmp_path


@pytest.mark.parametrize("scale", ["", "scale: 0.25"])
def test_what_is_seen_is_the_part_in_the_frame(tmp_path, scale):
    """With Caffe's fields alone, pixel by pixel."""
    images = pictures(4, (3, 20, 26))
    path = pictures_lmdb(tmp_path / "db", images)
    text = f"crop_size: 9 mirror: true mean_value: 30 {scale}"
    found = looks(Feed(data_layer(path, 4, text), seed=2), 10, 6)
    for number, look in enumerate(found, 10):
        view = look.view
        y, x = int(view.y), int(view.x)
        part = look.picture[:, y : y + 9, x : x + 9]
        part = part[:, :, ::-1] if view.mirror else part
        np.testing.assert_allclose(look.seen, part, atol=1e-3)
        assert look.label == number % 4
        np.testing.assert_array_equal(look.picture, images[number % 4])
    assert len({look.view.mirror for look in found}) == 2


def test_tiles_have_a_frame_and_its_first_corner(tmp_path):
    grey = np.full((3, 40, 60), 128, np.uint8)
    path = pictures_lmdb(tmp_path / "db", [grey])
    feed = Feed(data_layer(path, 1, "crop_size: 20 mirror: true"), seed=1)
    found = looks(feed, 0, 6)
    both = tiles(found, 120)
    assert len(both) == 12
    for look, framed, shown in zip(found, both[::2], both[1::2]):
        assert framed.picture.shape == (3, 80, 120)
        corner = look.view.corners[1 if look.view.mirror else 0]
        x, y = (min(int(2 * v), s - 1) for v, s in zip(corner, (120, 80)))
        assert framed.picture[:, y, x].tolist() == [0, 255, 0]  # lime
        assert (framed.picture == np.array([0, 0, 255])[:, None, None]).all(
            0
        ).sum() > 50
        assert shown.caption == ("mirrored" if look.view.mirror else "20x20")


def test_captions():
    view = View(0, 0, 9, 9, Size(5, 6), side=384, angle=-7.4, mirror=True)
    assert caption(view) == "S 384, -7 deg, mirrored"


@pytest.mark.smoke
@pytest.mark.parametrize("file", ["net.prototxt", "solver.prototxt"])
@pytest.mark.parametrize("phase", ["train", "test"])
def test_the_command(folder, capsys, file, phase):
    command = f"data preview {file} -o sheet.png --count 4 --columns 2 --side 60"
    assert main([*command.split(), "--phase", phase]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "sheet.png: samples 0 to 3"
    assert shown[2] == "  1: record '1' of database 'db', label 1"
    assert Image.open(folder / "sheet.png").size == (4 * 64 + 4, 2 * 78 + 4)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("net.prototxt --count 0", 2, "cannot show 0 samples"),
        (
            "net.prototxt --layer im",
            2,
            "there is no data layer 'im'.\n  Known are: in.",
        ),
        ("none.prototxt", 3, "none.prototxt"),
    ],
)
def test_errors(folder, capsys, arguments, code, message):
    assert main(["data", "preview", *arguments.split(), "-o", "s.png"]) == code
    assert message in capsys.readouterr().err


def test_layers_without_pictures_cannot_be_shown():
    proto = layer(
        'type: "MemoryData" top: "x" top: "y" memory_data_param { batch_size: 2 '
        "channels: 3 height: 10 width: 14 }"
    )
    with pytest.raises(UsageError, match="reads no pictures"):
        looks(Feed(proto), 0, 1)


def test_rates():
    speed = Speed(10, 3, (0.5, 1.0, 2.5), processor=1.5)
    assert (speed.images, speed.rate, speed.rate_a_core) == (30, 7.5, 20)
    assert (speed.median_rate, speed.worst_rate) == (10, 4)


@pytest.mark.parametrize("workers", [0, 2])
def test_measuring_reads_batch_after_batch(tmp_path, workers):
    path = pictures_lmdb(tmp_path / "db", pictures(5, (3, 8, 9)))
    speed = measure(Feed(data_layer(path, 3)), 4, workers)
    assert (speed.images, speed.workers, len(speed.seconds)) == (12, workers, 4)
    assert min(speed.seconds) > 0 < speed.processor


def test_timing_the_input_by_the_command(folder, capsys):
    command = "time --data --model net.prototxt --iterations 3 --workers 1"
    assert main([*command.split(), "--json", "speed.json"]) == 0
    assert capsys.readouterr().out.startswith("in: 3 batches of 4 on 1 threads: ")
    told = json.loads((folder / "speed.json").read_text())["in"]
    assert (told["batch"], len(told["seconds"])) == (4, 3)
    assert main(["time", "--model", "net.prototxt", "--workers", "1"]) == 2
    assert "--workers reads data." in capsys.readouterr().err
    assert main([*command.split()[:-1], "-1"]) == 2


def test_a_replaced_record_is_told_by_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = [image_file("PNG", smooth(60, 90)), b"bad"]
    write_lmdb(
        tmp_path / "db", ((b"%d" % i, encoded(f, i)) for i, f in enumerate(files))
    )
    text = NET.format(transform=TRANSFORM).replace(
        "backend", "replace_bad: true backend"
    )
    (tmp_path / "net.prototxt").write_text(text)
    command = "time --data --model net.prototxt --iterations 2 --workers 2"
    assert main(command.split()) == 0
    assert capsys.readouterr().err.splitlines() == [
        "netspec: warning: record '1' of database 'db' is not an image of a known "
        "format: record '0' of database 'db' stands in its place."
    ]


def test_the_benchmark_runs(folder, monkeypatch):
    path = ROOT / "tools" / "bench" / "data.py"
    spec = importlib.util.spec_from_file_location("bench_data", path)
    bench = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench_data", bench)  # dataclasses look there
    spec.loader.exec_module(bench)
    (folder / "photos").mkdir()
    smooth(300, 420).save(folder / "photos" / "a.png")
    files = bench.photos(folder / "photos", 3, quality=90)
    works = {
        "netspec": bench.netspecs(files, (256, 256), folder),
        "pillow": bench.pillows(files, (256, 256)),
    }
    (data, _), stacked = works["netspec"](0), works["pillow"](0)
    assert data.shape == tuple(stacked.shape) == (3, 3, 224, 224)
    # The same pictures, less the same mean; in another order of colours.
    assert abs(float(data.mean()) - float(stacked.mean())) < 25
    found = bench.compare("case", works, 3, rounds=2)
    assert found.ratio > 0
    assert len(found.ratios) == 2
