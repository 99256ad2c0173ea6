"""The target ``onnx``."""

from __future__ import annotations

from netspec.convert.converting import requested_model
from netspec.convert.freedom import BATCH, SIZE, Freedom
from netspec.convert.request import Outcome, Request, target
from netspec.convert.to_onnx import export, write_onnx
from netspec.convert.to_onnx.run import onnx_proof
from netspec.convert.verify import verify


@target("onnx", "ONNX, for ONNX Runtime, OpenCV and whatever else reads it")
def convert_to_onnx(request: Request) -> Outcome:
    """Write the file, and verify it in ONNX Runtime."""
    model = requested_model(request)
    exported = export(model, wanted(request))
    model = model.noted(*freedom_notes(exported.freedom, request))
    files = write_onnx(exported, request.out)
    if not request.verify:
        return Outcome(tuple(files), model.notes)
    certificate = verify(model, onnx_proof(exported, files), request.seed)
    return Outcome(tuple(files), model.notes, certificate)


def wanted(request: Request) -> frozenset[str]:
    """What the request would like to leave open."""
    free = {BATCH} if not request.batch else set()
    return frozenset(free | ({SIZE} if request.size == "auto" else set()))


def freedom_notes(freedom: Freedom, request: Request) -> list[str]:
    """What could not be left open, and why."""
    words = {BATCH: "the batch", SIZE: "the size of images"}
    return [
        f"{words[what]} is fixed: {freedom.reasons[what]}"
        for what in sorted(wanted(request))
        if what not in freedom.free
    ]
