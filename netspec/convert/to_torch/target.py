"""The target ``pytorch``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netspec.convert.caffe_files import write_text
from netspec.convert.converting import requested_model
from netspec.convert.extras import installed, load
from netspec.convert.metadata import metadata
from netspec.convert.onnx_target import freedom_notes, wanted
from netspec.convert.request import Outcome, Request, target
from netspec.convert.safetensors import write_safetensors
from netspec.convert.to_torch.export import Source, export
from netspec.convert.to_torch.render import render
from netspec.convert.to_torch.run import torch_proof
from netspec.convert.verify import verify
from netspec.files import replacing

Array = Any


@target("pytorch", "PyTorch: the source of an nn.Module, and its weights")
def convert_to_pytorch(request: Request) -> Outcome:
    """Write NAME.py, NAME.safetensors and, where torch is installed, NAME.pt."""
    model = requested_model(request)
    source = export(model, wanted(request))
    model = model.noted(*freedom_notes(source.freedom, request))
    files = write_module(source, request.out)
    if not request.verify:
        return Outcome(tuple(files), model.notes)
    certificate = verify(model, torch_proof(source, files), request.seed)
    return Outcome(tuple(files), model.notes, certificate)


def write_module(source: Source, out: Path) -> list[Path]:
    """Write the module and its weights; the files, the source first."""
    out = out if out.suffix == ".py" else out.with_name(f"{out.name}.py")
    weights = out.with_suffix(".safetensors")
    write_safetensors(weights, source.state, metadata(source.model))
    write_text(out, render(source, weights.name))
    files = [out, weights]
    if installed("torch"):
        files.append(out.with_suffix(".pt"))
        _write_pt(files[-1], source.state)
    return files


def _write_pt(path: Path, state: dict[str, Array]) -> None:
    torch = load("torch", "a .pt file", "torch")
    tensors = {key: torch.from_numpy(array.copy()) for key, array in state.items()}
    with replacing(path) as temporary:
        torch.save(tensors, temporary)
