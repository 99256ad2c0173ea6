"""The targets ``deploy`` and ``fullyconv``: nets again, in Caffe's own files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from netspec.convert.caffe_files import write_model
from netspec.convert.certificate import Certificate
from netspec.convert.converting import requested_model
from netspec.convert.freedom import BATCH, find_freedom
from netspec.convert.model import Model, Opening, open_model
from netspec.convert.reference import Reference
from netspec.convert.request import Outcome, Request, target
from netspec.convert.verify import Proof, Runner, verify
from netspec.evaluate.fullyconv import FullyConvolutional, fully_convolutional
from netspec.graph import Param, build_graph
from netspec.proto import TEST
from netspec.shapes import describe

Array = Any


@target("deploy", "the net as it is used: Input, no losses, nothing that only measures")
def convert_to_deploy(request: Request) -> Outcome:
    """Write the prototxt; and the weights, where they were folded."""
    model = requested_model(request)
    files = write_model(model, request.out, with_weights=request.fold)
    return _finish(model, files, request)


@target("fullyconv", "the deployed net with convolutions for fully connected layers")
def convert_to_fullyconv(request: Request) -> Outcome:
    """Write the prototxt, and the reshaped weights where there are any."""
    model = requested_model(request)
    dense = _dense(model)
    files = write_model(dense, request.out, with_weights=model.has_weights)
    return _finish(model, files, request, dense)


def _dense(model: Model) -> Model:
    """The same numbers as a net that takes larger images too."""
    surgery = fully_convolutional(model.net, model.graph)
    graph = build_graph(surgery.net, TEST)
    owned = {p.key: array for p, array in zip(model.graph.params, model.params)}
    params = tuple(_turned(surgery, p, owned[p.key]) for p in graph.params)
    sizes = ", ".join(
        f"{name} ({describe(kernel.shape[2:])})"
        for name, kernel in surgery.kernels.items()
    )
    dense = replace(model, net=surgery.net, graph=graph, params=params)
    return dense.noted(f"now convolutions: {sizes or 'none'}.")


def _turned(surgery: FullyConvolutional, param: Param, array: Array) -> Array:
    kernel = surgery.kernels.get(param.layer)
    return kernel.filters(array) if kernel and param.index == 0 else array


def _finish(
    model: Model, files: tuple[Path, ...], request: Request, new: Model | None = None
) -> Outcome:
    notes = (new or model).notes
    if not request.verify:
        return Outcome(files, notes)
    return Outcome(files, notes, certificate_of(model, files, request, new or model))


def certificate_of(
    model: Model, files: tuple[Path, ...], request: Request, new: Model
) -> Certificate:
    """Read back what was written, and run it beside the model that it came from."""
    weights = [file for file in files if file.suffix == ".caffemodel"]
    held = weights[0] if weights else new.as_weights()
    written = open_model(files[0], held, Opening(seed=request.seed))
    blobs = frozenset(written.graph.blobs) - frozenset(written.inputs)
    proof = Proof(
        "the net written",
        files,
        lambda: _runner(written),
        blobs,
        free=find_freedom(model, frozenset({BATCH})).free,
    )
    return verify(replace(model, notes=new.notes), proof, request.seed)


def _runner(model: Model) -> Runner:
    reference = Reference(model)

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {name: array.copy() for name, array in reference.run(inputs).items()}

    return run
