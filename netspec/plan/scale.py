"""What training would take on many ranks, on paper: layers, buckets and a link.

A rank computes its leaves one after the other.  While the last one is in backward, each
bucket of the gradient arena is summed as soon as its gradients are complete, one bucket
after the other, by recursive halving and doubling (:mod:`netspec.sync.doubling`): with
r ranks, log2 r rounds there and as many back, in which a half, a quarter, an eighth ...
of the bucket travels.  A round takes the latency and its bytes over the bandwidth of
the link between partners, which for the first rounds may be the faster one inside a
machine.  What is not hidden behind backward is waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netspec.graph import Graph, Node
from netspec.shapes import count

FLOAT = 4  # bytes
BUCKET = 1 << 24  # bytes of gradients summed as one, at most


@dataclass(frozen=True)
class Device:
    """What computes: one rank's.

    Attributes:
        flops: float32 operations a second that dense kernels sustain.
        bandwidth: bytes a second from and to memory.
        overhead: seconds that starting a layer's kernels takes.
    """

    name: str
    flops: float
    bandwidth: float
    overhead: float


@dataclass(frozen=True)
class Link:
    """What connects ranks.

    Attributes:
        latency: seconds until a message's first byte is there.
        bandwidth: bytes a second, each way.
        span: neighbouring ranks that it connects; 0: all.
        beyond: the link between groups of *span* ranks.
    """

    name: str
    latency: float
    bandwidth: float
    span: int = 0
    beyond: str = ""


# Three quarters of the makers' float32 figures (H100 SXM: 67 Tflop/s and 3.35 TB/s;
# A100 SXM 80 GB: 19.5 Tflop/s and 2.04 TB/s).  cpu is one core of a current server.
DEVICES = {
    "h100": Device("h100", 50e12, 2.5e12, 10e-6),
    "a100": Device("a100", 14.6e12, 1.5e12, 10e-6),
    "cpu": Device("cpu", 60e9, 10e9, 20e-6),
}
# 85 % of the line rates; NVLink of the fourth generation inside a machine of eight.
LINKS = {
    "nvlink": Link("nvlink", 5e-6, 380e9, span=8, beyond="ib400"),
    "ib400": Link("ib400", 5e-6, 42e9),
    "eth25": Link("eth25", 30e-6, 2.6e9),
    "memory": Link("memory", 150e-6, 3e9),  # processes of one machine, by MPI
}


@dataclass(frozen=True)
class LayerTime:
    """Seconds of one layer for one leaf, and the gradients that its backward ends."""

    name: str
    forward: float
    backward: float
    gradient_bytes: int


@dataclass(frozen=True)
class Predicted:
    """One iteration on a number of ranks.

    Attributes:
        images: of one rank, at most.
        compute: seconds of forward and backward.
        communication: seconds that all sums take.
        wait: seconds of these that backward does not hide.
        update: seconds of the update that is left after the last sum.
    """

    ranks: int
    images: int
    compute: float
    communication: float
    wait: float
    update: float

    @property
    def total(self) -> float:
        """Seconds of the iteration."""
        return self.compute + self.wait + self.update

    @property
    def hidden(self) -> float:
        """Share of the communication behind backward."""
        return 1 - self.wait / self.communication if self.communication else 1.0


def roofline(graph: Graph, device: Device) -> list[LayerTime]:
    """Times of a graph's layers: by arithmetic or memory, whichever takes longer."""
    ends = _gradients_that_end(graph)
    return [_layer_time(graph, node, device, ends) for node in graph.nodes]


def _layer_time(
    graph: Graph, node: Node, device: Device, ends: dict[int, int]
) -> LayerTime:
    if node.layer.is_source:
        return LayerTime(node.name, 0.0, 0.0, 0)
    macs = node.layer.macs(node.bottom_shapes, node.top_shapes)
    weights = sum(graph.params[p].size for p in node.params)
    moved = sum(map(count, (*node.bottom_shapes, *node.top_shapes))) + weights
    gradients = any(node.bottom_gradient) + any(node.param_gradient)

    def seconds(passes: int) -> float:
        arithmetic = 2 * passes * macs / device.flops
        memory = passes * moved * FLOAT / device.bandwidth
        return max(arithmetic, memory) + device.overhead if passes else 0.0

    return LayerTime(node.name, seconds(1), seconds(gradients), ends[id(node)])


