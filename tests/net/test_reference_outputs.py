"""Real models against another engine's outputs: within 1e-4 of each blob's maximum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.net import Net

TOLERANCE = 1e-4  # float32 sums in another order, through up to twenty layers

# recorded outputs: (net, weights), inside the folder of models
MODELS = {
    "lenet_v1_all_layers": ("lenet_mnist_v1", "lenet", "lenet_iter_10000"),
    "cifar10_quick_v1_all_layers": (
        "cifar10_quick_v1",
        "cifar10_quick",
        "cifar10_quick_iter_5000",
    ),
    "vgg16_relu3_3": ("vgg16_keras_imagenet", "vgg16_to_relu3_3", "vgg16_to_relu3_3"),
    "vdsr": ("vdsr", "VDSR_net_deploy", "VDSR_Adam"),
    "squeezenet_traffic": (
        "squeezenet_trafficlights",
        "deploy",
        "squeezenet_scratch_iter_8000",
    ),
    "mtcnn_v1_det1": ("mtcnn_v1", "det1", "det1"),
    "mtcnn_v1_det2": ("mtcnn_v1", "det2", "det2"),
    "mtcnn_v1_det2_face": ("mtcnn_v1", "det2", "det2"),
    "mtcnn_v1_det3": ("mtcnn_v1", "det3", "det3"),
    "mtcnn_v1_det3_all_layers": ("mtcnn_v1", "det3", "det3"),
    "mtcnn_v1_det3_face": ("mtcnn_v1", "det3", "det3"),
    "ultralight_rfb320": ("ultralight_rfb320", "RFB-320", "RFB-320"),
    "yuface_v1": (
        "yufacedetect_v1",
        "yufacedetectnet-open-v1",
        "yufacedetectnet-open-v1",
    ),
}


def check_model(shared_data: Path, outputs: str, device: str = "cpu") -> None:
    """Run one model on its recorded input and compare layer by layer or output."""
    folder, net_name, weights = MODELS[outputs]
    recorded = np.load(shared_data / "reference_outputs" / f"{outputs}.npz")
    model = shared_data / "models" / folder
    net = Net(
        model / f"{net_name}.prototxt", model / f"{weights}.caffemodel", device=device
    )
    (name,) = net.inputs
    net.reshape(**{name: recorded["input"].shape})
    net.feed(name, recorded["input"])
    missed = set(recorded.files)
    for node, run in net.forward_steps:
        node.layer.forward(net.ops, run)
        for key in (f"layer:{node.name}", f"out:{node.name}", f"out:{node.tops[0]}"):
            if key in recorded:
                close(key, run.top[0], recorded[key])
                missed.discard(key)
    assert missed == {"input"}


def close(what: str, found, expected) -> None:
    if what == "out:detection_out":
        # The other engine fills up with zeros to keep_top_k rows.
        expected = expected[:, :, expected[0, 0, :, 2] > 0]
        assert found.shape == expected.shape, what
    scale = np.abs(expected).max()
    worst = np.abs(found.reshape(expected.shape) - expected).max() / scale
    assert worst < TOLERANCE, f"{what}: {worst:.2e} of the maximum"


@pytest.mark.parametrize("outputs", MODELS)
def test_outputs_are_the_other_engines(shared_data: Path, outputs: str) -> None:
    check_model(shared_data, outputs)
