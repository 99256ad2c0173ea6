"""Models as Caffe's own two files: a prototxt and a caffemodel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netspec.convert.model import Model
from netspec.data.preprocess_file import write_sidecar
from netspec.files import replacing
from netspec.spec import to_text
from netspec.weights import write_caffemodel

Array = Any


def layer_arrays(model: Model) -> dict[str, list[Array]]:
    """The arrays of every layer that has any, shared ones at each of their layers."""
    return {n.name: model.arrays(n) for n in model.graph.nodes if n.params}


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text)


def write_model(model: Model, out: str | Path, with_weights: bool) -> tuple[Path, ...]:
    """Write the prototxt, beside it the caffemodel of the same name, and how pictures
    are prepared where that is known.

    Returns:
        The files written: the prototxt, then the caffemodel, then the preprocessing.
    """
    prototxt = Path(out)
    if prototxt.suffix == ".caffemodel":
        prototxt = prototxt.with_suffix(".prototxt")
    write_text(prototxt, to_text(model.net.message))
    files = [prototxt]
    if with_weights:
        files.append(prototxt.with_suffix(".caffemodel"))
        write_caffemodel(files[-1], model.net.message, layer_arrays(model))
    if model.preprocess:
        files.append(write_sidecar(prototxt, model.preprocess))
    return tuple(files)
