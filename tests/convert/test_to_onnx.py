"""ONNX export, against Caffe's own numbers and against netspec, in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.convert.compare import difference
from netspec.convert.model import Model
from netspec.convert.to_onnx import export, write_onnx
from netspec.convert.to_onnx.emission import EMITTERS
from netspec.convert.to_onnx.run import onnx_proof
from netspec.convert.verify import verify
from netspec.errors import SpecError
from tests.convert.helpers import (
    FREE,
    SHARED,
    from_text,
    golden_model,
    needs,
    seeded,
    shared_model,
)
from tests.golden import layer_cases

pytestmark = pytest.mark.filterwarnings("ignore")

# Cases whose subject ONNX has no words for; each must be refused by name.
REFUSED = {
    "convolution_axis", "embed_with_inner_product", "filter_one", "filter_one_2",
    "filter_two", "filter_two_2",
}  # fmt: skip
NOTHING_LEFT = {"silence_plain", "silence_plain_2"}


def exported(model: Model, tmp_path: Path, free: frozenset[str] = FREE):
    needs("onnx")
    made = export(model, free)
    return made, write_onnx(made, tmp_path / "net.onnx")


def certify(model: Model, tmp_path: Path, free: frozenset[str] = FREE, **options):
    needs("onnxruntime")
    made, files = exported(model, tmp_path, free)
    return made, verify(model, onnx_proof(made, files), **options)


def check(model: Model, tmp_path: Path, free: frozenset[str] = FREE):
    made, certificate = certify(model, tmp_path, free)
    assert certificate.verdict == "pass", certificate.failed
    return made


@pytest.mark.parametrize("case", layer_cases(*EMITTERS, "Dropout", "Split"))
def test_layers_compute_what_caffe_computes(case, tmp_path: Path) -> None:
    """Each of Caffe's layer cases; those run in TRAIN are compared with netspec."""
    if case["name"] in NOTHING_LEFT:
        pytest.skip("a net without outputs")
    model, inputs, wanted = golden_model(case)
    if case["name"] in REFUSED:
        with pytest.raises(SpecError, match="ONNX cannot express 1 layer"):
            exported(model, tmp_path)
        return
    runtime = needs("onnxruntime")
    made, certificate = certify(model, tmp_path, trial_cases=[inputs])
    assert not certificate.failed
    if case["phase"] == "TEST" or case["type"] not in ("BatchNorm", "Dropout"):
        session = runtime.InferenceSession(str(tmp_path / "net.onnx"))
        names = [o.name for o in session.get_outputs()]
        found = dict(zip(names, session.run(names, inputs.arrays)))
        for blob in set(wanted) & set(model.graph.outputs):
            value = found[made.values[blob]]
            assert difference(blob, wanted[blob], value).passes(1e-4), blob


@pytest.mark.parametrize("name", SHARED)
def test_shared_models(name: str, tmp_path: Path, shared_data: Path) -> None:
    check(shared_model(shared_data, name), tmp_path)


@pytest.mark.parametrize(
    ("name", "by", "image"),
    [
        ("lenet", 1, None),
        ("cifar10_quick", 1, None),
        ("digits", 1, None),
        ("vgg11", 16, 64),
        ("vgg11_lrn", 16, 64),
        ("vgg13", 16, 64),
        ("vgg16_1x1", 16, 64),
        ("vgg16", 16, 64),
        ("vgg19", 16, 64),
        ("alexnet", 8, 115),
        ("googlenet", 16, 224),
        ("resnet50", 16, 224),
    ],
)
def test_models_of_this_project(name: str, by: int, image, tmp_path: Path) -> None:
    made = check(seeded(name, by, image), tmp_path)
    assert "batch" in made.freedom.free


def test_one_layer_that_cannot_be_written_names_all_of_them(shared_data: Path) -> None:
    needs("onnx")
    folder = shared_data / "models" / "yufacedetect_v1"
    from netspec.convert.model import open_model

    name = "yufacedetectnet-open-v1"
    model = open_model(folder / f"{name}.prototxt", folder / f"{name}.caffemodel")
    with pytest.raises(SpecError, match=r"detection_out' \(DetectionOutput\)"):
        export(model, FREE)


