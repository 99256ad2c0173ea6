"""Small nets and solvers in memory, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netspec.solver import Solver
from netspec.spec import parse_solver

CLASSES, SHAPE = 3, (2, 5, 4)

CLASSIFIER = """
  name: "small"
  layer {
    name: "data" type: "MemoryData" top: "data" top: "label"
    include { phase: TRAIN }
    memory_data_param { batch_size: BATCH channels: 2 height: 5 width: 4 }
  }
  layer {
    name: "data" type: "MemoryData" top: "data" top: "label"
    include { phase: TEST }
    memory_data_param { batch_size: 6 channels: 2 height: 5 width: 4 }
  }
  layer {
    name: "conv" type: "Convolution" bottom: "data" top: "conv"
    param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
    convolution_param {
      num_output: 4 kernel_size: 3 weight_filler { type: "xavier" }
    }
  }
  layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
  DROPOUT
  layer {
    name: "score" type: "InnerProduct" bottom: "conv" top: "score"
    inner_product_param { num_output: 3 weight_filler { type: "xavier" } }
  }
  layer {
    name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label" top: "accuracy"
    include { phase: TEST }
  }
  layer {
    name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
    LOSS
  }
"""
DROPOUT = (
    'layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" '
    "dropout_param { dropout_ratio: 0.3 } }"
)

REGRESSION = """
  name: "least squares"
  layer {
    name: "data" type: "MemoryData" top: "data" top: "target"
    memory_data_param { batch_size: BATCH channels: 3 height: 1 width: 1 }
  }
  layer {
    name: "fit" type: "InnerProduct" bottom: "data" top: "fit"
    param { lr_mult: 1.3 decay_mult: 0.7 } param { lr_mult: 0.6 decay_mult: 1.4 }
    inner_product_param {
      num_output: 1
      weight_filler { type: "uniform" min: -0.5 max: 0.5 }
      bias_filler { type: "constant" value: 0.2 }
    }
  }
  layer {
    name: "loss" type: "EuclideanLoss" bottom: "fit" bottom: "target" top: "loss"
  }
"""

DEFAULTS = {
    "base_lr": "0.03",
    "lr_policy": '"fixed"',
    "momentum": "0.9",
    "weight_decay": "0.02",
    "max_iter": "9",
}


def classifier(batch: int = 8, dropout: bool = False, loss: str = "") -> str:
    """The net's text; *loss* goes into its loss layer."""
    text = CLASSIFIER.replace("BATCH", str(batch)).replace("LOSS", loss)
    return text.replace("DROPOUT", DROPOUT if dropout else "")


def pictures(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random pictures; the label follows from the pixels, so it can be learned."""
    draw = np.random.default_rng(seed)
    data = draw.standard_normal((rows, *SHAPE)).astype(np.float32)
    return data, data.sum(axis=(1, 3))[:, :CLASSES].argmax(1) % CLASSES


def make(
    folder: Path,
    settings: str = "",
    net: str | None = None,
    data: tuple[np.ndarray, np.ndarray] | None = None,
    tests: tuple[np.ndarray, np.ndarray] | None = None,
    **options: object,
) -> Solver:
    """A solver whose snapshots go to ``folder/solver_iter_N``, with its data set."""
    base = [f"{k}: {v}" for k, v in DEFAULTS.items() if f"{k}:" not in settings]
    text = f"{' '.join(base)} {settings} net_param {{ {net or classifier()} }}"
    spec = parse_solver(text, str(folder / "solver.prototxt"))
    solver = Solver(spec, device=str(options.pop("device", "numpy")), **options)
    set_data(solver, data or pictures(23, seed=3), tests or pictures(14, seed=4))
    return solver


def set_data(solver: Solver, data: tuple, tests: tuple) -> None:
    """Hand over the arrays of every MemoryData layer."""
    for feeds, arrays in [
        (solver.feeds, data),
        *((feeds, tests) for feeds in solver.test_feeds),
    ]:
        for feed in feeds.by_layer.values():
            feed.set_arrays(*arrays)


def weights_of(solver: Solver) -> np.ndarray:
    """A copy of all parameters."""
    return solver.net.arena.data.copy()
