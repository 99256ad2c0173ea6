"""The written module in PyTorch, every blob of the net returned."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netspec.convert.extras import installed, load
from netspec.convert.safetensors import read_tensors
from netspec.convert.to_torch.export import Source
from netspec.convert.to_torch.names import class_name
from netspec.convert.to_torch.render import render
from netspec.convert.verify import Proof, Runner

Array = Any

WHY_NOT = (
    "torch is not installed, so the module could not be run; pip install torch, and "
    "convert again."
)


def torch_proof(source: Source, files: list[Path]) -> Proof:
    """What a verifier needs: the module runs in PyTorch, where it is installed."""
    runs = installed("torch")
    return Proof(
        target="the PyTorch module",
        files=tuple(files),
        open_runner=(lambda: _runner(source, files)) if runs else None,
        blobs=frozenset(source.blobs) - _untouched_inputs(source),
        free=source.freedom.free,
        packages=("torch",),
        why_not="" if runs else WHY_NOT,
    )


def _untouched_inputs(source: Source) -> set[str]:
    written = {t for n in source.model.graph.nodes if n.type != "Input" for t in n.tops}
    return set(source.inputs) - written


def load_function(text: str, name: str) -> Any:
    """What a source that netspec has just made calls *name*: a class or function."""
    spec = importlib.util.spec_from_loader("netspec_converted", None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(Path("converted.py"))
    exec(compile(text, "converted.py", "exec"), module.__dict__)
    return getattr(module, name)


def _runner(source: Source, files: list[Path]) -> Runner:
    torch = load("torch", "running the module", "torch")
    name = class_name(source.model.name)
    tensors, _ = read_tensors(files[1])
    state = {k: torch.from_numpy(a.copy()) for k, a in tensors.items()}
    load_function(files[0].read_text(), name)().load_state_dict(state)  # as delivered
    net = load_function(render(source, files[1].name, every_blob=True), name)()
    net.load_state_dict(state)
    net.eval()

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = [torch.from_numpy(inputs[blob]) for blob in source.inputs]
        with torch.inference_mode():
            found = net(*given)
        return {blob: value.detach().numpy() for blob, value in found.items()}

    return run