TWO_BAD = """
layer { name: "in" type: "Input" top: "x" top: "s"
  input_param { shape { dim: 4 dim: 3 dim: 5 dim: 5 } shape { dim: 4 } } }
layer { name: "f" type: "Filter" bottom: "x" bottom: "s" top: "f" }
layer { name: "c" type: "Convolution" bottom: "f" top: "c"
  convolution_param { num_output: 2 kernel_size: 1 axis: 2 } }
"""


@pytest.mark.smoke
def test_the_refusal_lists_every_layer_with_its_place() -> None:
    needs("onnx")
    with pytest.raises(SpecError) as caught:
        export(from_text(TWO_BAD), FREE)
    assert str(caught.value) == (
        "ONNX cannot express 2 layers:\n"
        "  net.prototxt:4:1: layer 'f' (Filter): how much it gives depends on the "
        "data.\n"
        "  net.prototxt:5:1: layer 'c' (Convolution): its channels are axis 2.\n"
        "  End the net before it (the blob before it is an output then), and compute "
        "it in your own code.\n"
        "  Only axis 1 can hold the channels there: reshape around the layer."
    )


POOLING = """
layer {{ name: "in" type: "Input" top: "x"
  input_param {{ shape {{ dim: 2 dim: 3 dim: {h} dim: {w} }} }} }}
layer {{ name: "p" type: "Pooling" bottom: "x" top: "y" pooling_param {{
  pool: {pool} kernel_h: {kh} kernel_w: {kw} stride_h: {sh} stride_w: {sw}
  pad_h: {ph} pad_w: {pw} round_mode: {mode} }} }}
"""


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "mode"),
    [
        ((112, 13), (3, 3), (2, 2), (1, 1), "CEIL"),  # 57 windows, not 56
        ((12, 13), (3, 2), (2, 3), (0, 1), "CEIL"),
        ((11, 8), (5, 3), (2, 2), (4, 2), "CEIL"),  # padded by nearly a kernel
        ((9, 10), (2, 2), (2, 2), (0, 0), "CEIL"),
        ((13, 9), (4, 3), (3, 2), (2, 1), "FLOOR"),
        ((7, 9), (3, 3), (1, 1), (1, 1), "CEIL"),
        ((10, 10), (2, 3), (3, 3), (0, 0), "CEIL"),  # a stride above the kernel
        ((5, 6), (9, 8), (2, 2), (2, 3), "CEIL"),  # a kernel above the input
    ],
)
def test_pooling_windows(pool, size, kernel, stride, pad, mode, tmp_path: Path) -> None:
    text = POOLING.format(
        pool=pool, h=size[0], w=size[1], kh=kernel[0], kw=kernel[1], sh=stride[0],
        sw=stride[1], ph=pad[0], pw=pad[1], mode=mode,
    )  # fmt: skip
    model = from_text(text)
    made = check(model, tmp_path)
    check(model, tmp_path, frozenset())
    assert ("size" in made.freedom.free) == (stride != (3, 3))


def test_a_window_outside_of_the_image_is_refused() -> None:
    needs("onnx")
    text = POOLING.format(
        pool="AVE", h=5, w=5, kh=2, kw=2, sh=4, sw=4, ph=0, pw=0, mode="CEIL"
    ).replace("dim: 5 dim: 5", "dim: 7 dim: 5")
    with pytest.raises(SpecError, match="its last window lies outside of the input"):
        export(from_text(text), FREE)


NAMES = """
layer { name: "in" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 6 dim: 5 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "d" type: "Dropout" bottom: "c" top: "d" }
layer { name: "s" type: "Sigmoid" bottom: "d" top: "s" }
layer { name: "t" type: "TanH" bottom: "d" top: "t" }
layer { name: "e" type: "Dropout" bottom: "t" top: "e" }
"""


