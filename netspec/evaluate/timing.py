"""Time of each layer, forward and backward, on whatever the net's inputs hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from netspec.graph import Node
from netspec.net import Net
from netspec.random import Key, normal_fill


@dataclass(frozen=True)
class LayerTime:
    """Medians over the iterations, in seconds, and the multiply-accumulates done."""

    name: str
    type: str
    forward: float
    backward: float
    forward_macs: int
    backward_macs: int


@dataclass(frozen=True)
class Timing:
    """Times of a net.

    Attributes:
        layers: in order of the forward pass.
        forward, backward: medians of whole passes, in seconds.
        batch: rows of the first source.
        peak: multiply-accumulates a second; see :func:`product_rate`.
    """

    layers: list[LayerTime]
    forward: float
    backward: float
    batch: int
    peak: float


def fill_inputs(net: Net, seed: int = 0) -> None:
    """Numbers to compute on: N(0, 50²) in the first top of each source, as an image
    less its mean has them, and class 0 in the others."""
    fed = (node for node in net.graph.sources if not node.layer.fills_itself)
    for node in fed:
        for t, top in enumerate(node.tops):
            with net.ops.on_host(net.blobs[top].data) as data:
                data[...] = 0
                if t == 0 and data.ndim > 1:
                    normal_fill(Key(seed, f"{top}/time"), data, 0.0, 50.0)


def product_rate(ops: Any, size: int = 1024, rounds: int = 10) -> float:
    """Multiply-accumulates a second of the quickest of some products of two square
    matrices: what this machine can be brought to, to measure layers by.

    Algorithms that multiply less than the definition of a layer says exceed it.
    """
    a, b, c = (ops.zeros((size, size), "float32") for _ in range(3))
    spans = []
    for _ in range(rounds):
        start = ops.mark()
        ops.inner_product_forward(a, b, None, c)
        spans.append((start, ops.mark()))
    return float(size**3 / min(ops.seconds(*span) for span in spans))


def time_net(net: Net, iterations: int, on_iteration: Callable[[], None]) -> Timing:
    """Time so many iterations after one that is not counted."""
    forward: list[list[float]] = []
    backward: list[list[float]] = []
    checked = {node.name for node, _ in net.forward_steps}  # fill_inputs makes labels
    for i in range(iterations + 1):
        net.begin_pass(iteration=i, checked=checked)
        net.clear_param_diffs()
        f = [_span(net, net.run_forward, *step) for step in net.forward_steps]
        b = [_span(net, net.run_backward, *step) for step in net.backward_steps]
        if i:
            forward.append([net.ops.seconds(*span) for span in f])
            backward.append([net.ops.seconds(*span) for span in b])
            on_iteration()
    return _timing(net, forward, backward)


def _span(net: Net, run: Callable[[Any, Any], None], *step: Any) -> tuple[Any, Any]:
    """Marks before and after a step, on the device."""
    start = net.ops.mark()
    run(*step)
    return start, net.ops.mark()


def _timing(
    net: Net, forward: list[list[float]], backward: list[list[float]]
) -> Timing:
    behind = [node for node, _ in net.backward_steps]
    slow = {id(n): median(t) for n, t in zip(behind, zip(*backward))}
    layers = [
        _layer_time(node, median(times), slow.get(id(node), 0.0))
        for (node, _), times in zip(net.forward_steps, zip(*forward))
    ]
    source = next(net.graph.sources, None)
    batch = source.top_shapes[0][0] if source and source.top_shapes[0] else 1
    whole = median(map(sum, forward)), median(map(sum, backward))
    return Timing(layers, *whole, batch, product_rate(net.ops))


def _layer_time(node: Node, forward: float, backward: float) -> LayerTime:
    """A gradient of the data costs as much as a forward pass, one of weights too."""
    macs = node.layer.macs(node.bottom_shapes, node.top_shapes)
    gradients = any(node.bottom_gradient) + any(node.param_gradient)
    return LayerTime(node.name, node.type, forward, backward, macs, gradients * macs)
