"""ONNX import: operators, exporters' habits, refusals, and the way there and back."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.convert.caffe_files import write_model
from netspec.errors import DataError, NetspecError, SpecError, UsageError
from netspec.spec import to_text
from tests.convert.helpers import FREE, SHARED, from_text, needs, seeded, shared_model

pytestmark = pytest.mark.filterwarnings("ignore")


def imported(path: Path, **options):
    needs("onnx")
    from netspec.convert.from_onnx import read_import

    return read_import(path, **options)


def prove(found, tmp_path: Path) -> None:
    """Write the two files and compare them with the ONNX file they came from."""
    needs("onnxruntime")
    from netspec.convert.from_onnx.prove import certify_import

    files = write_model(found.model, tmp_path / "back.prototxt", with_weights=True)
    certificate = certify_import(found, list(files), 0)
    assert certificate.verdict == "pass", certificate.failed


def there(model, tmp_path: Path) -> Path:
    from netspec.convert.to_onnx import export, write_onnx

    return write_onnx(export(model, FREE), tmp_path / "there.onnx")[0]


def there_and_back(model, tmp_path: Path):
    needs("onnx")
    return imported(there(model, tmp_path))


def same_weights(one, two) -> None:
    ours, theirs = one.as_weights(), two.as_weights()
    assert list(ours) == list(theirs)
    for name in ours:
        for a, b in zip(ours[name], theirs[name]):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", [n for n in SHARED if n != "ultralight"])
def test_shared_models_come_back(name: str, tmp_path: Path, shared_data: Path) -> None:
    model = shared_model(shared_data, name)
    found = there_and_back(model, tmp_path)
    same_weights(model, found.model)
    prove(found, tmp_path)


@pytest.mark.parametrize(
    ("name", "by", "image"),
    [
        ("digits", 1, None),
        ("vgg11_lrn", 16, 64),
        ("alexnet", 8, 115),
        ("googlenet", 16, 224),
    ],
)
def test_models_of_this_project_come_back(name, by, image, tmp_path: Path) -> None:
    model = seeded(name, by, image)
    found = there_and_back(model, tmp_path)
    same_weights(model, found.model)
    prove(found, tmp_path)


def test_resnet_comes_back_with_its_statistics_divided(tmp_path: Path) -> None:
    model = seeded("resnet50", 16, 224)
    prove(there_and_back(model, tmp_path), tmp_path)


@pytest.mark.smoke
def test_the_prototxt_comes_back_but_for_dropout(tmp_path: Path) -> None:
    model = seeded("vgg16_1x1", 16, 64)
    found = there_and_back(model, tmp_path)
    kept = model.net.message
    layers = [layer for layer in kept.layer if layer.type != "Dropout"]
    del kept.layer[:]
    kept.layer.extend(layers)
    assert to_text(found.model.net.message) == to_text(kept)


def test_a_size_that_is_open_must_be_given(tmp_path: Path) -> None:
    onnx = needs("onnx")
    path = build(tmp_path, [("Relu", ["x"], ["y"], {})], {"x": [None, 3, None, None]})
    with pytest.raises(UsageError) as caught:
        imported(path)
    assert str(caught.value) == (
        f"the size of input 'x' is open in {path}.\n"
        "  Give it without the batch: --input x=3,224,224."
    )
    found = imported(path, shapes={"x": (3, 5, 4)})
    assert found.model.inputs == {"x": (1, 3, 5, 4)}
    assert onnx


def build(
    tmp_path: Path,
    nodes: list[tuple[str, list[str], list[str], dict[str, Any]]],
    inputs: dict[str, list[int | None]],
    constants: dict[str, Any] | None = None,
    opset: int = 17,
) -> Path:
    """An ONNX file of a few operators; its last output is the model's."""
    onnx = needs("onnx")
    made = [
        onnx.helper.make_node(op, ins, outs, name=f"{op}_{i}", **attrs)
        for i, (op, ins, outs, attrs) in enumerate(nodes)
    ]
    tensors = [
        onnx.numpy_helper.from_array(np.asarray(v), k)
        for k, v in (constants or {}).items()
    ]
    values = [onnx.helper.make_tensor_value_info(k, 1, v) for k, v in inputs.items()]
    out = onnx.helper.make_empty_tensor_value_info(nodes[-1][2][0])
    graph = onnx.helper.make_graph(made, "test", values, [out], tensors)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=9
    )
    model = onnx.shape_inference.infer_shapes(model)
    path = tmp_path / "made.onnx"
    onnx.save(model, path)
    return path


R = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return R.normal(size=shape).astype(np.float32)


