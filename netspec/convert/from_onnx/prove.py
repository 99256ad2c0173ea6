"""The imported net beside the ONNX file that it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from netspec.convert.certificate import Certificate
from netspec.convert.extras import installed
from netspec.convert.freedom import BATCH
from netspec.convert.from_onnx.importing import Imported
from netspec.convert.model import open_model
from netspec.convert.to_onnx.run import WHY_NOT, open_session
from netspec.convert.verify import Proof, Runner, verify

Array = Any


def certify_import(imported: Imported, files: Sequence[Path], seed: int) -> Certificate:
    """Run the net that was written and the ONNX file, and compare."""
    weights = [file for file in files if file.suffix == ".caffemodel"]
    model = open_model(files[0], weights[0] if weights else None)
    held = imported.values
    blobs = {b: held[b] for b in model.graph.blobs if b in held}
    runs = installed("onnxruntime")
    path = Path(imported.onnx.file)
    proof = Proof(
        target=f"{path.name} in ONNX Runtime",
        files=(path,),
        open_runner=(lambda: _runner(imported, path, blobs)) if runs else None,
        blobs=frozenset(blobs),
        free=_open_batch(imported),
        packages=("onnx", "onnxruntime"),
        why_not="" if runs else WHY_NOT,
    )
    return verify(model, proof, seed)


def _open_batch(imported: Imported) -> frozenset[str]:
    shapes = [shape for _, shape in imported.onnx.inputs]
    is_open = all(shape and shape[0] == 0 for shape in shapes)
    return frozenset({BATCH} if is_open else ())


def _runner(imported: Imported, path: Path, blobs: dict[str, str]) -> Runner:
    """Runs the file; *blobs* are names of ONNX values by those of blobs."""
    values = list(blobs.values())
    shown = imported.onnx.outputs
    session = open_session(path, [v for v in values if v not in shown])

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(blobs, session.run(values, dict(inputs))))

    return run
