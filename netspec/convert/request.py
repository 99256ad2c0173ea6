"""What a user asks of a conversion, what comes of it, and the formats there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netspec.convert.certificate import Certificate
from netspec.errors import UsageError
from netspec.registry import Registry, suggest
from netspec.shapes import Shape


@dataclass(frozen=True)
class Request:
    """One conversion.

    Attributes:
        source: the net, the model, or the weights alone.
        out: the file to write; more may stand beside it.
        weights: a weights file, where *source* does not hold them.
        batch: images of the input; 0: left open where that is exact.
        size: ``"auto"``: the size of images is left open where that is exact;
            ``"fixed"``: it is the file's.
        fold: preprocessing becomes part of the first convolution.
        verify: run both sides and compare.
        level, stages: which layers of the file are in the net.
        shapes: (C, H, W) of data tops that the file leaves open, by name.
        preprocess: a preset or a file, where the model's own files do not tell.
        seed: of drawn weights and of the inputs that are compared.
    """

    source: str
    out: Path
    weights: str | None = None
    batch: int = 0
    size: str = "auto"
    fold: bool = False
    verify: bool = True
    level: int = 0
    stages: tuple[str, ...] = ()
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    preprocess: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a conversion wrote.

    Attributes:
        certificate: the comparison, where one was asked for and makes sense.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    certificate: Certificate | None = None


@dataclass(frozen=True)
class Target:
    """A format that models can be carried to.

    Attributes:
        about: in one line.
        suffixes: file names that mean it where nothing is said.
        convert: does it.
    """

    name: str
    about: str
    suffixes: tuple[str, ...]
    convert: Callable[[Request], Outcome]


TARGETS: Registry[Target] = Registry("format", UsageError)

# Where each format lives; loaded when it is asked for.
MODULES: Mapping[str, str] = {
    "onnx": "onnx_target",
    "pytorch": "to_torch.target",
    "keras": "to_keras.target",
    "safetensors": "weights_target",
    "hdf5": "weights_target",
    "npz": "weights_target",
    "caffemodel": "weights_target",
    "json": "spec_target",
    "yaml": "spec_target",
    "prototxt": "spec_target",
    "deploy": "deploy_target",
    "fullyconv": "deploy_target",
    "caffe": "caffe_target",
    "dot": "pictures_target",
    "mermaid": "pictures_target",
    "svg": "pictures_target",
    "png": "pictures_target",
}

_SUFFIXES = {
    ".onnx": "onnx",
    ".py": "pytorch",
    ".safetensors": "safetensors",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".npz": "npz",
    ".caffemodel": "caffemodel",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".dot": "dot",
    ".mmd": "mermaid",
    ".svg": "svg",
    ".png": "png",
}


def target(name: str, about: str) -> Callable[[Any], Any]:
    """Decorator that registers what converts to a format."""

    def register(function: Callable[[Request], Outcome]) -> Any:
        suffixes = tuple(s for s, n in _SUFFIXES.items() if n == name)
        TARGETS(name)(Target(name, about, suffixes, function))
        return function

    return register


def find_target(name: str | None, out: str | Path) -> str:
    """The format that is meant: the one named, or else the one of the file's name.

    Raises:
        UsageError: unknown, or nothing tells it.
    """
    if name is None:
        suffix = Path(out).suffix
        if suffix not in _SUFFIXES:
            raise UsageError(
                f"the name {str(out)!r} does not tell the format.",
                f"Give --to, one of {', '.join(sorted(MODULES))}.",
            )
        return _SUFFIXES[suffix]
    if name not in MODULES:
        raise UsageError(f"unknown format {name!r}.", suggest(name, MODULES))
    return name
