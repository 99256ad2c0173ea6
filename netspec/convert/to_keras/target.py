"""The target ``keras``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netspec.convert.caffe_files import write_text
from netspec.convert.converting import requested_model
from netspec.convert.extras import installed, load
from netspec.convert.freedom import BATCH
from netspec.convert.metadata import NETSPEC, metadata
from netspec.convert.request import Outcome, Request, target
from netspec.convert.safetensors import read_tensors, write_safetensors
from netspec.convert.to_keras.export import Source, export
from netspec.convert.verify import Proof, Runner, verify

Array = Any

WHY_NOT = (
    "keras and torch, its backend here, are not both installed; pip install keras "
    "torch, and convert again."
)


@target("keras", "Keras 3: the source of a functional model, and its weights")
def convert_to_keras(request: Request) -> Outcome:
    """Write NAME.py and NAME.safetensors."""
    model = requested_model(request)
    source = export(model)
    files = write_source(source, request.out)
    if not request.verify:
        return Outcome(tuple(files), model.notes)
    certificate = verify(model, keras_proof(source, files), request.seed)
    return Outcome(tuple(files), model.notes, certificate)


def write_source(source: Source, out: Path) -> list[Path]:
    """Write the source and the weights; the files, in that order."""
    out = out if out.suffix == ".py" else out.with_name(f"{out.name}.py")
    weights = out.with_suffix(".safetensors")
    tensors = {
        f"{name}.{i}": np.ascontiguousarray(array, np.float32)
        for name, arrays in source.lines.weights.items()
        for i, array in enumerate(arrays)
    }
    write_safetensors(weights, tensors, metadata(source.model))
    write_text(out, render(source, weights.name))
    return [out, weights]


def render(source: Source, weights: str, every_blob: bool = False) -> str:
    """The text of the source; with *every_blob* all blobs are outputs."""
    returned = source.blobs if every_blob else source.outputs
    body = source.lines.body
    uses_ops = any(re.search(r"\bops\.", line) for line in body)
    outputs = [f"        {json.dumps(blob)}: {v}," for blob, v in returned.items()]
    name = "".join(c for c in source.model.name if c.isprintable() and c not in '"\\')
    lines = [
        f'"""{name} as a Keras model, by netspec {NETSPEC}.',
        "",
        "Images are N x H x W x C, with the channels and values of the original net:",
        f"{_preprocessing(source)}.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from pathlib import Path",
        "",
        "import keras",
        f"from keras import layers{', ops' if uses_ops else ''}",
        "",
        f"WEIGHTS = Path(__file__).with_name({json.dumps(weights)})",
        "",
        "",
        "def build() -> keras.Model:",
        '    """The model, with random weights."""',
        *(f"    {line}" for line in body),
        "    outputs = {",
        *outputs,
        "    }",
        f"    return keras.Model([{', '.join(source.inputs.values())}], outputs)",
        "",
        "",
        "def load(weights: str | Path = WEIGHTS) -> keras.Model:",
        '    """The model with its weights."""',
        "    from safetensors.numpy import load_file",
        "",
        "    model, arrays = build(), load_file(weights)",
        "    for layer in model.layers:",
        '        names = [f"{layer.name}.{i}" for i in range(len(layer.weights))]',
        "        layer.set_weights([arrays[name] for name in names if name in arrays])",
        "    return model",
    ]
    return "\n".join(lines) + "\n"


def _preprocessing(source: Source) -> str:
    known = source.model.preprocess
    text = str(known) if known else "how pictures are prepared is not known"
    return "".join(c for c in text if c.isprintable() and c not in '"\\')


def keras_proof(source: Source, files: list[Path]) -> Proof:
    """What a verifier needs: the model runs in Keras on PyTorch."""
    runs = installed("keras") and installed("torch")
    written = {t for n in source.model.graph.nodes if n.type != "Input" for t in n.tops}
    return Proof(
        target="the Keras model",
        files=tuple(files),
        open_runner=(lambda: _runner(source, files)) if runs else None,
        blobs=frozenset(source.blobs) & written,
        free=frozenset({BATCH}),
        packages=("keras", "torch"),
        why_not="" if runs else WHY_NOT,
    )


def _runner(source: Source, files: list[Path]) -> Runner:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    load("keras", "running the model", "keras torch")
    from netspec.convert.to_torch.run import load_function

    text = render(source, files[1].name, every_blob=True)
    model = load_function(text, "build")()
    arrays, _ = read_tensors(files[1])
    for layer in model.layers:
        held = [arrays.get(f"{layer.name}.{i}") for i in range(len(layer.weights))]
        layer.set_weights([array for array in held if array is not None])

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = [_turned(inputs[blob]) for blob in source.inputs]
        found = model(given, training=False)
        return {blob: _back(value) for blob, value in found.items()}

    return run


def _turned(array: Array) -> Array:
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def _back(value: Any) -> Array:
    array = value.detach().cpu().numpy()
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array
