"""Where the models are, and how a test reads one."""

from __future__ import annotations

from pathlib import Path

from netspec.proto import NetParameter, SolverParameter
from netspec.spec import read_net, read_solver

ROOT = Path(__file__).resolve().parent.parent.parent
MODELS = ROOT / "models"

VGG = ("vgg11", "vgg11_lrn", "vgg13", "vgg16_1x1", "vgg16", "vgg19")
NAMES = (*VGG, "alexnet", "googlenet", "resnet50", "lenet", "cifar10_quick", "digits")


def net(name: str, kind: str) -> NetParameter:
    """One net of a model; *kind* is "train_val" or "deploy"."""
    return read_net(MODELS / f"{name}_{kind}.prototxt").message


def solver(name: str) -> SolverParameter:
    """The solver of a model."""
    return read_solver(MODELS / f"{name}_solver.prototxt").message
