"""What training would take on many ranks, on paper: layers, buckets and a link.

A rank computes its leaves one after the other, and adds their gradients up.  While the
last one is in backward, each bucket of the gradient arena is summed as soon as its
gradients are complete, one bucket after the other, by recursive halving and doubling
(:mod:`netspec.sync.doubling`): with r ranks, log2 r rounds there and as many back, in
which a half, a quarter, an eighth ... of the bucket travels.  Between the two a rank
updates the r-th of the weights whose gradients it has summed.  A round takes the
latency and its bytes over the bandwidth of the link between partners, which for the
first rounds may be the faster one inside a machine.  What is not hidden behind backward
is waited for.

A GPU adds and updates beside backward.  A core does one thing at a time: what it adds,
updates and, to ranks of the same machine, copies is taken from backward, which becomes
longer by it; only latencies and the work of a network card are hidden.  Such ranks read
each other's arrays: halving is one pass over memory, which adds, and doubling another,
which copies.  It is taken for granted that no core is to spare.  And they share the
memory of their machine: where all of them want more than it gives, no layer is quicker
than its arrays go through the share of one rank.

What the model leaves out: reading data, processors that slow down when all of their
cores work, and other programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from netspec.graph import Graph, Node
from netspec.shapes import count

FLOAT = 4  # bytes
LEAST_BUCKET, BUCKET = 1 << 22, 1 << 24  # bytes of gradients summed as one


@dataclass(frozen=True)
class Device:
    """What computes: one rank's.

    Attributes:
        flops: float32 operations a second that dense kernels sustain.
        bandwidth: bytes a second from and to memory.
        overhead: seconds that starting a layer's kernels takes.
        shared: bytes a second from and to memory of all ranks of a machine together, if
            they share it; 0: each has its own.
        alone: whether nothing else can be computed beside a layer.
    """

    name: str
    flops: float
    bandwidth: float
    overhead: float
    shared: float = 0.0
    alone: bool = False


@dataclass(frozen=True)
class Link:
    """What connects ranks.

    Attributes:
        latency: seconds until a message's first byte is there.
        bandwidth: bytes a second, each way; 0: what a rank copies is read where it is,
            and written, at the rate of the device's memory, and what it adds is not
            copied.
        span: neighbouring ranks that it connects; 0: all.
        beyond: the link between groups of *span* ranks.
        in_memory: whether ranks of one machine copy with their own cores.
        adds: whether the bandwidth is that of sums, and adding is a part of it.
    """

    name: str
    latency: float
    bandwidth: float
    span: int = 0
    beyond: str = ""
    in_memory: bool = False
    adds: bool = False


# Three quarters of the makers' float32 figures (H100 SXM: 67 Tflop/s and 3.35 TB/s;
# A100 SXM 80 GB: 19.5 Tflop/s and 2.04 TB/s).  cpu is one core of a current server,
# whose memory serves twenty such cores.
DEVICES = {
    "h100": Device("h100", 50e12, 2.5e12, 10e-6),
    "a100": Device("a100", 14.6e12, 1.5e12, 10e-6),
    "cpu": Device("cpu", 60e9, 10e9, 20e-6, shared=200e9, alone=True),
}
# 85 % of the line rates; NVLink of the fourth generation inside a machine of eight.
LINKS = {
    "nvlink": Link("nvlink", 5e-6, 380e9, span=8, beyond="ib400"),
    "ib400": Link("ib400", 5e-6, 42e9),
    "eth25": Link("eth25", 30e-6, 2.6e9),
    # Processes of one machine, which see each other's arrays.
    "memory": Link("memory", 100e-6, 0.0, in_memory=True),
}


@dataclass(frozen=True)
class LayerTime:
    """Seconds of one layer for one leaf, and the gradients that its backward ends.

    Attributes:
        forward_bytes, backward_bytes: from and to memory, at least.
    """

    name: str
    forward: float
    backward: float
    gradient_bytes: int
    forward_bytes: int = 0
    backward_bytes: int = 0

    def within(self, bandwidth: float) -> LayerTime:
        """The same layer, whose arrays go no quicker than *bandwidth*."""
        return replace(
            self,
            forward=max(self.forward, self.forward_bytes / bandwidth),
            backward=max(self.backward, self.backward_bytes / bandwidth),
        )


@dataclass(frozen=True)
class Predicted:
    """One iteration on a number of ranks.

    Attributes:
        images: of one rank, at most.
        compute: seconds of forward and backward, and of adding up the rank's leaves.
        communication: seconds that all sums take, with the updates in between.
        slowed: seconds of these that are taken from backward.
        wait: seconds of these that are waited for after backward.
        update: seconds of the update of a single rank.
    """

    ranks: int
    images: int
    compute: float
    communication: float
    slowed: float
    wait: float
    update: float

    @property
    def total(self) -> float:
        """Seconds of the iteration."""
        return self.compute + self.slowed + self.wait + self.update

    @property
    def hidden(self) -> float:
        """Share of the communication that takes no time of the iteration."""
        shown = self.slowed + self.wait
        return max(0.0, 1 - shown / self.communication) if self.communication else 1.0


def roofline(graph: Graph, device: Device) -> list[LayerTime]:
    """Times of a graph's layers: by arithmetic or memory, whichever takes longer."""
    return [_by_figures(layer, node, device) for layer, node in _layers(graph)]


def _by_figures(layer: LayerTime, node: Node, device: Device) -> LayerTime:
    if node.layer.is_source:
        return layer
    macs = node.layer.macs(node.bottom_shapes, node.top_shapes)

    def seconds(passes: int, moved: int) -> float:
        arithmetic = 2 * passes * macs / device.flops
        memory = moved / device.bandwidth
        return max(arithmetic, memory) + device.overhead if passes else 0.0

    return replace(
        layer,
        forward=seconds(1, layer.forward_bytes),
        backward=seconds(_gradients(node), layer.backward_bytes),
    )


