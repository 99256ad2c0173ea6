"""Print what a net is made of: per layer its output shape, parameters, MACs, activation
bytes and receptive field.  Nothing is allocated, whatever the size of the net."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The net, its state, and where the figures go."""
    from netspec.cli.options import add_state, add_trust

    parser.add_argument("net", metavar="NET", help="prototxt or caffemodel")
    parser.add_argument("--batch", type=int, metavar="N", help="another batch size")
    parser.add_argument("--json", metavar="FILE", help="write JSON; - is the terminal")
    add_state(parser, "test")
    add_trust(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table, or write the JSON."""
    from netspec.cli.options import allows_python, stages, write_json
    from netspec.files import find
    from netspec.graph import PHASES, build_graph, layer_costs
    from netspec.graph.batch import with_batch
    from netspec.layers.user_code import UserCode
    from netspec.spec import read_net

    net = read_net(find(args.net), lenient=args.lenient)
    code = UserCode() if allows_python(args) else None
    state = (PHASES[args.phase], args.level, stages(args))
    graph = build_graph(net, *state, code=code)
    if args.batch:
        graph = build_graph(net, *state, with_batch(graph, args.batch), code)
    costs = layer_costs(graph)
    if args.json:
        write_json(args.json, as_json(graph, costs))
    if args.json != "-":
        print(as_table(graph, costs))
    return 0


def totals(graph: Any, costs: list[Any]) -> dict[str, int]:
    """Sums over the net."""
    return {
        "parameters": graph.parameter_count,
        "macs": sum(c.macs for c in costs),
        "activation_bytes": sum(c.activation_bytes for c in costs),
    }


def as_json(graph: Any, costs: list[Any]) -> dict[str, Any]:
    """The summary as plain values."""
    return {
        "name": graph.name,
        "file": graph.file,
        "layers": [asdict(cost) for cost in costs],
        "inputs": {name: graph.blobs[name] for name in graph.inputs},
        "outputs": {name: graph.blobs[name] for name in graph.outputs},
        "total": totals(graph, costs),
    }


def as_table(graph: Any, costs: list[Any]) -> str:
    """The summary as an aligned table."""
    from netspec.report.table import Row, table
    from netspec.shapes import describe

    rows: list[Row] = [
        (
            c.name,
            c.type,
            ", ".join(map(describe, c.shape)),
            f"{c.parameters:,}" if c.parameters else "",
            f"{c.macs:,}" if c.macs else "",
            f"{c.activation_bytes:,}" if c.activation_bytes else "",
            describe(c.receptive) if c.receptive else "",
        )
        for c in costs
    ]
    total = totals(graph, costs)
    rows.append(("total", "", "", *(f"{n:,}" for n in total.values()), ""))
    head = ("layer", "type", "output", "parameters", "MACs", "bytes", "sees")
    return table(head, rows, right=(3, 4, 5), ruled=True)
