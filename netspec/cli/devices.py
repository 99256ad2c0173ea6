"""Print what netspec computes with: processor, threads, vectors, BLAS and memory; and
whether a GPU is used."""

from __future__ import annotations

import argparse
from typing import Any

GIB = 1 << 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the facts go."""
    parser.add_argument("--json", metavar="FILE", help="write JSON; - is the terminal")


def run(args: argparse.Namespace) -> int:
    """Print, or write the JSON."""
    from netspec.cli.options import write_json
    from netspec.report.devices import devices

    facts = devices()
    if args.json:
        write_json(args.json, facts)
    if args.json != "-":
        print(as_text(facts))
    return 0


def as_text(facts: dict[str, Any]) -> str:
    """A line for each fact."""
    cpu, memory = facts["cpu"], facts["memory"]
    lines = {
        "cpu": cpu["model"],
        "cores": f"{cpu['cores']}, of which this process may use {cpu['usable_cores']}",
        "threads": f"{cpu['threads']} (NETSPEC_THREADS changes it)",
        "vectors": f"{cpu['vector_bits']} bits: {cpu['vector_bits'] // 32} float32",
        "blas": ", ".join(cpu["blas"]) or "unknown",
        "memory": f"{_gib(memory['total'])}, {_gib(memory['available'])} available",
        "cuda": _cuda(facts["cuda"]),
        "--device": " or ".join(facts["devices"]),
    }
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {text}" for name, text in lines.items())


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / GIB:.1f} GiB"


def _cuda(facts: dict[str, Any]) -> str:
    """Says plainly that there is nothing to install that would help yet."""
    if facts["driver"] or facts["library"]:
        found = f"a driver is there ({facts['driver'] or facts['library']})"
    else:
        found = "no driver was found"
    return f"not used: this version has no GPU backend, and nothing to install; {found}"
