"""Preprocessing as JSON: a fixed point, where it stands, and hostile files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.data.mean import write_mean
from netspec.data.preprocess import CHANNELS, Preprocess
from netspec.data.preprocess_file import (
    parse_preprocess,
    read_classes,
    read_preprocess,
    read_sidecar,
    sidecar_path,
    to_json,
    write_preprocess,
    write_sidecar,
)
from netspec.data.preprocess_net import preprocess_of, preprocess_of_net
from netspec.data.presets import PRESETS
from netspec.data.rescale import FILTERS, Resize
from netspec.errors import DataError, NetspecError
from netspec.graph import build_graph
from netspec.proto import TEST, TRAIN
from netspec.spec import parse_net
from tests.data.making import layer

numbers = st.floats(-1e6, 1e6)
sides = st.integers(1, 5000)
resizes = st.one_of(
    st.none(),
    st.just(Resize("none")),
    st.builds(lambda q, f: Resize("short-side", (q,), f), sides,
              st.sampled_from(list(FILTERS))),
    st.builds(lambda h, w: Resize("squash", (h, w)), sides, sides),
)  # fmt: skip


@st.composite
def values(draw) -> Preprocess:
    channels = draw(st.sampled_from(list(CHANNELS)))
    depth = CHANNELS[channels]
    counts = st.sampled_from([1, depth])
    image = None
    mean = tuple(draw(st.lists(numbers, min_size=(n := draw(counts)), max_size=n)))
    if draw(st.booleans()):
        shape = (depth, draw(st.integers(1, 4)), draw(st.integers(1, 4)))
        image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 3
        mean = ()
    return Preprocess(
        channels,
        range=draw(st.floats(0.001, 1e5)),
        mean=mean,
        mean_image=image,
        scale=tuple(draw(st.lists(numbers, min_size=(n := draw(counts)), max_size=n))),
        resize=draw(resizes),
        crop=draw(st.none() | st.tuples(sides, sides)),
        train_scale=draw(st.sampled_from([None, (256, 256), (256, 512)])),
        classes=draw(st.none() | st.lists(st.text(), min_size=1).map(tuple)),
    )


@given(values())
def test_text_is_read_back(value: Preprocess) -> None:
    read = parse_preprocess(to_json(value))
    assert read == value
    assert (read.mean_image is None) == (value.mean_image is None)
    if value.mean_image is not None:
        np.testing.assert_array_equal(read.mean_image, value.mean_image)


def test_the_text_is_plain(tmp_path: Path) -> None:
    write_preprocess(tmp_path / "p.json", PRESETS["caffe-vgg"])
    assert (tmp_path / "p.json").read_text() == (
        "{\n"
        '  "format": "netspec preprocess",\n'
        '  "version": 1,\n'
        '  "channels": "bgr",\n'
        '  "range": 255,\n'
        '  "mean": [103.939, 116.779, 123.68],\n'
        '  "scale": [1],\n'
        '  "resize": {"rule": "short-side", "size": [256], "filter": '
        '"opencv-bilinear"},\n'
        '  "crop": [224, 224],\n'
        '  "train_scale": null,\n'
        '  "classes": null\n'
        "}\n"
    )
    assert read_preprocess(tmp_path / "p.json") == PRESETS["caffe-vgg"]


@pytest.mark.parametrize(
    ("file", "beside"),
    [
        ("a/vgg_iter_9.caffemodel", "a/vgg_iter_9.preprocess.json"),
        ("a/vgg_iter_9.caffemodel.h5", "a/vgg_iter_9.preprocess.json"),
        ("vgg.v2.onnx", "vgg.v2.preprocess.json"),
        ("net.prototxt", "net.preprocess.json"),
    ],
)
def test_where_it_stands(file: str, beside: str) -> None:
    assert sidecar_path(file) == Path(beside)


def test_beside_weights(tmp_path: Path) -> None:
    weights = tmp_path / "w.caffemodel"
    assert read_sidecar(weights) is None
    assert write_sidecar(weights, PRESETS["tf"]) == tmp_path / "w.preprocess.json"
    assert read_sidecar(weights) == PRESETS["tf"]


GOOD = {"format": "netspec preprocess", "version": 1, "channels": "bgr"}
DAMAGED = {
    "not JSON": ("{", "it is not JSON: "),
    "deep": ("[" * 99999, "it is not JSON: "),
    "a list": ("[]", 'it has no "format": "netspec preprocess".'),
    "another format": ({**GOOD, "format": "x"}, 'it has no "format": '),
    "a later version": ({**GOOD, "version": 2}, "it is of version 2.\n"
                        "  This netspec reads version 1."),
    "unknown key": ({**GOOD, "means": [1]}, "unknown key 'means'.\n"
                    "  Did you mean 'mean'?"),
    "no channels": ({**GOOD, "channels": None}, "channels is missing."),
    "channels": ({**GOOD, "channels": 3}, "channels is 3.\n  Give text."),
    "wrong channels": ({**GOOD, "channels": "rbg"}, "unknown channels 'rbg'."),
    "mean": ({**GOOD, "mean": "104"}, 'mean is "104".\n  Give a list of numbers.'),
    "mean of text": ({**GOOD, "mean": ["104"]}, 'mean is "104".\n  Give a number.'),
    "scale": ({**GOOD, "scale": 1}, "scale is 1.\n  Give a list of numbers."),
    "true": ({**GOOD, "range": True}, "range is true.\n  Give a number."),
    "infinite": ('{"format": "netspec preprocess", "version": 1, "channels": "bgr", '
                 '"range": Infinity}', "range is inf."),
    "huge": ('{"format": "netspec preprocess", "version": 1, "channels": "bgr", '
             '"range": 1e999}', "range is inf."),
    "crop": ({**GOOD, "crop": [224]}, "crop is [224].\n  Give 2 numbers above 0."),
    "crop of fractions": ({**GOOD, "crop": [2.5, 2]}, "crop is [2.5, 2].\n"
                          "  Give a list of whole numbers."),
    "resize": ({**GOOD, "resize": "squash"}, 'resize is "squash".'),
    "resize rule": ({**GOOD, "resize": {"rule": "zoom"}}, "unknown resize rule"),
    "resize key": ({**GOOD, "resize": {"rule": "none", "sise": 3}},
                   "unknown key 'resize.sise'."),
    "classes": ({**GOOD, "classes": [1]}, "classes is [1].\n  Give a list of names."),
    "long": ({**GOOD, "classes": [1] * 999}, "classes is [1, 1, 1, 1,"),
    "mean image too short": (
        {**GOOD, "mean": {"shape": [3, 256, 256], "float32": "AAAA"}},
        "mean has 3 bytes for the shape [3, 256, 256]."),
    "mean image too large": (
        {**GOOD, "mean": {"shape": [3, 2**40, 2**40], "float32": "AAAA"}},
        "mean has 3 bytes for the shape "),
    "negative mean image": (
        {**GOOD, "mean": {"shape": [-1, -1, 3], "float32": "AAAA"}},
        "mean has 3 bytes for the shape [-1, -1, 3]."),
    "mean image no base64": (
        {**GOOD, "mean": {"shape": [1, 1, 1], "float32": "A%AA"}},
        "mean.float32 is "),
    "mean image nan": (
        {**GOOD, "mean": {"shape": [1, 1, 1], "float32": "AADAfw=="}},
        "the mean image has values that are no numbers."),
    "mean image without values": ({**GOOD, "mean": {"shape": [1, 1, 1]}},
                                  "mean.float32 is null."),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_refused(tmp_path: Path, case: str) -> None:
    content, expected = DAMAGED[case]
    path = tmp_path / "p.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError) as caught:
        read_preprocess(path)
    assert str(caught.value).startswith(f"{path}: {expected}")


def test_files_that_are_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="it is not text in UTF-8"):
        read_preprocess(tmp_path / "b.json")
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_preprocess(tmp_path / "no.json")


def test_class_names(tmp_path: Path) -> None:
    file = tmp_path / "synset_words.txt"
    file.write_text("n01440764 tench, Tinca tinca\n\nn01443537 goldfish\r\n")
    assert read_classes(file) == ("n01440764 tench, Tinca tinca", "n01443537 goldfish")
    file.write_text("\n")
    with pytest.raises(DataError, match="it names no class"):
        read_classes(file)
    with pytest.raises(DataError, match="the class names cannot be read"):
        read_classes(tmp_path / "no.txt")


# From data layers --------------------------------------------------------------


def test_what_a_data_layer_does(tmp_path: Path) -> None:
    data = layer(
        'type: "Data" top: "data" transform_param { crop_size: 227 scale: 0.017 '
        "mean_value: 103.939 mean_value: 116.779 mean_value: 123.68 mirror: true }"
    )
    found = preprocess_of(data, "net.prototxt", 3)
    assert found == Preprocess(
        "bgr", mean=(103.939, 116.779, 123.68), scale=(0.017,), crop=(227, 227)
    )
    assert found.resize is None  # whoever made the database knows


def test_what_an_image_data_layer_does() -> None:
    text = 'type: "ImageData" top: "data" image_data_param { source: "l.txt" SIZE }'
    squashed = layer(text.replace("SIZE", "new_height: 8 new_width: 12"))
    assert preprocess_of(squashed, "n", 1) == Preprocess(
        "gray", resize=Resize("squash", (8, 12))
    )
    assert preprocess_of(layer(text.replace("SIZE", "")), "n", 3).resize == Resize(
        "none"
    )


def test_what_a_layer_does_not_tell() -> None:
    memory = 'type: "MemoryData" top: "data"'
    assert preprocess_of(layer(memory), "n", 3) is None
    told = layer(memory + " transform_param { scale: 0.5 }")
    assert preprocess_of(told, "n", 3) == Preprocess("bgr", scale=(0.5,))
    assert preprocess_of(layer('type: "HDF5Data" top: "data"'), "n", 3) is None
    assert preprocess_of(layer('type: "Data" top: "data"'), "n", 2) is None


def test_a_mean_file_is_found_beside_the_net(tmp_path: Path, monkeypatch) -> None:
    image = np.random.default_rng(0).uniform(0, 255, (3, 4, 5)).astype(np.float32)
    write_mean(tmp_path / "mean.binaryproto", image)
    monkeypatch.chdir("/")
    data = layer(
        'type: "Data" top: "data" data_param { source: "db" } '
        'transform_param { mean_file: "mean.binaryproto" }'
    )
    found = preprocess_of(data, str(tmp_path / "net.prototxt"), 3)
    np.testing.assert_array_equal(found.mean_image, image)


def test_two_means_are_refused() -> None:
    data = layer(
        'type: "Data" top: "data" transform_param { mean_file: "m" mean_value: 3 }'
    )
    with pytest.raises(
        NetspecError, match=r"layer 'in' .Data.: has both mean_file and"
    ):
        preprocess_of(data, "n", 3)


NET = """
  layer { name: "d" type: "Data" top: "x" top: "y" include { phase: TRAIN }
    transform_param { crop_size: 5 force_gray: true scale: 0.25
      short_side_min: 6 short_side_max: 11 }
    data_param { source: "none" batch_size: 2 } }
  layer { name: "d" type: "Data" top: "x" top: "y" include { phase: TEST }
    transform_param { crop_size: 5 force_gray: true scale: 0.25 SCALE }
    data_param { source: "none" batch_size: 2 } }
