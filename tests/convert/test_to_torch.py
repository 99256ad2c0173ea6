"""PyTorch export: the module runs, computes the same, and reads well."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from netspec.convert.compare import difference
from netspec.convert.model import Model
from netspec.convert.safetensors import read_tensors
from netspec.convert.to_torch.emission import EMITTERS
from netspec.convert.to_torch.export import export
from netspec.convert.to_torch.names import Names, class_name, identifier
from netspec.convert.to_torch.render import render
from netspec.convert.to_torch.run import torch_proof
from netspec.convert.to_torch.target import write_module
from netspec.convert.to_torch.writer import number
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

REFUSED = {
    "convolution_axis", "embed_with_inner_product", "net_share_permissive", "spp_ave",
}  # fmt: skip
NOTHING_LEFT = {
    "silence_plain", "silence_plain_2", "dropout_test_phase_in_place",
    "dropout_test_phase_in_place_2",
}  # fmt: skip


def certify(model: Model, tmp_path: Path, free: frozenset[str] = FREE, **options):
    needs("torch")
    source = export(model, free)
    files = write_module(source, tmp_path / "net.py")
    return source, verify(model, torch_proof(source, files), **options)


@pytest.mark.parametrize("case", layer_cases(*EMITTERS))
def test_layers_compute_what_caffe_computes(case, tmp_path: Path) -> None:
    if case["name"] in NOTHING_LEFT:
        pytest.skip("nothing to compare")
    model, inputs, _ = golden_model(case)
    if case["name"] in REFUSED:
        with pytest.raises(SpecError, match="PyTorch cannot express 1 layer"):
            export(model, FREE)
        return
    _, certificate = certify(model, tmp_path, trial_cases=[inputs])
    assert certificate.verdict == "pass", certificate.failed


@pytest.mark.parametrize("name", SHARED)
def test_shared_models(name: str, tmp_path: Path, shared_data: Path) -> None:
    _, certificate = certify(shared_model(shared_data, name), tmp_path)
    assert certificate.verdict == "pass", certificate.failed


@pytest.mark.parametrize(
    ("name", "by", "image"),
    [
        ("lenet", 1, None),
        ("digits", 1, None),
        ("vgg11_lrn", 16, 64),
        ("vgg16_1x1", 16, 64),
        ("alexnet", 8, 115),
        ("googlenet", 16, 224),
        ("resnet50", 16, 224),
    ],
)
def test_models_of_this_project(name: str, by: int, image, tmp_path: Path) -> None:
    _, certificate = certify(seeded(name, by, image), tmp_path)
    assert certificate.verdict == "pass", certificate.failed


SMALL = """
name: "small net"
layer { name: "in" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 9 dim: 8 } } }
layer { name: "conv/1" type: "Convolution" bottom: "data" top: "conv/1"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv/1" top: "conv/1" }
layer { name: "scale" type: "Scale" bottom: "conv/1" top: "conv/1"
  scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv/1" top: "conv/1" }
layer { name: "pool" type: "Pooling" bottom: "conv/1" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 5 } }
layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""

SMALL_MODULE = '''
class SmallNet(nn.Module):
    """small net: data to prob."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(4, eps=1e-05)
        self.pool = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.fc = nn.Linear(24, 5)
        self.drop = nn.Dropout(0.5)

    def forward(self, data: Tensor) -> Tensor:
        conv_1 = F.relu(self.bn(self.conv_1(data)))
        pool = self.pool(conv_1)
        fc = self.drop(self.fc(torch.flatten(pool, 1)))
        prob = F.softmax(fc, 1)
        return prob
'''


@pytest.mark.smoke
def test_the_module_reads_as_a_person_would_write_it() -> None:
    text = render(export(from_text(SMALL), FREE), "small.safetensors")
    assert SMALL_MODULE in text
    assert text.startswith('"""small net as a PyTorch module, by netspec')
    assert all(len(line) <= 88 for line in text.splitlines())


def test_the_module_imports_only_what_it_uses() -> None:
    source = render(export(from_text(SMALL), FREE), "small.safetensors")
    tree = ast.parse(source)
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    imported = {
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported - names <= {"annotations"}


def test_the_written_file_loads_its_own_weights(tmp_path: Path) -> None:
    torch = needs("torch")
    needs("safetensors")
    model = from_text(SMALL)
    files = write_module(export(model, FREE), tmp_path / "small.py")
    assert [f.name for f in files] == ["small.py", "small.safetensors", "small.pt"]
    space: dict = {"__file__": str(files[0]), "__name__": "small"}
    exec(compile(files[0].read_text(), str(files[0]), "exec"), space)
    net = space["load"]()
    from netspec.convert.reference import Reference

    x = np.random.default_rng(0).normal(size=(2, 3, 9, 8)).astype(np.float32)
    expected = Reference(model).run({"data": x})["prob"]
    with torch.no_grad():
        assert difference("prob", expected, net(torch.from_numpy(x)).numpy()).passes(
            1e-5
        )
    state = torch.load(files[2], weights_only=True)
    assert state.keys() == net.state_dict().keys()


def test_the_weights_carry_their_net_along(tmp_path: Path) -> None:
    model = from_text(SMALL)
    files = write_module(export(model, FREE), tmp_path / "small.py")
    tensors, metadata = read_tensors(files[1])
    assert metadata["netspec.prototxt"].startswith('name: "small net"')
    np.testing.assert_array_equal(tensors["conv_1.weight"], model.params[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv1_1", "conv1_1"), ("inception_3a/1x1", "inception_3a_1x1"),
        ("3x3", "_3x3"),
        ("class", "class_"), ("forward", "forward_"), ("größe", "gr__e"), ("", "_"),
        ('"); import os #', "____import_os___"), ("__init__", "__init___"),
    ],
)  # fmt: skip
def test_names_become_identifiers(name: str, expected: str) -> None:
    assert identifier(name) == expected
    assert expected.isidentifier()


def test_names_that_would_clash_are_numbered() -> None:
    names = Names()
    assert [names.of(n) for n in ("a/b", "a_b", "a/b", "a.b")] == [
        "a_b",
        "a_b_2",
        "a_b",
        "a_b_3",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("vgg_16", "Vgg16"), ("16 layers", "Net16Layers"), ("", "Net")],
)
def test_class_names(name: str, expected: str) -> None:
    assert class_name(name) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.1, "0.1"), (1, "1.0"), (1e-5, "1e-05"), (-3, "-3.0"), (1 / 3, "0.33333334"),
     (float("inf"), 'float("inf")'), (16777216, "16777216")],
)  # fmt: skip
def test_numbers_are_as_short_as_float32_allows(value: float, expected: str) -> None:
    assert number(value) == expected
    if "float" not in expected:
        assert np.float32(expected) == np.float32(value)


def test_a_hostile_name_cannot_leave_its_string() -> None:
    text = SMALL.replace("small net", 'x\\"\\"\\"\\nimport os\\n').replace(
        '"prob"', '"p\\"+exit()+\\""'
    )
    source = render(export(from_text(text), FREE), 'w".safetensors')
    ast.parse(source)
    calls = {n.func.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)
             and isinstance(n.func, ast.Name)}  # fmt: skip
    assert "exit" not in calls
    assert "\nimport os" not in source