@pytest.mark.smoke
def test_values_have_the_names_of_blobs_and_nodes_of_layers(tmp_path: Path) -> None:
    onnx = needs("onnx")
    made, (path,) = exported(from_text(NAMES), tmp_path)
    graph = onnx.load(path).graph
    assert [(n.op_type, n.name) for n in graph.node] == [
        ("Conv", "c"), ("Relu", "r"), ("Sigmoid", "s"), ("Tanh", "t"),
        ("Identity", "e/Identity"),
    ]  # fmt: skip
    assert [n.output[0] for n in graph.node] == ["c_c", "c", "s", "t", "e"]
    assert [o.name for o in graph.output] == ["e", "s"]
    assert made.values["d"] == "c"
    assert {i.name for i in graph.initializer} == {"c.weight", "c.bias"}


def test_open_extents_have_names(tmp_path: Path) -> None:
    onnx = needs("onnx")
    _, (path,) = exported(from_text(NAMES), tmp_path)
    graph = onnx.load(path).graph
    dims = graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["N", 3, "H", "W"]


def test_nothing_is_open_that_was_asked_to_be_fixed(tmp_path: Path) -> None:
    onnx = needs("onnx")
    _, (path,) = exported(from_text(NAMES), tmp_path, frozenset())
    dims = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [2, 3, 6, 5]


def test_the_file_carries_net_version_and_preprocessing(tmp_path: Path) -> None:
    onnx = needs("onnx")
    from dataclasses import replace

    from netspec.data.presets import PRESETS

    model = replace(from_text(NAMES), preprocess=PRESETS["caffe-vgg"])
    _, (path,) = exported(model, tmp_path)
    held = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert '"mean": [103.939, 116.779, 123.68]' in held["netspec.preprocess"]
    assert held["netspec.prototxt"].startswith("layer {")
    assert held["netspec.inputs"] == '{"data": [2, 3, 6, 5]}'


def test_weights_beside_the_model_where_it_would_be_too_large(tmp_path: Path) -> None:
    onnx, runtime = needs("onnx"), needs("onnxruntime")
    model = seeded("lenet")
    made = export(model, FREE)
    files = write_onnx(made, tmp_path / "net.onnx", limit=100_000)
    assert [f.name for f in files] == ["net.onnx", "net.onnx.data"]
    assert files[0].stat().st_size < 20_000
    onnx.checker.check_model(str(files[0]), full_check=True)
    for tensor in onnx.load(files[0], load_external_data=False).graph.initializer:
        offsets = [e.value for e in tensor.external_data if e.key == "offset"]
        assert all(int(offset) % 4096 == 0 for offset in offsets)
    assert verify(model, onnx_proof(made, files)).verdict == "pass"
    assert runtime.InferenceSession(str(files[0]))


def test_the_streamed_file_is_an_ordinary_one(tmp_path: Path) -> None:
    onnx = needs("onnx")
    model = seeded("lenet")
    _, (path,) = exported(model, tmp_path)
    loaded = onnx.load(path)
    held = {t.name: onnx.numpy_helper.to_array(t) for t in loaded.graph.initializer}
    for node in model.graph.nodes:
        for word, array in zip(("weight", "bias"), model.arrays(node)):
            np.testing.assert_array_equal(held[f"{node.name}.{word}"], array)
    assert loaded.opset_import[0].version == 22


def test_a_full_disk_leaves_the_file_that_was_there(
    tmp_path: Path, monkeypatch
) -> None:
    needs("onnx")
    from netspec.convert.to_onnx import write
    from netspec.errors import DataError

    path = tmp_path / "net.onnx"
    path.write_bytes(b"before")

    def full(file, pieces) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "write_pieces", full)
    with pytest.raises(DataError, match="No space left"):
        write_onnx(export(seeded("digits"), FREE), path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_wrong_export_fails(tmp_path: Path) -> None:
    """The certificate must be able to fail: one weight is changed on the way."""
    needs("onnxruntime")
    from dataclasses import replace

    model = seeded("lenet")
    params = [array.copy() for array in model.params]
    params[2].reshape(-1)[7] += 0.05
    made = export(replace(model, params=tuple(params)), FREE)
    files = write_onnx(made, tmp_path / "net.onnx")
    certificate = verify(model, onnx_proof(made, files))
    assert certificate.verdict == "fail"
    assert certificate.failed[0] == "conv2"
    assert "conv1" not in certificate.failed
