"""Preprocessing folded into the first convolution, where that is exact.

With x = scale · (P p · range / 255 - mean), p the pixels and P the exchange of
channels, a convolution of x is a convolution of p with weights scale · range / 255 ·
W P.  Padding stays exact, since a zero scaled is a zero.  The mean becomes part of the
bias only where nothing is padded: in the padding x is 0, not -scale · mean.  Otherwise
it stays outside, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netspec.convert.model import Model
from netspec.data.preprocess import Preprocess
from netspec.errors import SpecError, UsageError
from netspec.graph import Node, build_graph
from netspec.proto import TEST, NetParameter
from netspec.spec import Located

Array = Any
_WHITE = 255


@dataclass(frozen=True)
class Fold:
    """What a folded model was.

    Attributes:
        source: the model before.
        left: what is still to be done to pixels.
    """

    source: Model
    left: Preprocess


def fold(model: Model, channels: str = "rgb") -> Model:
    """A model that takes pixels from 0 to 255, as far as that is exact.

    Args:
        channels: the order in which it takes them: ``rgb`` or ``bgr``.

    Raises:
        UsageError: nothing is known of the preprocessing.
        SpecError: something other than a convolution reads the image.
    """
    known = model.preprocess
    if known is None:
        raise UsageError(
            "nothing is known of this model's preprocessing, so nothing can be folded.",
            "Give --preprocess, or the net that it was trained with.",
        )
    name, readers = _readers(model)
    flips = known.channels not in ("gray", channels)
    for node in readers:
        _check_reader(model, node, flips)
    padded = any(any(node.layer.geometry(node.bottom_shapes).pad) for node in readers)
    takes_mean = any(known.mean) and not padded
    folded = _with_bias(model, readers) if takes_mean else model
    params = list(folded.params)
    names = {reader.name for reader in readers}
    for node in (n for n in folded.graph.nodes if n.name in names):
        _fold_into(node, params, known, flips, takes_mean)
    left = _left(known, channels if flips else known.channels, takes_mean)
    return replace(
        folded,
        params=tuple(params),
        preprocess=left,
        fold=Fold(model, left),
        notes=(*model.notes, *_notes(known, left, [n.name for n in readers], name)),
    )


def _readers(model: Model) -> tuple[str, list[Node]]:
    """The image input and the layers that read it, Splits looked through."""
    images = [n for n, shape in model.inputs.items() if len(shape) == 4]
    if len(images) != 1:
        raise SpecError(
            f"the net has {len(images)} inputs with images.",
            "Only one can be folded: convert without --fold.",
        )
    names, found = {images[0]}, []
    for node in model.graph.nodes:
        if not names & set(node.bottoms):
            continue
        if node.type == "Split":
            names.update(node.tops)
        else:
            found.append(node)
    return images[0], found


def _check_reader(model: Model, node: Node, flips: bool) -> None:
    if node.type != "Convolution" or node.bottom_shapes[0][1] not in (1, 3):
        raise SpecError(
            "reads the image, and is no convolution over its channels.",
            "Convert without --fold, and preprocess outside.",
            place=node.place,
            layer=(node.name, node.type),
        )
    sharers = [n for n in model.graph.nodes if set(n.params) & set(node.params)]
    if len(sharers) > 1 or (flips and node.layer.proto.convolution_param.group != 1):
        reason = "shares its weights" if len(sharers) > 1 else "has groups"
        raise SpecError(
            f"reads the image and {reason}, so nothing can be folded into it.",
            "Convert without --fold, and preprocess outside.",
            place=node.place,
            layer=(node.name, node.type),
        )


def _with_bias(model: Model, readers: list[Node]) -> Model:
    """The model with a bias, of zeros, in each of these convolutions."""
    bare = {n.name for n in readers if not n.layer.proto.convolution_param.bias_term}
    if not bare:
        return model
    message = NetParameter()
    message.CopyFrom(model.net.message)
    for layer in message.layer:
        if layer.name in bare:
            layer.convolution_param.ClearField("bias_term")
    net = Located(message, model.net.places, model.net.upgraded)
    graph = build_graph(net, TEST)
    known = {p.key: a for p, a in zip(model.graph.params, model.params)}
    params = tuple(
        known[p.key] if p.key in known else np.zeros(p.shape, np.float32)
        for p in graph.params
    )
    return replace(model, net=net, graph=graph, params=params)


def _fold_into(
    node: Node,
    params: list[Array],
    known: Preprocess,
    flips: bool,
    takes_mean: bool,
) -> None:
    """Scale a convolution's weights, turn its channels, move the mean to its bias."""
    weights = params[node.params[0]].astype(np.float64)
    scale = np.broadcast_to(np.array(known.scale, np.float64), known.depth)
    if takes_mean:
        shift = np.einsum("kcyx,c->k", weights, scale * np.array(known.mean))
        at = node.params[1]
        params[at] = (params[at].astype(np.float64) - shift).astype(np.float32)
    factor = scale * known.range / _WHITE
    weights = weights * factor[:, None, None]
    turned = weights[:, ::-1] if flips else weights
    params[node.params[0]] = np.ascontiguousarray(turned, np.float32)


def _left(known: Preprocess, channels: str, takes_mean: bool) -> Preprocess:
    """What is still to be done: in units of 255, in the order *channels*."""
    flips = channels != known.channels
    unit = _WHITE / known.range
    mean = () if takes_mean else tuple(m * unit for m in known.mean)
    image = None if known.mean_image is None else known.mean_image * np.float32(unit)
    return replace(
        known,
        channels=channels,
        range=_WHITE,
        mean=mean[::-1] if flips else mean,
        mean_image=image[::-1] if flips and image is not None else image,
        scale=(1.0,),
    )


def _notes(
    known: Preprocess, left: Preprocess, names: list[str], image: str
) -> list[str]:
    done = []
    if known.channels != left.channels:
        done.append(f"channels are taken as {left.channels}")
    if set(known.scale) != {1} or known.range != _WHITE:
        done.append("the scale is in the weights")
    if known.mean and not left.mean:
        done.append("the mean is in the bias")
    where = ", ".join(map(repr, names))
    notes = [f"folded into {where}: {'; '.join(done) or 'nothing'}."]
    if left.mean or left.mean_image is not None:
        what = ", ".join(f"{m:g}" for m in left.mean) or "an image"
        why = (
            "the convolution pads, and its padding is 0 after the mean."
            if left.mean
            else "a mean image is no constant."
        )
        notes.append(
            f"the mean ({what}) must still be subtracted from {image!r}: {why}"
        )
    return notes
