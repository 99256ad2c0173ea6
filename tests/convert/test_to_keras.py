"""Keras export: the model runs on PyTorch's backend and computes the same."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from netspec.convert.model import Model
from netspec.convert.to_keras.export import export
from netspec.convert.to_keras.target import keras_proof, render, write_source
from netspec.convert.verify import verify
from netspec.errors import SpecError
from tests.convert.helpers import SHARED, from_text, needs, seeded, shared_model
from tests.convert.test_to_onnx import POOLING

pytestmark = pytest.mark.filterwarnings("ignore")


def check(model: Model, tmp_path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    needs("torch")
    needs("keras")
    source = export(model)
    certificate = verify(
        model, keras_proof(source, write_source(source, tmp_path / "n.py"))
    )
    assert certificate.verdict == "pass", certificate.failed


@pytest.mark.parametrize(
    "name", [n for n in SHARED if n not in ("ultralight", "mtcnn_det1")]
)
def test_shared_models(name: str, tmp_path: Path, shared_data: Path) -> None:
    check(shared_model(shared_data, name), tmp_path)


@pytest.mark.parametrize(
    ("name", "by", "image"),
    [
        ("digits", 1, None),
        ("vgg11_lrn", 16, 64),
        ("vgg16_1x1", 16, 64),
        ("alexnet", 8, 115),
    ],
)
def test_models_of_this_project(name: str, by: int, image, tmp_path: Path) -> None:
    check(seeded(name, by, image), tmp_path)


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad"),
    [((11, 12), (3, 2), (2, 3), (1, 0)), ((12, 13), (3, 3), (2, 2), (0, 0))],
)
def test_pooling_windows(pool, size, kernel, stride, pad, tmp_path: Path) -> None:
    text = POOLING.format(
        pool=pool, h=size[0], w=size[1], kh=kernel[0], kw=kernel[1], sh=stride[0],
        sw=stride[1], ph=pad[0], pw=pad[1], mode="CEIL",
    )  # fmt: skip
    check(from_text(text), tmp_path)


def test_the_source_is_python_and_imports_what_it_uses() -> None:
    source = render(export(seeded("lenet")), "lenet.safetensors")
    tree = ast.parse(source)
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert {"keras", "layers", "ops", "Path"} <= names
    assert 'conv1 = layers.Conv2D(20, 5, name="conv1")(data)' in source


def test_every_layer_that_is_not_written_is_named() -> None:
    text = POOLING.format(
        pool="MAX", h=5, w=5, kh=2, kw=2, sh=2, sw=2, ph=0, pw=0, mode="CEIL"
    )
    text += (
        'layer { name: "t" type: "Tile" bottom: "y" top: "t" tile_param { tiles: 2 } }'
    )
    text += 'layer { name: "m" type: "MVN" bottom: "t" top: "m" }'
    with pytest.raises(SpecError) as caught:
        export(from_text(text))
    assert str(caught.value).startswith("the Keras export cannot express 2 layers:")
    assert "layer 'm' (MVN): it is not among the layers" in str(caught.value)
