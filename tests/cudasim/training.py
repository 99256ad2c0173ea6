"""Small nets, their data, and runs of them, for tests that train on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data.writer import DatabaseWriter
from netspec.proto import Datum
from netspec.solver import Solver
from netspec.solver.events import Event, Iteration
from tests.cudasim import emulator
from tests.cudasim.standin import World, install

MODELS = Path(__file__).resolve().parents[2] / "models"
RECORDS, CLASSES = 40, 4

_DATA = """
  layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
    transform_param { scale: 0.01 mirror: true crop_size: 12 mean_value: 100 }
    data_param { source: "db" batch_size: 8 backend: LMDB } }
  layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
    transform_param { scale: 0.01 crop_size: 12 mean_value: 100 }
    data_param { source: "db" batch_size: 7 backend: LMDB } }
"""
_END = """
  layer { name: "accuracy" type: "Accuracy" bottom: "fc8" bottom: "label"
    top: "accuracy" include { phase: TEST } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8" bottom: "label" top: "loss"
    LOSS }
"""


def _conv(name: str, bottom: str, filters: int, after: str = "") -> str:
    return f"""
  layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
    param {{ lr_mult: 1 }} param {{ lr_mult: 2 decay_mult: 0 }}
    convolution_param {{ num_output: {filters} kernel_size: 3 pad: 1
      weight_filler {{ type: "msra" }} }} }}
  {after}
  layer {{ name: "{name}/relu" type: "ReLU" bottom: "{name}" top: "{name}" }}"""


def _pool(name: str, bottom: str) -> str:
    return f"""
  layer {{ name: "{name}" type: "Pooling" bottom: "{bottom}" top: "{name}"
    pooling_param {{ kernel_size: 2 stride: 2 }} }}"""


def _dense(name: str, bottom: str, outputs: int, dropout: bool = False) -> str:
    text = f"""
  layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}"
    inner_product_param {{ num_output: {outputs} weight_filler {{ type: "xavier" }} }}
  }}"""
    if dropout:
        text += f"""
  layer {{ name: "{name}/relu" type: "ReLU" bottom: "{name}" top: "{name}" }}
  layer {{ name: "{name}/drop" type: "Dropout" bottom: "{name}" top: "{name}"
    dropout_param {{ dropout_ratio: 0.4 }} }}"""
    return text


def _batch_norm(of: str) -> str:
    return f"""
  layer {{ name: "{of}/bn" type: "BatchNorm" bottom: "{of}" top: "{of}" }}
  layer {{ name: "{of}/scale" type: "Scale" bottom: "{of}" top: "{of}"
    scale_param {{ bias_term: true }} }}"""


VGG = "".join(
    (
        *('name: "small vgg"', _DATA, _conv("conv1", "data", 6)),
        *(_conv("conv2", "conv1", 5), _pool("pool1", "conv2")),
        *(_conv("conv3", "pool1", 7), _pool("pool2", "conv3")),
        *(_dense("fc6", "pool2", 9, dropout=True), _dense("fc7", "fc6", 8, True)),
        *(_dense("fc8", "fc7", CLASSES), _END),
    )
)
BATCH_NORM = "".join(
    (
        *('name: "normalised"', _DATA, _conv("conv1", "data", 6, _batch_norm("conv1"))),
        *(_pool("pool1", "conv1"), _conv("conv2", "pool1", 5, _batch_norm("conv2"))),
        *(_pool("pool2", "conv2"), _dense("fc8", "pool2", CLASSES), _END),
    )
)
SOLVER = """
  net: "net.prototxt" base_lr: 0.02 lr_policy: "fixed" momentum: 0.9
  weight_decay: 0.001 random_seed: 5 snapshot_prefix: "snap/t"
