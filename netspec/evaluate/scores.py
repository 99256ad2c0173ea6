"""Which blob of a net holds the scores of its classes."""

from __future__ import annotations

from collections.abc import Iterable

from netspec.errors import UsageError
from netspec.evaluate.cut import Cut, cut
from netspec.proto import NetParameter
from netspec.spec import Located

_SCORED = ("Softmax", "SoftmaxWithLoss", "Accuracy")  # what reads scores of classes
_ENDS = ("InnerProduct", "Convolution")


def score_cut(net: Located[NetParameter], blob: str = "") -> Cut:
    """The part of a net that computes the scores of the classes, before any Softmax.

    Args:
        net: of one phase.
        blob: the scores; "": what the net's Softmax, SoftmaxWithLoss or Accuracy
            reads, or its one output.

    Raises:
        UsageError: it is not clear which blob that is.
        SpecError, DataError: the net or its source is wrong.
    """
    if blob:
        return cut(net, [blob])
    readers = _score_readers(net.message)
    if len(readers) != 1:
        return cut(net, [_one(readers or _last_tops(net.message))])
    ((name, reader),) = readers.items()
    # A Softmax in place does not count as making the scores.
    in_place = name in net.message.layer[reader].top
    return cut(net, [name], reader if in_place else None)


def _score_readers(net: NetParameter) -> dict[str, int]:
    """What a loss, an accuracy or a Softmax takes for scores, and its first reader."""
    readers: dict[str, int] = {}
    done: set[str] = set()  # probabilities
    for i, layer in enumerate(net.layer):
        if layer.type in _SCORED and layer.bottom and layer.bottom[0] not in done:
            readers.setdefault(layer.bottom[0], i)
        if layer.type == "Softmax":
            done.update(layer.top)
    return readers


def _one(candidates: Iterable[str]) -> str:
    found = list(candidates)
    if len(found) == 1:
        return found[0]
    listed = ", ".join(map(repr, found)) or "none"
    raise UsageError(
        f"the scores of the classes may be any of {len(found)} blobs ({listed}).",
        "Name one with --scores.",
    )


def _last_tops(net: NetParameter) -> list[str]:
    """Outputs of a net that could be scores: of a layer that ends in classes."""
    read = {b for layer in net.layer for b in layer.bottom if b not in layer.top}
    return [
        top
        for layer in net.layer
        if layer.type in _ENDS
        for top in layer.top
        if top not in read
    ]
