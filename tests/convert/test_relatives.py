"""Layers that Caffe's own cases do not have: those of its relatives."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.convert.to_onnx import export, write_onnx
from netspec.convert.to_onnx.run import onnx_proof
from netspec.convert.to_torch import export as torch_export
from netspec.convert.to_torch.run import torch_proof
from netspec.convert.to_torch.target import write_module
from netspec.convert.verify import verify
from netspec.errors import SpecError
from tests.convert.helpers import FREE, from_text, needs

pytestmark = pytest.mark.filterwarnings("ignore")

INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { %s } } }\n'
IMAGE = INPUT % "dim: 2 dim: 6 dim: 8 dim: 10"


def layer(kind: str, settings: str = "", bottom: str = "x", top: str = "y") -> str:
    bottoms = " ".join(f'bottom: "{b}"' for b in bottom.split())
    tops = " ".join(f'top: "{t}"' for t in top.split())
    name = top.split()[0]
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} {tops} {settings} }}\n'


POOL = "pooling_param { pool: %s kernel_size: %d stride: 2 }"
ABS = layer("AbsVal", top="a")
NETS = {
    "bn": layer("BN"),
    "bn folded": layer("BN", "bn_param { bn_mode: INFERENCE }"),
    "batch norm of nvidia": layer("BatchNorm", "batch_norm_param { scale_bias: true }"),
    "batch norm of intel": layer(
        "BatchNorm", "batch_norm_param { use_weight_bias: true bias_term: false }"
    ),
    "permute": layer("Permute", "permute_param { order: 0 order: 2 order: 3 }"),
    "shuffle": layer("ShuffleChannel", "shuffle_channel_param { group: 3 }"),
    "relu6": layer("ReLU6"),
    "normalize": layer("Normalize", "norm_param { across_spatial: false }"),
    "normalize channels": layer(
        "Normalize", "norm_param { channel_shared: false across_spatial: true }"
    ),
    "interp": layer("Interp", "interp_param { height: 13 width: 7 }"),
    "interp zoom": layer("Interp", "interp_param { zoom_factor: 3 pad_beg: -1 }"),
    "interp shrink": layer("Interp", "interp_param { shrink_factor: 2 pad_end: -2 }"),
    "upsample": layer("Upsample", "upsample_param { scale: 3 }"),
    "unpool": layer("Pooling", POOL % ("MAX", 2), top="p m")
    + layer("Upsample", "upsample_param { scale: 2 }", "p m"),
    "stochastic": ABS + layer("Pooling", POOL % ("STOCHASTIC", 3), "a"),
    "axpy": layer(
        "Pooling", "pooling_param { pool: AVE global_pooling: true }", top="g"
    )
    + layer("Axpy", "", "g x x"),
    "depthwise": layer(
        "DepthwiseConvolution", "convolution_param { kernel_size: 3 pad: 1 stride: 2 }"
    ),
    "prior box": layer(
        "PriorBox",
        "prior_box_param { min_size: 4 max_size: 9 aspect_ratio: 2 variance: 0.1 }",
        "x x",
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_onnx(name: str, tmp_path: Path) -> None:
    needs("onnxruntime")
    model = from_text(IMAGE + NETS[name])
    made = export(model, FREE)
    files = write_onnx(made, tmp_path / "net.onnx")
    certificate = verify(model, onnx_proof(made, files))
    assert certificate.verdict == "pass", certificate.worst()


@pytest.mark.parametrize("name", NETS)
def test_torch(name: str, tmp_path: Path) -> None:
    needs("torch")
    model = from_text(IMAGE + NETS[name])
    source = torch_export.export(model, FREE)
    certificate = verify(
        model, torch_proof(source, write_module(source, tmp_path / "n.py"))
    )
    assert certificate.verdict == "pass", certificate.worst()


def test_what_follows_the_size_of_the_image_fixes_it(tmp_path: Path) -> None:
    needs("onnx")
    made = export(from_text(IMAGE + NETS["interp"]), FREE)
    assert made.freedom.free == {"batch"}
    assert made.freedom.reasons["size"] == (
        "layer 'y': its factors follow the size of the image."
    )


SEQUENCE = INPUT % "dim: 4 dim: 2 dim: 3" + (INPUT % "dim: 4 dim: 2").replace(
    '"in"', '"in2"'
).replace('"x"', '"cont"')
REFUSED = [
    (SEQUENCE + layer("LSTM", "recurrent_param { num_output: 5 }", "x cont"),
     "(LSTM): it keeps its states from one pass to the next"),
    (IMAGE + layer("BN", "bn_param { scale_filler { value: 1 } }"),
     "(BN): it normalises by the statistics of the batch at hand, in TEST too."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_refusals(text: str, expected: str) -> None:
    needs("onnx")
    for make in (export, torch_export.export):
        with pytest.raises(SpecError) as caught:
            make(from_text(text), FREE)
        assert expected in str(caught.value)