"""


def lenet() -> str:
    """Caffe's LeNet as models/ has it, on the test's own digits, in small batches."""
    text = (MODELS / "lenet_train_val.prototxt").read_text()
    for old, new in (
        ("data/mnist_train_lmdb", "db"),
        ("data/mnist_test_lmdb", "db"),
        ("batch_size: 64", "batch_size: 5"),
        ("batch_size: 100", "batch_size: 8"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text


NETS = {
    "lenet": (lenet(), (1, 28, 28)),
    "vgg": (VGG.replace("LOSS", ""), (3, 14, 13)),
    "batch norm": (BATCH_NORM.replace("LOSS", ""), (3, 14, 13)),
    "ignore": (VGG.replace("LOSS", "loss_param { ignore_label: 2 }"), (3, 14, 13)),
}


def make_files(folder: Path, net: str, settings: str) -> Path:
    """A database of pictures with a bright part, a net and a solver; the solver."""
    text, shape = NETS[net]
    draw = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    with DatabaseWriter(folder / "db", force=True) as writer:
        for i in range(RECORDS):
            label = i % CLASSES
            pixels = draw.integers(0, 120, shape, np.uint8)
            pixels[:, label * 3 : label * 3 + 4] += 100
            datum = Datum(channels=shape[0], height=shape[1], width=shape[2])
            datum.label, datum.data = label, pixels.tobytes()
            writer.put(f"{i:05d}", datum.SerializeToString())
    (folder / "net.prototxt").write_text(text)
    solver = folder / "solver.prototxt"
    solver.write_text(SOLVER.replace('net: "', f'net: "{folder}/') + settings)
    solver.write_text(solver.read_text().replace('"snap', f'"{folder}/snap'))
    net_file = folder / "net.prototxt"
    net_file.write_text(net_file.read_text().replace('"db"', f'"{folder}/db"'))
    return solver


@dataclass
class Trained:
    """What training left."""

    weights: np.ndarray
    histories: list[np.ndarray]
    losses: list[float]
    masks: list[np.ndarray]
    events: list[Event]


def train(
    solver: Path, device: str, iterations: int = 4, lean: bool = True, **options: Any
) -> Trained:
    """Train for a number of iterations, and look at everything.

    A lean net gives its masks' memory to others.
    """
    events: list[Event] = []
    with Solver(
        solver, device=device, lean=lean, listeners=[events.append], **options
    ) as made:
        losses = made.step(iterations)
        read = made.net.ops.download
        masks = [
            np.array(read(run.scratch["mask"]))
            for node, run in made.net.forward_steps
            if node.type == "Dropout" and not lean
        ]
        return Trained(
            np.array(read(made.net.arena.data)),
            [np.array(read(h)) for h in made.histories],
            losses,
            masks,
            events,
        )


def agree(one: Trained, other: Trained, within: float = 1e-4) -> None:
    """Equal as two devices are: losses, weights and histories; masks exactly."""
    assert len(one.losses) == len(other.losses)
    np.testing.assert_allclose(one.losses, other.losses, rtol=within)
    for a, b in zip((one.weights, *one.histories), (other.weights, *other.histories)):
        np.testing.assert_allclose(a, b, rtol=0, atol=within * np.abs(a).max())
    assert len(one.masks) == len(other.masks)
    for a, b in zip(one.masks, other.masks):
        np.testing.assert_array_equal(a, b)


def told(trained: Trained) -> list[Iteration]:
    """The iterations that listeners were told of."""
    return [event for event in trained.events if isinstance(event, Iteration)]


@pytest.fixture(params=["at once", "late", pytest.param("gpu", marks=pytest.mark.gpu)])
def cuda(request: pytest.FixtureRequest, monkeypatch: Any) -> Iterator[World | None]:
    """The stand-in, with queued work done at once or as late as can be; or a GPU."""
    if request.param == "gpu":
        from netspec.backends.cuda_support import lacks

        for lack in lacks():
            pytest.skip(f"no GPU: {lack.what}")
        yield None
        return
    if emulator.compiler() is None:
        pytest.skip("no g++: kernels cannot be emulated")
    monkeypatch.setenv("NETSPEC_CUDA_MEASURE", "0")  # the emulator's times mean nothing
    with install(order=request.param, devices=8) as world:
        yield world
