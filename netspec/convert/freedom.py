"""Which extents of a net's blobs follow the input, found by building it at others.

A net is free in its batch, or in the size of its images, when it can be built at
another without any parameter changing its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

from netspec.convert.model import Model
from netspec.errors import NetspecError
from netspec.graph import Graph
from netspec.shapes import Shape

BATCH, SIZE = "batch", "size"
# Multiples of what nets divide an image by, so that every map changes.
_TALLER, _WIDER = 64, 128
_MORE_IMAGES = 3


@dataclass(frozen=True)
class Freedom:
    """What may be chosen when the converted model runs.

    Attributes:
        free: a subset of ``{"batch", "size"}``.
        varies: for each blob, which of its axes follow one that is free.
        reasons: why the others are fixed, by name.
    """

    free: frozenset[str]
    varies: dict[str, tuple[bool, ...]]
    reasons: dict[str, str]

    def without(self, what: str, reason: str, model: Model) -> Freedom:
        """The same with one more of them fixed."""
        reasons = {**self.reasons, what: reason}
        return find_freedom(model, self.free - {what}, reasons)


def find_freedom(
    model: Model,
    wanted: frozenset[str] = frozenset({BATCH, SIZE}),
    reasons: dict[str, str] | None = None,
) -> Freedom:
    """What of *wanted* a model leaves open."""
    reasons = dict(reasons or {})
    free, others = set(), []
    for what in sorted(wanted):
        try:
            others.append(_elsewhere(model, what))
            free.add(what)
        except NetspecError as error:
            reasons[what] = _sentence(error)
    varies = {
        name: tuple(
            any(graph.blobs[name][i] != n for graph in others)
            for i, n in enumerate(shape)
        )
        for name, shape in model.graph.blobs.items()
    }
    return Freedom(frozenset(free), varies, reasons)


def _sentence(error: NetspecError) -> str:
    who = f"layer {error.layer[0]!r}: " if error.layer else ""
    return f"{who}{error.problem}"


def _elsewhere(model: Model, what: str) -> Graph:
    """The graph at another batch or size.

    Raises:
        SpecError: it has none, or other parameters.
    """
    change = _more_images if what == BATCH else _larger
    inputs = {name: change(shape) for name, shape in model.inputs.items()}
    if inputs == model.inputs:
        raise NetspecError("no input has images.")
    graph = model.at(inputs)
    for old, new in zip(model.graph.nodes, graph.nodes):
        if old.param_shapes != new.param_shapes:
            raise NetspecError(
                "its parameters fit one size of image only.", layer=(old.name, old.type)
            )
    return graph


def _more_images(shape: Shape) -> Shape:
    return (shape[0] + _MORE_IMAGES, *shape[1:]) if shape else shape


def _larger(shape: Shape) -> Shape:
    if len(shape) != 4:
        return shape
    return (*shape[:2], shape[2] + _TALLER, shape[3] + _WIDER)
