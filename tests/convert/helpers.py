"""Models to convert, small enough to be run by a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.convert.inputs import Case
from netspec.convert.model import Model, Opening, open_model
from netspec.graph import build_graph
from netspec.proto import TEST, NetParameter
from netspec.spec import Located, filter_net, parse_net, read_net
from tests.golden import golden_folder

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "models"
FREE = frozenset({"batch", "size"})

# In the shared folder: net, weights, and a size that is quick to run, or None.
SHARED: dict[str, tuple[str, str, tuple[int, ...] | None]] = {
    "lenet": ("lenet_mnist_v1/lenet", "lenet_mnist_v1/lenet_iter_10000", None),
    "cifar10_quick": (
        "cifar10_quick_v1/cifar10_quick",
        "cifar10_quick_v1/cifar10_quick_iter_5000",
        None,
    ),
    "mtcnn_det1": ("mtcnn_v1/det1", "mtcnn_v1/det1", None),
    "mtcnn_det2": ("mtcnn_v1/det2", "mtcnn_v1/det2", None),
    "mtcnn_det3": ("mtcnn_v1/det3", "mtcnn_v1/det3", None),
    "squeezenet": (
        "squeezenet_trafficlights/deploy",
        "squeezenet_trafficlights/squeezenet_scratch_iter_8000",
        (3, 67, 61),
    ),
    "ultralight": (
        "ultralight_rfb320/RFB-320",
        "ultralight_rfb320/RFB-320",
        (3, 80, 104),
    ),
    "vdsr": ("vdsr/VDSR_net_deploy", "vdsr/VDSR_Adam", (1, 23, 19)),
    "vgg16": (
        "vgg16_keras_imagenet/vgg16_to_relu3_3",
        "vgg16_keras_imagenet/vgg16_to_relu3_3",
        (3, 37, 30),
    ),
}


def shared_model(shared_data: Path, name: str) -> Model:
    """One of SHARED, at its quick size and with its own weights."""
    net, weights, image = SHARED[name]
    spec = read_net(shared_data / "models" / f"{net}.prototxt")
    if image:
        for layer in spec.message.layer:
            if layer.type == "Input":
                layer.input_param.shape[0].dim[:] = (2, *image)
    return open_model(spec, shared_data / "models" / f"{weights}.caffemodel")


def thinned(name: str, by: int, image: int | None = None) -> Located[NetParameter]:
    """A deploy net of models/ with fewer filters, and perhaps smaller images."""
    net = read_net(MODELS / f"{name}_deploy.prototxt")
    for layer in net.message.layer:
        for param in (layer.convolution_param, layer.inner_product_param):
            if param.num_output:
                group = getattr(param, "group", 1)
                param.num_output = max(
                    group * 2, param.num_output // by // group * group
                )
        if image and layer.type == "Input":
            layer.input_param.shape[0].dim[:] = (1, 3, image, image)
    return net


def seeded(name: str, by: int = 1, image: int | None = None) -> Model:
    """A model of models/ with drawn weights, thinned."""
    net = thinned(name, by, image)
    for layer in net.message.layer:  # tests of a batch of 50 would say no more
        if layer.type == "Input":
            layer.input_param.shape[0].dim[0] = 2
    return open_model(net)


def from_text(text: str, opening: Opening | None = None) -> Model:
    """A model with drawn weights, from prototxt."""
    return open_model(parse_net(text, "net.prototxt"), None, opening)


def golden_model(case: dict[str, Any]) -> tuple[Model, Case, dict[str, np.ndarray]]:
    """One of Caffe's layer cases in TEST: model, inputs, and what Caffe got in TRAIN
    or TEST, whichever the case ran."""
    folder = golden_folder() / "layers"
    npz = dict(np.load(folder / f"{case['name']}.npz"))
    spec = read_net(folder / f"{case['name']}.prototxt")
    net = filter_net(spec, TEST, case["level"], case["stages"])
    graph = build_graph(net, TEST)
    params = tuple(npz[f"param:{p.layer}:{p.index}"] for p in graph.params)
    arrays = {k[3:]: v for k, v in npz.items() if k.startswith("in:")}
    wanted = {k[4:]: v for k, v in npz.items() if k.startswith("out:")}
    return Model(net, graph, params), Case("golden", arrays, {}), wanted


def needs(module: str) -> Any:
    """Skip a test where a package is not installed; gives the package."""
    return pytest.importorskip(module, reason=f"{module} is not installed")
