"""Exported models in OpenCV 5 and OpenVINO, which no longer read Caffe's own files: the
numbers are those that OpenCV 4 computed from the caffemodels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.convert.compare import difference
from netspec.convert.model import open_model
from netspec.convert.to_onnx import export, write_onnx
from tests.convert.helpers import FREE, SHARED, needs

pytestmark = pytest.mark.filterwarnings("ignore")

RECORDED = {
    "lenet": "lenet_v1_all_layers",
    "cifar10_quick": "cifar10_quick_v1_all_layers",
    "mtcnn_det1": "mtcnn_v1_det1",
    "mtcnn_det2": "mtcnn_v1_det2",
    "mtcnn_det3": "mtcnn_v1_det3",
    "squeezenet": "squeezenet_traffic",
    "ultralight": "ultralight_rfb320",
    "vdsr": "vdsr",
}


def opencv(path: Path, image: Any) -> dict[str, Any]:
    cv2 = needs("cv2")
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip(f"OpenCV {cv2.__version__} still reads caffemodels")
    net = cv2.dnn.readNetFromONNX(str(path))
    net.setInput(image)
    names = list(net.getUnconnectedOutLayersNames())
    return dict(zip(names, net.forward(names)))


def openvino(path: Path, image: Any) -> dict[str, Any]:
    runtime = needs("openvino")
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    found = runtime.compile_model(str(path), "CPU", exact)([image])
    return {output.get_any_name(): value for output, value in found.items()}


@pytest.mark.parametrize("run", [opencv, openvino])
@pytest.mark.parametrize("name", RECORDED)
def test_a_detector_or_classifier(
    name: str, run: Callable[..., Any], tmp_path: Path, shared_data: Path
) -> None:
    needs("onnx")
    net, weights, _ = SHARED[name]
    recorded = np.load(shared_data / "reference_outputs" / f"{RECORDED[name]}.npz")
    models = shared_data / "models"
    model = open_model(models / f"{net}.prototxt", models / f"{weights}.caffemodel")
    (path,) = write_onnx(export(model, FREE), tmp_path / "net.onnx")
    found = run(path, recorded["input"].astype(np.float32))
    assert sorted(found) == sorted(model.graph.outputs)
    for blob, value in found.items():
        key = f"out:{blob}" if f"out:{blob}" in recorded else f"layer:{blob}"
        expected = recorded[key]
        assert difference(blob, expected, value.reshape(expected.shape)).passes(1e-4)
