"""Time each layer of a net, forward and backward, on numbers that netspec makes up.

Medians over the iterations; a first iteration, which compiles, is not counted. Rates
count the multiplications of a layer's definition; algorithms that need fewer may exceed
the machine's peak, which is measured by products of matrices. With
--data the input alone is timed: reading, decoding and transforming of batches.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The net, its state, and how often."""
    from netspec.cli.device_options import add_device
    from netspec.cli.options import add_state, add_trust

    add = parser.add_argument
    add("--model", "-model", required=True, metavar="FILE")
    add("--weights", "-weights", metavar="FILE")
    add("--iterations", "-iterations", type=int, default=10, metavar="N")
    add("--batch", type=int, metavar="N", help="another batch size")
    add_device(parser)
    add("--observed", action="store_true", help="give every blob memory of its own")
    add("--json", metavar="FILE", help="write JSON; - is the terminal")
    add("--data", action="store_true", help="time reading the net's data, nothing else")
    add("--workers", type=int, metavar="N", help="with --data: threads; 0: none")
    add_state(parser, "train")
    add_trust(parser)


def run(args: argparse.Namespace) -> int:
    """Build the net, time it, print the table."""
    from netspec.cli.options import write_json
    from netspec.errors import UsageError
    from netspec.evaluate.timing import fill_inputs, time_net

    if args.iterations < 1:
        raise UsageError("--iterations must be at least 1.")
    if args.workers is not None and args.workers < 0:
        raise UsageError("--workers must be at least 0.")
    if args.data:
        return _time_data(args)
    if args.workers is not None:
        raise UsageError("--workers reads data.", "Give --data too.")
    net = _net(args)
    fill_inputs(net)
    timing = time_net(net, args.iterations, lambda: None)
    if args.json:
        write_json(args.json, asdict(timing))
    if args.json != "-":
        print(as_table(timing))
    return 0


def _time_data(args: argparse.Namespace) -> int:
    from netspec.cli.options import stages, write_json
    from netspec.data.feeds import Feeds
    from netspec.data.speed import measure
    from netspec.errors import UsageError
    from netspec.files import find
    from netspec.graph import PHASES
    from netspec.spec import filter_net, read_net

    spec = read_net(find(args.model), lenient=args.lenient)
    part = filter_net(spec, PHASES[args.phase], args.level, stages(args))
    feeds = Feeds(part, seed=0).by_layer
    if not feeds:
        raise UsageError("the net has no data layer.", "Give a train_val net.")
    found = {n: measure(f, args.iterations, args.workers) for n, f in feeds.items()}
    if args.json:
        write_json(args.json, {name: asdict(speed) for name, speed in found.items()})
    if args.json != "-":
        for name, speed in found.items():
            print(as_speed(name, speed))
    return 0


def as_speed(name: str, speed: Any) -> str:
    """How fast one data layer's batches came."""
    return (
        f"{name}: {len(speed.seconds)} batches of {speed.batch} on {speed.workers} "
        f"threads: {speed.rate:,.0f} images/s by the clock (batches: median "
        f"{speed.median_rate:,.0f}, slowest {speed.worst_rate:,.0f}), "
        f"{speed.rate_a_core:,.0f} a core"
    )


def _net(args: argparse.Namespace) -> Any:
    from netspec.cli.device_options import one_device
    from netspec.cli.options import allows_python, stages
    from netspec.data.feeds import known_shapes
    from netspec.files import find
    from netspec.graph import PHASES, Feeding, build_graph
    from netspec.graph.batch import with_batch
    from netspec.layers.user_code import UserCode
    from netspec.net import Net
    from netspec.spec import filter_net, read_net

    spec = read_net(find(args.model), lenient=args.lenient)
    code = UserCode() if allows_python(args) else None
    state = (args.level, stages(args))
    part = filter_net(spec, PHASES[args.phase], *state)
    feeding = Feeding(sources=known_shapes(part))
    if args.batch:
        graph = build_graph(spec, PHASES[args.phase], *state, feeding, code)
        feeding = with_batch(graph, args.batch, feeding)
    return Net(
        spec,
        args.weights,
        args.phase,
        *state,
        one_device(args),
        lean=not args.observed,
        frozen=args.phase == "test",
        feeding=feeding,
        allow_python=code or False,
    )


def as_table(timing: Any) -> str:
    """Milliseconds, rates and shares of the machine's peak, layer by layer."""
    from netspec.report.table import table

    rows = [
        (t.name, t.type, _ms(t.forward), _ms(t.backward),
         *_rates(t.forward_macs, t.forward, timing.peak),
         *_rates(t.backward_macs, t.backward, timing.peak))
        for t in timing.layers
    ]  # fmt: skip
    ahead = sum(t.forward_macs for t in timing.layers)
    back = sum(t.backward_macs for t in timing.layers)
    rows.append(
        ("total", "", _ms(timing.forward), _ms(timing.backward),
         *_rates(ahead, timing.forward, timing.peak),
         *_rates(back, timing.backward, timing.peak))
    )  # fmt: skip
    head = (
        "layer", "type", "forward ms", "backward ms",
        "GFLOP/s", "of peak", "GFLOP/s back", "of peak",
    )  # fmt: skip
    step = timing.forward + timing.backward
    foot = (
        f"batch {timing.batch}: {timing.batch / step:.1f} images/s; peak "
        f"{2e-9 * timing.peak:.0f} GFLOP/s, of a product of matrices in float32"
    )
    return table(head, rows, right=(2, 3, 4, 5, 6, 7), ruled=True) + "\n" + foot


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3f}" if seconds else ""


def _rates(macs: int, seconds: float, peak: float) -> tuple[str, str]:
    """Achieved GFLOP/s, a multiply and an add counting as two, and their share."""
    if not (macs and seconds):
        return "", ""
    rate = macs / seconds
    return f"{2e-9 * rate:.1f}", f"{100 * rate / peak:.0f} %"
