"""The target ``caffe``: a prototxt and a caffemodel, from whatever holds a model."""

from __future__ import annotations

from netspec.convert.caffe_files import write_model
from netspec.convert.converting import requested_model
from netspec.convert.deploy_target import certificate_of
from netspec.convert.request import Outcome, Request, target


@target("caffe", "Caffe's two files, NAME.prototxt and NAME.caffemodel")
def convert_to_caffe(request: Request) -> Outcome:
    """Write both."""
    model = requested_model(request)
    files = write_model(model, request.out, with_weights=True)
    if not request.verify:
        return Outcome(files, model.notes)
    return Outcome(files, model.notes, certificate_of(model, files, request, model))
