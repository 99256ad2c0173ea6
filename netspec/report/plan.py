"""A plan, and what many ranks would bring, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from netspec.graph import Node
from netspec.plan import Plan
from netspec.plan.budget import Need
from netspec.plan.scale import Predicted
from netspec.report.table import table


def slots(plan: Plan) -> list[dict[str, Any]]:
    """Every array: its kind, name, offset and bytes, and when it is alive."""
    return [
        {
            "kind": kind,
            "name": name,
            "offset": slot.offset,
            "bytes": slot.size,
            "first": slot.interval.first,
            "last": slot.interval.last,
        }
        for (kind, name), slot in plan.slots.items()
    ]


def memory_text(plan: Plan, need: Need) -> str:
    """The layers in order, the arrays of each, and sums."""
    fused = {i: head for head, those in plan.chains.items() for i in those}
    rows = []
    for i, node in enumerate(plan.graph.nodes):
        note = f"in {plan.graph.nodes[fused[i]].name}" if i in fused else ""
        rows.append((str(i), node.name, node.type, note, *_arrays_of(plan, i, node)))
    head = ("#", "layer", "type", "fused", "data", "diff", "scratch", "at")
    kinds = {"data": 0, "diff": 0, "scratch": 0}
    for (kind, _), slot in plan.slots.items():
        kinds[kind] += slot.size
    apart = sum(kinds.values())
    lines = [
        table(head, rows, right=(0, 4, 5, 6, 7)),
        f"arrays {apart:,} bytes, which share {need.block:,}",
        f"parameters {need.parameters:,} bytes, gradients and one history "
        f"{need.gradients:,}",
        f"peak {need.total:,} bytes ({need.total / 2**30:.2f} GiB)",
    ]
    return "\n".join(lines)


def _arrays_of(plan: Plan, index: int, node: Node) -> tuple[str, str, str, str]:
    """Bytes of a layer's own tops, their diffs and its scratch, and where they lie."""
    keys = [(kind, t) for kind in ("data", "diff") for t in node.tops]
    own = [key for key in keys if key in plan.slots and key[1] not in node.bottoms]
    data, diff = ([plan.slots[k] for k in own if k[0] == s] for s in ("data", "diff"))
    prefix = f"{index}/"
    scratch = [
        slot
        for (kind, name), slot in plan.slots.items()
        if kind == "scratch" and name.startswith(prefix)
    ]
    sizes = (sum(s.size for s in each) for each in (data, diff, scratch))
    first, second, third = (f"{size:,}" if size else "" for size in sizes)
    places = ", ".join(f"{slot.offset:,}" for slot in chain(data[:1], diff[:1]))
    return first, second, third, places


def ranks_text(rows: Sequence[Predicted]) -> str:
    """Milliseconds, speed-up and efficiency by number of ranks."""
    one = rows[0].total
    cells = [
        (
            str(r.ranks),
            str(r.images),
            f"{1e3 * r.compute:.2f}",
            f"{1e3 * r.communication:.2f}" if r.ranks > 1 else "",
            f"{100 * r.hidden:.0f} %" if r.ranks > 1 else "",
            f"{1e3 * r.total:.2f}",
            f"{one / r.total:.2f}",
            f"{100 * one / r.total / r.ranks:.0f} %",
        )
        for r in rows
    ]
    head = ("ranks", "images each", "compute ms", "sums ms", "hidden", "iteration ms",
            "speed-up", "efficiency")  # fmt: skip
    return table(head, cells, right=range(len(head)))
