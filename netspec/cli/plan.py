"""Print how a net will be run before anything is allocated: the order of its layers,
what is fused, which memory each array gets and the peak; with --memory the largest
batch that fits; with --ranks what an iteration on 1, 2, 4 ... ranks would take, on
paper.

The batch is the global one: ranks divide it. Times of layers are a roofline of the
device's figures, or measured: netspec time --json FILE, then --times FILE.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, replace
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The net, its state, the memory, and the ranks."""
    from netspec.cli.options import add_state

    add = parser.add_argument
    add("net", metavar="NET", help="prototxt or caffemodel")
    add("--batch", type=int, metavar="N", help="another global batch size")
    add("--observed", action="store_true", help="give every blob memory of its own")
    add("--recompute", action="store_true",
        help="compute again what backward needs instead of keeping it")  # fmt: skip
    add(
        "--memory",
        metavar="SIZE",
        help="print the largest batch that fits: 8GiB, 500MB",
    )
    add("--ranks", type=int, metavar="N", help="predict iterations on up to N ranks")
    add("--device", default="h100", help="h100 (default), a100, or cpu: one core")
    add("--link", default="nvlink",
        help="nvlink (default), ib400, eth25, or memory: one machine")  # fmt: skip
    add("--bandwidth", type=float, metavar="GB/S",
        help="of the link, as the banner of a run says it of sums")  # fmt: skip
    add("--latency", type=float, metavar="US", help="of the link, as measured")
    add("--memory-bandwidth", metavar="GB/S[,GB/S]",
        help="of one rank alone, and of all ranks of a machine together")  # fmt: skip
    add("--shards", type=int, metavar="N", help="default: as the solver would choose")
    add(
        "--times", metavar="FILE", help="times of layers that netspec time --json wrote"
    )
    add("--json", metavar="FILE", help="write JSON; - is the terminal")
    add_state(parser, "train")


def run(args: argparse.Namespace) -> int:
    """Plan, and print."""
    from netspec.cli.options import write_json
    from netspec.report.plan import ranks_text

    build = _builder(args)
    value: dict[str, Any]
    if args.ranks:
        rows = _predictions(args, build)
        value, text = {"ranks": [asdict(row) for row in rows]}, ranks_text(rows)
    else:
        value, text = _memory(args, build)
    if args.json:
        write_json(args.json, value)
    if args.json != "-":
        print(text)
    return 0


def _builder(args: argparse.Namespace) -> Any:
    """A function that makes the graph for a batch; None: the file's."""
    from netspec.cli.options import stages
    from netspec.data.feeds import known_shapes
    from netspec.files import find
    from netspec.graph import PHASES, Feeding, build_graph
    from netspec.graph.batch import with_batch
    from netspec.spec import filter_net, read_net

    spec = read_net(find(args.net))
    state = (PHASES[args.phase], args.level, stages(args))
    feeding = Feeding(sources=known_shapes(filter_net(spec, *state)))
    whole = build_graph(spec, *state, feeding)

    def build(batch: int | None) -> Any:
        if batch is None:
            return whole
        return build_graph(spec, *state, with_batch(whole, batch, feeding))

    return build


def _memory(args: argparse.Namespace, build: Any) -> tuple[dict[str, Any], str]:
    from netspec.backends import open_device
    from netspec.errors import UsageError
    from netspec.plan import make_plan
    from netspec.plan.budget import largest_batch, need_of
    from netspec.report.plan import memory_text, slots

    if args.recompute and args.observed:
        raise UsageError(
            "--recompute and --observed exclude each other.", "Give one of them."
        )
    ops = open_device("cpu")

    def lay_out(graph: Any) -> Any:
        backward = args.phase == "train"
        return make_plan(
            graph, not args.observed, backward, ops=ops, recompute=args.recompute
        )

    plan = lay_out(build(args.batch))
    need = need_of(plan)
    value = {"name": plan.graph.name, "slots": slots(plan), **asdict(need)}
    text = memory_text(plan, need)
    if args.memory:
        memory = _size(args.memory)
        batch = largest_batch(lambda n: lay_out(build(n)), memory)
        value |= {"memory": memory, "largest_batch": batch}
        text += f"\nlargest batch that fits {args.memory}: {batch or 'none'}"
    return value, text


def _device(args: argparse.Namespace) -> Any:
    from netspec.plan.scale import DEVICES

    device = _named(DEVICES, args.device, "device")
    if args.memory_bandwidth:
        alone, *together = _rates(args.memory_bandwidth)
        device = replace(device, bandwidth=alone)
        device = replace(device, shared=together[0]) if together else device
    return device


def _rates(text: str) -> list[float]:
    """One number, or two with a comma between, of GB/s, as bytes a second.

    Raises:
        UsageError: none of these.
    """
    from netspec.errors import UsageError

    try:
        rates = [1e9 * float(part) for part in text.split(",")]
    except ValueError:
        rates = []
    if len(rates) not in (1, 2) or not all(0 < rate < math.inf for rate in rates):
        raise UsageError(
            f"--memory-bandwidth is {text!r}.",
            "Give GB/s of one rank alone, or also of all together: 9.5,14.",
        )
    return rates


def _link(args: argparse.Namespace) -> Any:
    from netspec.plan.scale import LINKS

    link = _named(LINKS, args.link, "link")
    if args.bandwidth:
        link = replace(link, bandwidth=1e9 * args.bandwidth, adds=True)
    if args.latency:
        link = replace(link, latency=1e-6 * args.latency)
    return link


def _named(known: dict[str, Any], name: str, what: str) -> Any:
    from netspec.errors import UsageError
    from netspec.registry import suggest

    if name not in known:
        raise UsageError(f"unknown {what} {name!r}.", suggest(name, known))
    return known[name]


def _predictions(args: argparse.Namespace, build: Any) -> list[Any]:
    from netspec.solver.scaling import Timed, predictions

    timed = Timed.read(args.times) if args.times else None
    return predictions(
        build,
        build(args.batch),
        args.ranks,
        args.shards or 0,
        _device(args),
        _link(args),
        timed,
    )


def _size(text: str) -> int:
    """Bytes of ``8GiB``, ``500MB`` or a plain number.

    Raises:
        UsageError: none of these.
    """
    import re

    from netspec.errors import UsageError

    units = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
    units |= {f"{u}ib": units[u] for u in "kmgt"}
    units |= {f"{u}b": 1000 ** (i + 1) for i, u in enumerate("kmgt")}
    found = re.fullmatch(r"([0-9.]+)\s*([a-z]*)", text.strip().lower())
    try:
        number = float(found[1]) if found else -1.0
    except ValueError:
        number = -1.0
    if not found or number <= 0 or found[2] not in units:
        raise UsageError(f"{text!r} is no size.", "Write 8GiB, 500MB or a number.")
    return int(number * units[found[2]])
