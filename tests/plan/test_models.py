"""Every net of ``models/`` computes the same bits in a lean plan as in an observed one.

The nets are those of the files but for the sizes: images as small as the layers allow,
and the widest inner products made narrow.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.graph import Feeding
from netspec.net import Net
from netspec.spec import Located, filter_net, read_net

MODELS = sorted((Path(__file__).parents[2] / "models").glob("*.prototxt"))
NETS = [path for path in MODELS if not path.stem.endswith("_solver")]
SIZES = {"alexnet": 67, "googlenet": 64, "resnet50": 64, "lenet": 28, "digits": 28}
DEFAULT_SIZE = 32  # VGG's least; cifar10's own
BATCH, CLASSES, NARROW = 2, 10, 64
CASES = [
    pytest.param(
        path,
        phase,
        id=f"{path.stem}-{phase}",
        marks=[pytest.mark.smoke] * (path.stem == "vgg16_deploy"),
    )
    for path in NETS
    for phase in ("train", "test")
]


def small(path: Path, phase: str) -> tuple[Located, Feeding]:
    """The net with narrow inner products, and the shapes of its small inputs."""
    net = read_net(path)
    size = next((s for n, s in SIZES.items() if path.stem.startswith(n)), DEFAULT_SIZE)
    inputs, sources = {}, {}
    for layer in net.message.layer:
        param = layer.inner_product_param
        param.num_output = min(param.num_output, NARROW)
        if layer.type == "Pooling" and layer.pooling_param.kernel_size > 6:
            layer.pooling_param.ClearField("kernel_size")
            layer.pooling_param.global_pooling = True
        if layer.type == "Input":
            channels = layer.input_param.shape[0].dim[1]
            inputs[layer.top[0]] = (BATCH, channels, size, size)
    for layer in filter_net(net, 0 if phase == "train" else 1).message.layer:
        if len(layer.top) == 2 and layer.type == "Data":
            channels = 1 if path.stem.startswith(("lenet", "digits")) else 3
            sources[layer.name] = ((BATCH, channels, size, size), (BATCH,))
    return net, Feeding(inputs=inputs, sources=sources)


def run(net: Net) -> dict[str, np.ndarray]:
    """Outputs and gradients of two passes over inputs that are fed once."""
    rng, found = np.random.default_rng(11), {}
    for name in net.inputs:
        shape = net.blobs[name].shape
        labels = rng.integers(0, CLASSES, shape)
        net.feed(name, rng.normal(0, 3, shape) if len(shape) > 1 else labels)
    for number in range(2):
        net.begin_pass(iteration=number)
        found |= {f"{n} {number}": a for n, a in net.forward().items()}
        found[f"loss {number}"] = np.float64(net.loss)
        if net.plan.backward:
            net.backward_pass()
    return found | {"gradient": net.arena.diff, "parameters": net.arena.data}


@pytest.mark.parametrize(("path", "phase"), CASES)
def test_lean_equals_observed(path: Path, phase: str) -> None:
    model, feeding = small(path, phase)
    lean = Net(model, phase=phase, feeding=feeding, lean=True, seed=5)
    observed = Net(model, phase=phase, feeding=feeding, seed=5)
    if not lean.plan.backward:
        observed.backward_pass = lambda: None
    found, expected = run(lean), run(observed)
    if not lean.plan.backward:
        expected["gradient"] = found["gradient"]
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].tobytes() == value.tobytes(), name
    assert lean.plan.bytes < observed.plan.bytes