IMAGE: list[int | None] = [2, 6, 11, 9]
PAIR = {"x": IMAGE, "z": IMAGE}
# operator by operator: nodes after x, constants, other inputs
CASES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "conv same upper even": (
        [("Conv", ["x", "w"], ["y"], {"auto_pad": "SAME_UPPER"})],
        {"w": normal(4, 6, 3, 3)},
    ),
    "conv group dilation": (
        [("Conv", ["x", "w", "b"], ["y"],
          {"group": 2, "dilations": [2, 1], "pads": [2, 0, 2, 0], "strides": [1, 2]})],
        {"w": normal(4, 3, 3, 2), "b": normal(4)},
    ),
    "conv behind pad": (
        [("Pad", ["x", "p"], ["q"], {}),
         ("Conv", ["q", "w"], ["y"], {"strides": [2, 2]})],
        {"w": normal(4, 6, 3, 3), "p": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
    ),
    "conv harmless asymmetric": (
        [("Conv", ["x", "w"], ["y"], {"strides": [2, 2], "pads": [1, 1, 0, 1]})],
        {"w": normal(4, 6, 4, 3)},
    ),
    "conv transpose": (
        [("ConvTranspose", ["x", "w"], ["y"],
          {"strides": [2, 3], "pads": [1, 0, 1, 0], "group": 2})],
        {"w": normal(6, 2, 3, 4)},
    ),
    "max pool ceil": (
        [("MaxPool", ["x"], ["y"],
          {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1})],
        {},
    ),
    "max pool floor": (
        [("MaxPool", ["x"], ["y"],
          {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]})],
        {},
    ),
    "max pool asymmetric": (
        [("MaxPool", ["x"], ["y"],
          {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]})],
        {},
    ),
    "average pool counting": (
        [("AveragePool", ["x"], ["y"],
          {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1],
           "count_include_pad": 1})],
        {},
    ),
    "average pool behind pad": (
        [("Pad", ["x", "p"], ["q"], {}),
         ("AveragePool", ["q"], ["y"],
          {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [0, 0, 1, 1]})],
        {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
    ),
    "global pools": (
        [("GlobalAveragePool", ["x"], ["a"], {}), ("GlobalMaxPool", ["x"], ["m"], {}),
         ("Concat", ["a", "m"], ["y"], {"axis": 1})],
        {},
    ),
    "reduce mean": (
        [("ReduceMean", ["x"], ["y"], {"axes": [2, 3], "keepdims": 0})],
        {},
    ),
    "batch normalization": (
        [("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], {"epsilon": 0.01})],
        {"s": normal(6), "b": normal(6), "m": normal(6), "v": normal(6) ** 2 + 0.5},
    ),
    "lrn": (
        [("LRN", ["x"], ["y"], {"size": 3, "alpha": 0.2, "beta": 0.6, "bias": 1.5})],
        {},
    ),
    "activations": (
        [("LeakyRelu", ["x"], ["a"], {"alpha": 0.2}),
         ("Elu", ["a"], ["b"], {"alpha": 0.7}),
         ("Softplus", ["b"], ["c"], {}), ("Tanh", ["c"], ["d"], {}),
         ("Sigmoid", ["d"], ["e"], {}), ("Abs", ["e"], ["f"], {}),
         ("Clip", ["f", "lo", "hi"], ["y"], {})],
        {"lo": np.float32(0.1), "hi": np.float32(0.6)},
    ),
    "prelu": ([("PRelu", ["x", "a"], ["y"], {})], {"a": normal(6, 1, 1)}),
    "powers": (
        [("Mul", ["x", "half"], ["a"], {}), ("Add", ["five", "a"], ["b"], {}),
         ("Sqrt", ["b"], ["c"], {}), ("Pow", ["c", "three"], ["d"], {}),
         ("Sub", ["d", "half"], ["e"], {}), ("Div", ["e", "five"], ["f"], {}),
         ("Neg", ["f"], ["y"], {})],
        {"half": np.float32(0.5), "five": np.float32([40]), "three": np.float32(3)},
    ),
    "exp and log": (
        [("Mul", ["x", "s"], ["a"], {}), ("Exp", ["a"], ["b"], {}),
         ("Log", ["b"], ["y"], {})],
        {"s": np.float32(0.02)},
    ),
    "channel scale and bias": (
        [("Mul", ["x", "s"], ["a"], {}), ("Sub", ["a", "b"], ["c"], {}),
         ("Div", ["c", "s"], ["y"], {})],
        {"s": normal(6, 1, 1) + 3, "b": normal(1, 6, 1, 1)},
    ),
    "bias over two axes": ([("Add", ["x", "b"], ["y"], {})], {"b": normal(11, 9)}),
    "dense": (
        [("Flatten", ["x"], ["f"], {}), ("Gemm", ["f", "w", "b"], ["g"], {}),
         ("Relu", ["g"], ["h"], {}), ("MatMul", ["h", "v"], ["m"], {}),
         ("Add", ["m", "c"], ["s"], {}), ("Softmax", ["s"], ["y"], {"axis": -1})],
        {"w": normal(594, 7), "b": normal(7), "v": normal(7, 5), "c": normal(5)},
    ),
    "log softmax": (
        [("Mul", ["x", "s"], ["a"], {}), ("LogSoftmax", ["a"], ["y"], {"axis": 1})],
        {"s": np.float32(0.02)},
    ),
    "matrix behind three axes": (
        [("Reshape", ["x", "r"], ["f"], {}), ("MatMul", ["f", "w"], ["y"], {})],
        {"r": np.array([0, 6, 99]), "w": normal(99, 4)},
    ),
    "split and concat": (
        [("Split", ["x", "n"], ["a", "b"], {"axis": 1}), ("Sigmoid", ["b"], ["c"], {}),
         ("Concat", ["c", "a"], ["y"], {"axis": 1})],
        {"n": np.array([2, 4])},
    ),
    "gate": (
        [("GlobalAveragePool", ["x"], ["g"], {}), ("Sigmoid", ["g"], ["s"], {}),
         ("Mul", ["x", "s"], ["y"], {})],
        {},
    ),
    "squeeze": (
        [("GlobalAveragePool", ["x"], ["g"], {}), ("Squeeze", ["g", "a"], ["s"], {}),
         ("Unsqueeze", ["s", "o"], ["y"], {})],
        {"a": np.array([2, 3]), "o": np.array([2])},
    ),
    "transpose": ([("Transpose", ["x"], ["y"], {"perm": [0, 2, 3, 1]})], {}),
    "computed shape": (
        [("Shape", ["x"], ["s"], {}), ("Gather", ["s", "i"], ["n"], {}),
         ("Unsqueeze", ["n", "o"], ["u"], {}),
         ("Concat", ["u", "m"], ["r"], {"axis": 0}),
         ("Reshape", ["x", "r"], ["f"], {}), ("Relu", ["f"], ["y"], {})],
        {"i": np.array(0), "o": np.array([0]), "m": np.array([-1])},
    ),
    "identities": (
        [("Identity", ["x"], ["a"], {}), ("Cast", ["a"], ["b"], {"to": 1}),
         ("Dropout", ["b"], ["c"], {}), ("Relu", ["c"], ["d"], {}),
         ("Identity", ["d"], ["y"], {})],
        {},
    ),
}  # fmt: skip
TWO: dict[str, list[Any]] = {
    "sum": [("Add", ["x", "z"], ["y"], {})],
    "difference": [("Sub", ["x", "z"], ["y"], {})],
    "product": [("Mul", ["x", "z"], ["y"], {})],
    "several": [("Sum", ["x", "z", "x"], ["a"], {}), ("Max", ["a", "z"], ["y"], {})],
}


@pytest.mark.parametrize("name", CASES)
def test_operators(name: str, tmp_path: Path) -> None:
    nodes, constants = CASES[name]
    prove(imported(build(tmp_path, nodes, {"x": IMAGE}, constants)), tmp_path)


@pytest.mark.parametrize("name", TWO)
def test_operators_between_blobs(name: str, tmp_path: Path) -> None:
    prove(imported(build(tmp_path, TWO[name], PAIR)), tmp_path)


def test_weights_of_two_operators_become_one_parameter(tmp_path: Path) -> None:
    nodes = [
        ("Conv", ["x", "w"], ["a"], {}),
        ("Conv", ["z", "w"], ["b"], {}),
        ("Add", ["a", "b"], ["y"], {}),
    ]
    found = imported(build(tmp_path, nodes, PAIR, {"w": normal(4, 6, 3, 3)}))
    assert len(found.model.params) == 1
    prove(found, tmp_path)


REFUSED = [
    (("Sin", ["x"], ["y"], {}), {}, "Sin 'Sin_0': there is no layer for it."),
    (("Conv", ["x", "w"], ["y"], {"pads": [0, 0, 1, 1]}), {"w": normal(4, 6, 3, 3)},
     "Conv 'Conv_0': its padding differs before (0, 0) and behind (1, 1)."),
    (("AveragePool", ["x"], ["y"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}), {},
     "AveragePool 'AveragePool_0': it does not count its padding as Caffe does."),
    (("MaxPool", ["x"], ["y"], {"kernel_shape": [2, 2], "dilations": [2, 2]}), {},
     "MaxPool 'MaxPool_0': it is no plain pooling of images."),
    (("ReduceMean", ["x"], ["y"], {"axes": [1]}), {},
     "ReduceMean 'ReduceMean_0': its mean is not over height and width."),
    (("Div", ["c", "x"], ["y"], {}), {"c": np.float32(2)},
     "Div 'Div_0': it takes a value from a constant."),
    (("Pad", ["x", "p"], ["y"], {"mode": "reflect"}), {"p": np.array([0] * 8)},
     "Pad 'Pad_0': it pads with something other than zeros around images."),
    (("LRN", ["x"], ["y"], {"size": 4}), {}, "LRN 'LRN_0': local_size is 4."),
]  # fmt: skip


@pytest.mark.parametrize(("node", "constants", "expected"), REFUSED)
def test_refusals_name_the_operator(node, constants, expected, tmp_path: Path) -> None:
    path = build(tmp_path, [node], {"x": IMAGE}, constants)
    with pytest.raises(SpecError) as caught:
        imported(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}: a prototxt cannot express 1 operator:"
    assert lines[1] == f"  {expected}"
    assert len(lines) > 2


def test_all_refusals_come_at_once_and_once(tmp_path: Path) -> None:
    nodes = [
        ("Sin", ["x"], ["a"], {}),
        ("Relu", ["a"], ["b"], {}),
        ("Cos", ["x"], ["c"], {}),
        ("Add", ["b", "c"], ["y"], {}),
    ]
    with pytest.raises(SpecError, match="cannot express 2 operators") as caught:
        imported(build(tmp_path, nodes, {"x": IMAGE}))
    assert "Relu" not in str(caught.value)


@pytest.mark.parametrize("part", [0, 0.01, 0.3, 0.99])
def test_a_file_that_is_cut_short(part: float, tmp_path: Path) -> None:
    needs("onnx")
    path = there(from_text(LENET), tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(DataError):
        imported(path)


def test_bytes_that_are_changed(tmp_path: Path) -> None:
    """Whatever is wrong, it is an error of ours or a model, never another exception."""
    needs("onnx")
    path = there(from_text(LENET), tmp_path)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(whole)
        for at in random.integers(0, len(whole), 3):
            broken[at] = random.integers(0, 256)
        path.write_bytes(broken)
        try:
            imported(path)
        except NetspecError:
            continue


LENET = """
name: "small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 1 dim: 9 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 4 } }
"""


def torch_model(torch: Any, kind: str) -> Any:
    """What torchvision's VGG, ResNet and SqueezeNet are made of, small."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, ins: int, outs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outs)
            self.conv2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outs)
            self.relu = nn.ReLU(inplace=True)
            shortcut = nn.Conv2d(ins, outs, 1, stride, bias=False)
            self.down = nn.Sequential(shortcut, nn.BatchNorm2d(outs))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + self.down(x))

    class Fire(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.squeeze = nn.Conv2d(8, 4, 1)
            self.one, self.three = nn.Conv2d(4, 5, 1), nn.Conv2d(4, 6, 3, padding=1)

        def forward(self, x: Any) -> Any:
            x = torch.relu(self.squeeze(x))
            return torch.cat([torch.relu(self.one(x)), torch.relu(self.three(x))], 1)

    stem = [
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    ends = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(), nn.Linear(11, 7)]
    if kind == "resnet":
        body = [Block(8, 12, 2), Block(12, 11, 1)]
    elif kind == "squeezenet":
        body = [nn.MaxPool2d(3, 2, ceil_mode=True), Fire()]
    else:
        body = [nn.Conv2d(8, 11, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2)]
        ends = [nn.Flatten(), nn.Linear(11 * 4 * 5, 9), nn.ReLU(), nn.Linear(9, 7)]
    torch.manual_seed(0)
    model = nn.Sequential(*stem, *body, *ends).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return model


@pytest.mark.parametrize("kind", ["vgg", "resnet", "squeezenet"])
def test_what_pytorch_exports(kind: str, tmp_path: Path) -> None:
    needs("onnx")
    torch = needs("torch")
    path = tmp_path / f"{kind}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            torch_model(torch, kind), torch.zeros(2, 3, 34, 41), str(path),
            dynamo=False, input_names=["data"], dynamic_axes={"data": {0: "N"}},
        )  # fmt: skip
    found = imported(path)
    names = [layer.name for layer in found.model.net.message.layer]
    assert not any(name.startswith("/") for name in names)
    prove(found, tmp_path)