def measured(
    graph: Graph, times: dict[str, tuple[float, float]], scale: float
) -> list[LayerTime]:
    """Times of a graph's layers, as measured on *scale* times fewer images.

    Args:
        times: forward and backward seconds by layer name; a layer that is not there,
            such as a Split, takes no time.
    """
    ends = _gradients_that_end(graph)
    found = []
    for node in graph.nodes:
        forward, backward = times.get(node.name, (0.0, 0.0))
        found.append(
            LayerTime(node.name, scale * forward, scale * backward, ends[id(node)])
        )
    return found


def _gradients_that_end(graph: Graph) -> dict[int, int]:
    """Bytes of the parameters whose first user, the last in backward, each node is."""
    seen: set[int] = set()
    found = {}
    for node in graph.nodes:
        wanted = zip(node.params, node.param_gradient)
        new = {p for p, gradient in wanted if gradient and p not in seen}
        seen |= new
        found[id(node)] = FLOAT * sum(graph.params[p].size for p in new)
    return found


def predict(
    layers: Sequence[LayerTime],
    leaves: int,
    images: int,
    ranks: int,
    device: Device,
    link: Link,
    histories: int = 1,
) -> Predicted:
    """One iteration of a rank that computes *leaves* leaves of *images* in all."""
    forward = sum(layer.forward for layer in layers)
    backward = sum(layer.backward for layer in layers)
    compute = leaves * (forward + backward)
    # Backward adds a right leaf to its left one; the tree's other sums are passes.
    compute += max(0, leaves - 1 - leaves // 2) * _adding(layers, device)
    free, busy = 0.0, 0.0
    at = compute - backward
    for layer in reversed(layers):
        at += layer.backward
        for size in _buckets(layer.gradient_bytes):
            took = reduction(size, ranks, device, link)
            free = max(free, at) + took
            busy += took
    wait = max(0.0, free - compute) if ranks > 1 else 0.0
    update = _update(layers, ranks, device, histories)
    return Predicted(ranks, images, compute, busy, wait, update)


def _buckets(size: int) -> list[int]:
    pieces = -(-size // BUCKET)
    return [size // pieces] * pieces if pieces else []


def _adding(layers: Sequence[LayerTime], device: Device) -> float:
    """Adding one leaf's gradient to another's: two reads and a write."""
    return 3 * sum(layer.gradient_bytes for layer in layers) / device.bandwidth


def _update(
    layers: Sequence[LayerTime], ranks: int, device: Device, histories: int
) -> float:
    """Reading and writing weights, gradients and histories.

    With several ranks buckets are updated while others are summed; the last is left.
    """
    sizes = [layer.gradient_bytes for layer in layers if layer.gradient_bytes]
    if not sizes:
        return 0.0
    left = min(sizes[0], BUCKET) if ranks > 1 else sum(sizes)
    return (3 + 2 * histories) * left / device.bandwidth


def reduction(size: int, ranks: int, device: Device, link: Link) -> float:
    """Seconds of the sum of *size* bytes over the ranks."""
    core = 1 << ranks.bit_length() - 1
    seconds, distance, part = 0.0, 1, float(size)
    while distance < core:
        between = _between(link, distance)
        part /= 2
        there = between.latency + part / between.bandwidth
        seconds += 2 * there + 3 * part / device.bandwidth
        distance *= 2
    if core != ranks:  # those beyond the power of two hand theirs over, and get it back
        outer = _between(link, core)
        seconds += 2 * (outer.latency + size / outer.bandwidth)
    return seconds


def _between(link: Link, distance: int) -> Link:
    if link.span and distance >= link.span:
        return LINKS[link.beyond]
    return link
