"""Into how many shards a batch is cut: a function of the files alone.

A shard's gradient is computed alone, and shards are added in one fixed tree, so the
number of shards, unlike that of devices, decides the bits of the result.
"""

from __future__ import annotations

from dataclasses import dataclass

from netspec.errors import SpecError
from netspec.graph import Graph, Node
from netspec.proto import SolverParameter
from netspec.spec import Located

MOST = 8  # shards by default: as many devices keep their bits
LEAST_IMAGES = 16  # in a shard by default


@dataclass(frozen=True)
class Cut:
    """The number of shards, and why it is that."""

    shards: int
    reason: str


def choose_cut(graph: Graph, solver: Located[SolverParameter]) -> Cut:
    """How the batch of an uncut training graph is cut.

    Raises:
        SpecError: the file asks for shards that the net cannot be cut into.
    """
    asked = solver.message.shards
    batch = batch_of(graph)
    obstacle = _obstacle(graph)
    if asked > 1 and (obstacle or batch % asked):
        raise SpecError(
            f"{asked} shards are asked for; "
            + (obstacle or f"they do not divide the batch of {batch}")
            + ".",
            "Choose shards: 1, or 0 for the default.",
            place=solver.place("shards"),
        )
    if asked:
        return Cut(asked, "set by the solver")
    if obstacle or graph.coupled:
        return Cut(1, obstacle or _coupling(graph.coupled[0]))
    return Cut(_default(batch), f"at least {LEAST_IMAGES} images a shard")


def _default(batch: int) -> int:
    """The largest power of two up to MOST that divides the batch and leaves enough."""
    shards = MOST
    while shards > 1 and (batch % shards or batch // shards < LEAST_IMAGES):
        shards //= 2
    return shards


def batch_of(graph: Graph) -> int:
    """Rows of a graph's sources; 1 where it has none."""
    return next((s[0] for n in graph.sources for s in n.top_shapes if s), 1)


def _coupling(node: Node) -> str:
    return f"layer '{node.name}' ({node.type}) couples the images of a batch"


def _obstacle(graph: Graph) -> str:
    """Why a batch cannot be cut at all, or nothing."""
    shapes = [shape for node in graph.sources for shape in node.top_shapes]
    if not shapes:
        return "the net has no source of data"
    if any(node.type == "Input" for node in graph.sources):
        return "the program, not the solver, feeds its Input layers"
    if len({shape[:1] for shape in shapes}) > 1 or not shapes[0]:
        return "its data layers have different batches"
    for node in losses_that_count(graph):
        if label_source(graph, node) is None:
            return f"the labels of layer '{node.name}' are computed, and it counts them"
    return ""


def losses_that_count(graph: Graph) -> list[Node]:
    """Losses that divide by a number of labels which the labels themselves decide."""
    return [n for n in graph.nodes if getattr(n.layer, "needs_valid_count", False)]


def label_source(graph: Graph, loss: Node) -> str | None:
    """The data top that a loss takes its labels from; None: they are computed."""
    makers = {top: node for node in graph.nodes for top in node.tops}
    name = loss.bottoms[1]
    while makers[name].type == "Split":
        name = makers[name].bottoms[0]
    return name if makers[name].layer.is_source else None
