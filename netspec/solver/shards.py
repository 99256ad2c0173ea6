"""Into how many shards a batch is cut: a function of the files alone.

A shard's gradient is computed alone, and shards are added in one fixed tree, so the
number of shards, unlike that of devices, decides the bits of the result.
"""

from __future__ import annotations

from dataclasses import dataclass

from netspec.errors import SpecError, UsageError
from netspec.graph import Graph, Node
from netspec.proto import SolverParameter
from netspec.spec import Located
from netspec.sync import Leaves

MOST = 8  # shards by default: as many devices keep their bits
LEAST_IMAGES = 16  # in a shard by default
UNEVEN = 1.25  # times its fair share of images that a rank may have


@dataclass(frozen=True)
class Cut:
    """The number of shards, and why it is that.

    Attributes:
        exact: whether the ranks' sum has the bits that it has on one rank.
    """

    shards: int
    reason: str
    exact: bool = True


def choose_cut(graph: Graph, solver: Located[SolverParameter], ranks: int = 1) -> Cut:
    """How the batch of an uncut training graph is cut.

    Raises:
        SpecError: the file asks for shards that the net cannot be cut into.
        UsageError: the batch does not go round the ranks.
    """
    cut = _cut_for_one(graph, solver)
    if Leaves(cut.shards * solver.message.iter_size).groups % ranks == 0:
        return cut
    return _cut_for_ranks(graph, solver, cut, ranks)


def _cut_for_one(graph: Graph, solver: Located[SolverParameter]) -> Cut:
    """The cut as the files alone decide it."""
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


def _cut_for_ranks(
    graph: Graph, solver: Located[SolverParameter], cut: Cut, ranks: int
) -> Cut:
    """A cut for a number of ranks that the files' cut does not go round.

    The least one that leaves no rank with much more than its share.
    """
    batch, passes = batch_of(graph), solver.message.iter_size
    obstacle = _obstacle(graph) or (
        _coupling(graph.coupled[0]) if graph.coupled else ""
    )
    candidates = [cut.shards] if obstacle else range(cut.shards, batch + 1)
    possible = [s for s in candidates if batch % s == 0 and s * passes >= ranks]
    if not possible:
        why = f"; {obstacle}" if obstacle else ""
        raise UsageError(
            f"{ranks} ranks are asked for, and the {batch * passes} images of an "
            f"iteration come in {cut.shards * passes} parts{why}.",
            "Take fewer ranks, or set the solver's shards, or a larger batch or "
            "iter_size.",
        )
    fair = batch * passes / ranks
    loads = {s: -(-s * passes // ranks) * (batch // s) for s in possible}
    even = [s for s in possible if loads[s] <= UNEVEN * fair]
    shards = even[0] if even else min(possible, key=lambda s: loads[s])
    return Cut(shards, f"for {ranks} ranks", exact=False)


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


def adds_each_once(graph: Graph) -> bool:
    """Whether backward adds to each parameter's gradient once, a complete sum.

    So it does not where layers share a parameter.
    """
    learners = [node for node in graph.nodes if any(node.param_gradient)]
    added = [
        param
        for node in learners
        for param, wanted in zip(node.params, node.param_gradient)
        if wanted
    ]
    alone = all(node.layer.adds_once(node.bottom_shapes) for node in learners)
    return alone and len(set(added)) == len(added)


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
