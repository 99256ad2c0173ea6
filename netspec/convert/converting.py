"""The one way in: a request, carried out by the format it names."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from netspec.convert.model import Model, Opening, open_model
from netspec.convert.preprocessing import choose
from netspec.convert.request import MODULES, TARGETS, Outcome, Request, find_target


def convert(request: Request, to: str | None = None) -> Outcome:
    """Carry a request out.

    Args:
        to: the format; None: what the name of ``request.out`` says.

    Raises:
        NetspecError: for whatever is wrong with the source, the format or the request.
    """
    name = find_target(to, request.out)
    import_module(f"netspec.convert.{MODULES[name]}")
    return TARGETS[name].convert(request)


def requested_model(request: Request) -> Model:
    """The deployed model that a request is about, folded where it asks for that."""
    from netspec.convert.fold import fold
    from netspec.convert.source import Kind, kind_of

    opening = Opening(
        request.level,
        request.stages,
        request.batch,
        request.shapes,
        request.seed,
    )
    kind = kind_of(request.source)
    if kind is Kind.ONNX:
        from netspec.convert.from_onnx import import_onnx

        model = import_onnx(request.source, request.shapes)
    else:
        model = _from_caffe(request, kind, opening)
    if not model.fold:
        files = [f for f in (request.weights, request.source) if f]
        known = choose(request.preprocess, model.preprocess, files)
        model = replace(model, preprocess=known)
    return fold(model) if request.fold else model


def _from_caffe(request: Request, kind, opening: Opening) -> Model:  # type: ignore[no-untyped-def]
    from netspec.convert.source import Kind, kind_of, read_any_net, read_any_weights

    weights = None
    if request.weights:
        if kind_of(request.weights) is Kind.SAFETENSORS:
            model = _from_torchvision(request, opening)
            if model is not None:
                return model
        weights = read_any_weights(request.weights)
    elif kind is Kind.CAFFEMODEL:
        weights = read_any_weights(request.source)
    return open_model(read_any_net(request.source), weights, opening)


def _from_torchvision(request: Request, opening: Opening) -> Model | None:
    """A net of ours with torchvision's weights, as Caffe's convention has them.

    None where the weights are somebody else's.
    """
    from netspec.convert.fold import fold
    from netspec.convert.safetensors import read_tensors
    from netspec.convert.source import read_any_net
    from netspec.convert.torchvision import CONVENTION, for_net, is_torchvision_vgg

    tensors, _ = read_tensors(str(request.weights))
    if not is_torchvision_vgg(tensors):
        return None
    spec = read_any_net(request.source)
    model = open_model(spec, None, opening)
    weights = for_net(tensors, model.net.message, str(request.weights))
    model = open_model(spec, weights, opening)
    known = choose(request.preprocess, CONVENTION, [str(request.weights)])
    return fold(replace(model, preprocess=known), "bgr")