"""


@pytest.mark.parametrize(
    ("scale", "resize"),
    [
        ("", None),
        ("short_side: 9", Resize("short-side", (9,), "triangle")),
        (
            "short_side_min: 6 short_side_max: 11",
            Resize("short-side", (8,), "triangle"),
        ),
        ("area_min: 0.5", Resize("short-side", (5,), "triangle")),
    ],
)
def test_of_a_whole_net(scale: str, resize: Resize | None) -> None:
    net = parse_net(NET.replace("SCALE", scale))
    found = preprocess_of_net(net, (TEST, 0, ()), build_graph(net, TEST).blobs)
    assert found == Preprocess(
        "gray", scale=(0.25,), crop=(5, 5), resize=resize, train_scale=(6, 11)
    )


def test_a_snapshot_is_tested_at_the_size_that_the_test_layer_says() -> None:
    net = parse_net(NET.replace("SCALE", "short_side: 9"))
    found = preprocess_of_net(net, (TRAIN, 0, ()), build_graph(net, TRAIN).blobs)
    assert found is not None
    assert (found.resize, found.train_scale) == (
        Resize("short-side", (9,), "triangle"),
        (6, 11),
    )
    untold = parse_net(NET.replace("SCALE", ""))
    found = preprocess_of_net(untold, (TRAIN, 0, ()), build_graph(net, TRAIN).blobs)
    assert found is not None
    assert found.resize == Resize("short-side", (8,), "triangle")


def test_of_a_net_without_data() -> None:
    text = 'layer { name: "i" type: "Input" top: "x" input_param { shape { dim: 1 } } }'
    assert preprocess_of_net(parse_net(text), (TEST, 0, ()), {}) is None
