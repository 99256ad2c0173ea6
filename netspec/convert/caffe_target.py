"""The target ``caffe``: a prototxt and a caffemodel, from whatever holds a model."""

from __future__ import annotations

from netspec.convert.caffe_files import write_model
from netspec.convert.converting import requested_model
from netspec.convert.deploy_target import certificate_of
from netspec.convert.request import Outcome, Request, target
from netspec.convert.source import Kind, kind_of


@target("caffe", "Caffe's two files, NAME.prototxt and NAME.caffemodel")
def convert_to_caffe(request: Request) -> Outcome:
    """Write both."""
    if kind_of(request.source) is Kind.ONNX and not request.fold:
        return _from_onnx(request)
    model = requested_model(request)
    files = write_model(model, request.out, with_weights=True)
    if not request.verify:
        return Outcome(files, model.notes)
    return Outcome(files, model.notes, certificate_of(model, files, request, model))


def _from_onnx(request: Request) -> Outcome:
    """Write both, and compare them with the ONNX file itself."""
    from netspec.convert.from_onnx import read_import
    from netspec.convert.from_onnx.prove import certify_import

    imported = read_import(request.source, request.shapes)
    files = write_model(imported.model, request.out, with_weights=True)
    if not request.verify:
        return Outcome(files, imported.model.notes)
    return Outcome(files, (), certify_import(imported, files, request.seed))
