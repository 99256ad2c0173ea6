"""The transformation of pictures on the device against that on the host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from netspec.backends import open_device
from netspec.cli.main import main
from netspec.data.mean import write_mean
from netspec.data.protocols import Raster
from netspec.data.raw import RawPictures
from netspec.data.transform import Means, Transform
from netspec.data.writer import DatabaseWriter
from netspec.proto import Datum, TransformationParameter
from netspec.random import Key
from netspec.solver import Solver
from tests.cudasim.standin import install
from tests.cudasim.test_overlap import Watch, implicit
from tests.cudasim.training import RECORDS, agree, cuda, make_files, train

__all__ = ["cuda"]

RNG = np.random.default_rng(71)
PICTURES = RNG.integers(0, 256, (6, 3, 9, 11), np.uint8)
IMAGE = RNG.random((3, 9, 11)).astype(np.float32) * 255


def transform_of(text: str, image: np.ndarray | None) -> Transform:
    param = text_format.Parse(text, TransformationParameter())
    made = Transform.of(param, True, Key(3, "data"), Path())
    means = made.means if image is None else Means(image)
    return Transform(made.crop, made.mirror, made.scale, means, True, made.key)


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("crop_size: 5 mirror: true scale: 0.017", IMAGE),
        (
            "crop_size: 4 mirror: true mean_value: [104, 117, 123]",
            None,
        ),
        ("mirror: true mean_value: 110 scale: 0.5", None),
        ("scale: 0.00390625", None),
    ],
)
def test_the_hosts_numbers(text, image, machine):
    import cupy

    from netspec.backends.cuda.transform import transform

    host = transform_of(text, image)
    shape = PICTURES.shape[1:]
    expected = np.empty((6, *host.shape(shape)), np.float32)
    draws = host.draws(8, 6)
    for picture, draw, out in zip(PICTURES, draws, expected):
        host.place(Raster.of(picture), draw, out)
    host.finish(expected)
    places = np.array([host.seen(shape, draw) for draw in draws], np.int32)
    mean = host.means.pixel if image is None else image
    out = cupy.empty(expected.shape, np.float32)
    transform(*map(cupy.asarray, (places, PICTURES, mean)), host.scale, out)
    np.testing.assert_array_equal(out.get(), expected)
    raw = RawPictures(PICTURES, places, host)
    np.testing.assert_array_equal(raw, expected)
    np.testing.assert_array_equal(raw[2:5], expected[2:5])


# Pictures that training is fed with ---------------------------------------------------


def with_mean_image(solver: Path) -> Path:
    """The small VGG's data with a mean image in place of the mean value."""
    net = solver.parent / "net.prototxt"
    image = np.random.default_rng(2).random((3, 14, 13), np.float32) * 200
    write_mean(solver.parent / "mean", image)
    named = f'mean_file: "{solver.parent}/mean"'
    net.write_text(net.read_text().replace("mean_value: 100", named))
    return solver


@pytest.mark.parametrize("change", [lambda solver: solver, with_mean_image])
def test_training_sees_what_the_cpu_would(cuda, tmp_path, monkeypatch, change):
    from netspec.backends.cuda import transfer

    settings = "max_iter: 3 test_interval: 3 test_initialization: false shards: 2"
    solver = change(make_files(tmp_path, "vgg", settings))
    seen = []

    def spy(*arguments):
        transform(*arguments)
        seen.append(ops.begin_download(arguments[-1]))

    ops, transform = open_device("cuda"), transfer.transform
    monkeypatch.setattr(transfer, "transform", spy)
    assert main(["train", "--solver", str(solver), "--gpu", "0"]) == 0
    monkeypatch.undo()
    with Solver(solver, device="cpu") as cpu:
        (tests,) = cpu.test_feeds
        expected = [cpu.feeds.read(first, 4)["data"] for first in range(0, 24, 4)]
        expected += [tests.read(first, 7)["data"] for first in range(0, 35, 7)]
        expected += [tests.read(35, 5)["data"]]
    assert len(seen) == len(expected)
    for found, wanted in zip(seen, expected):
        np.testing.assert_array_equal(found(), wanted)


def test_its_mean_is_uploaded_once_and_no_step_waits(tmp_path, monkeypatch, compiler):
    monkeypatch.setenv("NETSPEC_CUDA_MEASURE", "0")
    with install(order="late") as world:
        solver = with_mean_image(make_files(tmp_path, "vgg", ""))
        with Solver(solver, device="cuda", lean=True) as made:
            made.step(1)
            watch = Watch(world)
            made.callbacks.append(watch)
            made.step(5)
            assert len(made.net.ops._means) == 1
        assert not any(implicit(syncs) for syncs in watch.ended)
        assert watch.pending[1:] == [n for n in watch.pending[1:] if n]
        assert [each.kernel for each in world.launches].count("transform") == 6


def test_labels_may_be_pictures(cuda, tmp_path):
    """Counted and looked at on the host, and transformed on the device."""
    solver = make_files(tmp_path, "vgg", "shards: 2")
    with DatabaseWriter(tmp_path / "maps") as writer:
        for i in range(RECORDS):
            datum = Datum(channels=1, height=12, width=12, label=0)
            datum.data = RNG.integers(0, 4, 144, np.uint8).tobytes()
            writer.put(f"{i:05d}", datum.SerializeToString())
    net = tmp_path / "net.prototxt"
    source = f'source: "{tmp_path}/maps" batch_size: 8 backend: LMDB'
    net.write_text(
        net.read_text().partition('layer { name: "conv2"')[0] + MAPS % source
    )
    made = [train(solver, device) for device in ("cuda", "cpu")]
    agree(*made)


MAPS = """
  layer { name: "maps" type: "Data" top: "maps" data_param { %s } }
  layer { name: "score" type: "Convolution" bottom: "conv1" top: "score"
    convolution_param { num_output: 4 kernel_size: 1
      weight_filler { type: "msra" } } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "maps"
    top: "loss" loss_param { ignore_label: 2 } }
"""