def measured(
    graph: Graph, times: dict[str, tuple[float, float]], scale: float
) -> list[LayerTime]:
    """Times of a graph's layers, as measured on *scale* times fewer images.

    Args:
        times: forward and backward seconds by layer name; a layer that is not there,
            such as a Split, or whose work another does in one go with its own, takes no
            time.
    """
    found = []
    for layer, _ in _layers(graph):
        forward, backward = times.get(layer.name, (0.0, 0.0))
        found.append(
            replace(
                layer,
                forward=scale * forward,
                backward=scale * backward,
                forward_bytes=layer.forward_bytes if forward else 0,
                backward_bytes=layer.backward_bytes if backward else 0,
            )
        )
    return found


def _layers(graph: Graph) -> Iterator[tuple[LayerTime, Node]]:
    """Each layer with its bytes, and no times yet."""
    ends = _gradients_that_end(graph)
    for node in graph.nodes:
        weights = sum(graph.params[p].size for p in node.params)
        moved = sum(map(count, (*node.bottom_shapes, *node.top_shapes))) + weights
        once = 0 if node.layer.is_source else FLOAT * moved
        back = _gradients(node) * once
        yield LayerTime(node.name, 0.0, 0.0, ends[id(node)], once, back), node


def _gradients(node: Node) -> int:
    """Kinds of gradients that backward computes: of bottoms, of parameters."""
    return any(node.bottom_gradient) + any(node.param_gradient)


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
    device = _in_company(device, link, ranks)
    if device.shared:
        layers = [layer.within(device.bandwidth) for layer in layers]
    backward = sum(layer.backward for layer in layers)
    compute = leaves * (sum(layer.forward for layer in layers) + backward)
    compute += _gathering(layers, leaves) / device.bandwidth
    if ranks == 1:
        parameters = sum(layer.gradient_bytes for layer in layers)
        update = _update_bytes(parameters, histories) / device.bandwidth
        return Predicted(ranks, images, compute, 0.0, 0.0, 0.0, update)
    at, busy, slowed = compute - backward, 0.0, 0.0
    free = at
    for seconds, sizes in _buckets(layers):
        at += seconds
        for size in sizes:
            took = reduction(size, ranks, device, link, histories)
            free = max(free, at) + took.seconds
            busy += took.seconds
            at += took.taken
            slowed += took.taken
    wait = max(0.0, free - at)
    return Predicted(ranks, images, compute, busy, slowed, wait, 0.0)


def _in_company(device: Device, link: Link, ranks: int) -> Device:
    """A device as it is for each of *ranks* ranks; it is not shared where its memory
    has enough for all of them."""
    share = device.shared / ranks
    if ranks == 1 or not link.in_memory or not share or share >= device.bandwidth:
        return replace(device, shared=0.0)
    return replace(device, bandwidth=share)


def _buckets(layers: Sequence[LayerTime]) -> Iterator[tuple[float, list[int]]]:
    """Backward by steps: seconds, and then bytes of the buckets that are complete.

    As :func:`netspec.solver.buckets.cut_buckets` has them.
    """
    seconds, size = 0.0, 0
    for i, layer in reversed(list(enumerate(layers))):
        seconds += layer.backward
        size += layer.gradient_bytes
        if size >= LEAST_BUCKET or i == 0:
            pieces = -(-size // BUCKET)
            yield seconds, [size // pieces] * pieces if pieces else []
            seconds, size = 0.0, 0


def _gathering(layers: Sequence[LayerTime], leaves: int) -> int:
    """Bytes from and to memory that a rank's own leaves are added up with.

    Backward adds a right leaf to its left one, which begins with zeros.  Each such pair
    but the last is kept, which reads and writes it, and added to another, which reads
    both and writes one.
    """
    size = sum(layer.gradient_bytes for layer in layers)
    pairs = -(-leaves // 2)
    return size * (pairs + 5 * (pairs - 1))


def _update_bytes(size: float, histories: int) -> float:
    """Weights, gradients and histories read, weights and histories written."""
    return (3 + 2 * histories) * size


@dataclass(frozen=True)
class Reduction:
    """The sum of one bucket over the ranks.

    Attributes:
        seconds: from its begin to its end.
        taken: of these, seconds in which nothing else is computed.
    """

    seconds: float
    taken: float


def reduction(
    size: int, ranks: int, device: Device, link: Link, histories: int = 1
) -> Reduction:
    """The sum of *size* bytes over the ranks, with the update that follows from it."""
    core = 1 << ranks.bit_length() - 1
    latency, travel, added = 0.0, 0.0, 0.0
    distance, part = 1, float(size)
    while distance < core:
        between = _between(link, distance)
        part /= 2
        latency += 2 * between.latency
        travel += 2 * part / (between.bandwidth or device.bandwidth)
        added += 0 if between.adds else 3 * part
        distance *= 2
    if core != ranks:  # those beyond the power of two hand theirs over, and get it back
        outer = _between(link, core)
        latency += 2 * outer.latency
        travel += 2 * size / (outer.bandwidth or device.bandwidth)
        added += 0 if outer.adds else 3 * size
    work = (added + _update_bytes(part, histories)) / device.bandwidth
    taken = (work if device.alone else 0.0) + (travel if link.in_memory else 0.0)
    return Reduction(latency + travel + work, taken)


def _between(link: Link, distance: int) -> Link:
    if link.span and distance >= link.span:
        return LINKS[link.beyond]
    return link
