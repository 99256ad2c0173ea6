"""The targets ``deploy`` and ``fullyconv``: nets again, in Caffe's own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netspec.convert.caffe_files import write_model
from netspec.convert.certificate import Certificate
from netspec.convert.converting import requested_model
from netspec.convert.freedom import BATCH
from netspec.convert.fullyconv import fully_convolutional
from netspec.convert.model import Model, Opening, open_model
from netspec.convert.reference import Reference
from netspec.convert.request import Outcome, Request, target
from netspec.convert.verify import Proof, verify

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
    dense = fully_convolutional(model)
    files = write_model(dense, request.out, with_weights=bool(_given(model)))
    return _finish(model, files, request, dense)


def _given(model: Model) -> bool:
    """Whether the weights came from a file."""
    return not any("are drawn from seed" in note for note in model.notes)


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
    written = open_model(
        files[0],
        files[1] if len(files) > 1 else new.as_weights(),
        Opening(seed=request.seed),
    )
    blobs = frozenset(written.graph.blobs) - frozenset(written.inputs)
    proof = Proof(
        "the net written",
        files,
        lambda: _runner(written),
        blobs,
        free=frozenset({BATCH}),
    )
    from dataclasses import replace

    return verify(replace(model, notes=new.notes), proof, request.seed)


def _runner(model: Model):  # type: ignore[no-untyped-def]
    reference = Reference(model)

    def run(inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {name: array.copy() for name, array in reference.run(inputs).items()}

    return run
