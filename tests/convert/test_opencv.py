"""Exported models in OpenCV 5, which no longer reads Caffe's own files: the numbers are
those that OpenCV 4 computed from the caffemodels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.convert.compare import difference
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


@pytest.mark.parametrize("name", RECORDED)
def test_a_detector_or_classifier(name: str, tmp_path: Path, shared_data: Path) -> None:
    needs("onnx")
    cv2 = needs("cv2")
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip(f"OpenCV {cv2.__version__} still reads caffemodels")
    net, weights, _ = SHARED[name]
    recorded = np.load(shared_data / "reference_outputs" / f"{RECORDED[name]}.npz")
    from netspec.convert.model import open_model

    models = shared_data / "models"
    model = open_model(models / f"{net}.prototxt", models / f"{weights}.caffemodel")
    (path,) = write_onnx(export(model, FREE), tmp_path / "net.onnx")
    runner = cv2.dnn.readNetFromONNX(str(path))
    runner.setInput(recorded["input"].astype(np.float32))
    names = list(runner.getUnconnectedOutLayersNames())
    assert sorted(names) == sorted(model.graph.outputs)
    for blob, found in zip(names, runner.forward(names)):
        key = f"out:{blob}" if f"out:{blob}" in recorded else f"layer:{blob}"
        expected = recorded[key]
        assert difference(blob, expected, found.reshape(expected.shape)).passes(1e-4)
