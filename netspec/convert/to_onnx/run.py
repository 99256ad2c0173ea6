"""An exported file in ONNX Runtime, every blob of the net an output."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netspec.convert.extras import installed, load, load_onnx
from netspec.convert.to_onnx.export import Exported
from netspec.convert.to_onnx.write import more_outputs
from netspec.convert.verify import Proof, Runner

Array = Any

WHY_NOT = (
    "onnxruntime is not installed, and nothing else here can run ONNX; "
    "pip install onnxruntime, and convert again."
)


def onnx_proof(exported: Exported, files: list[Path]) -> Proof:
    """What a verifier needs: the files run in ONNX Runtime, where it is installed."""
    runs = installed("onnxruntime")
    inputs = set(exported.inputs)
    return Proof(
        target="the ONNX file in ONNX Runtime",
        files=tuple(files),
        open_runner=(lambda: _runner(exported, files[0])) if runs else None,
        blobs=frozenset(b for b, v in exported.values.items() if v not in inputs),
        free=exported.freedom.free,
        packages=("onnx", "onnxruntime"),
        why_not="" if runs else WHY_NOT,
    )


def _runner(exported: Exported, path: Path) -> Runner:
    load_onnx().checker.check_model(str(path), full_check=True)
    session = open_session(path, sorted(_hidden(exported)))
    values = exported.values
    outputs = sorted(_hidden(exported) | set(exported.outputs))

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        found = dict(zip(outputs, session.run(outputs, dict(inputs))))
        return {blob: found[v] for blob, v in values.items() if v in found}

    return run


def _hidden(exported: Exported) -> set[str]:
    """Values that are neither inputs nor outputs of the file."""
    shown = {*exported.inputs, *exported.outputs}
    return set(exported.values.values()) - shown


def open_session(path: Path, more: list[str]) -> Any:
    """An ONNX Runtime session of a file with *more* of its values as outputs."""
    runtime = load("onnxruntime", "running ONNX", "onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".onnx") as file:
        with path.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 22)
        file.write(more_outputs(more))
        file.flush()
        return runtime.InferenceSession(
            file.name, options, providers=["CPUExecutionProvider"]
        )
