"""Print what netspec computes with: processor, threads, vectors, BLAS and memory; and
the GPUs, or what is missing for them and how to install it."""

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
        **_gpus(facts["cuda"]["gpus"]),
        **_missing(facts["cuda"]["missing"]),
        "--device": " or ".join(facts["devices"]),
    }
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {text}" for name, text in lines.items())


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / GIB:.1f} GiB"


def _cuda(facts: dict[str, Any]) -> str:
    """Driver and CuPy, as far as they are there."""
    driver = facts["driver"] or facts["library"]
    known = facts["driver_cuda"]
    parts = [f"driver {driver}" if driver else "no driver was found"]
    if known:
        parts.append(f"it knows CUDA {known}")
    if facts["cupy"]:
        parts.append(f"CuPy {facts['cupy']} for CUDA {facts['cuda']}")
    return ("usable: " if facts["usable"] else "not usable: ") + ", ".join(parts)


def _gpus(gpus: list[dict[str, Any]]) -> dict[str, str]:
    """A line for each GPU, under the name that ``--device`` takes."""
    return {
        f"cuda:{i}": f"{gpu['name']}, compute capability {gpu['capability']}, "
        f"{gpu['multiprocessors']} multiprocessors, {_gib(gpu['memory'])}, "
        f"{_gib(gpu['free'])} free"
        for i, gpu in enumerate(gpus)
    }


def _missing(lacks: list[dict[str, str]]) -> dict[str, str]:
    """What is missing, and what to do about it."""
    return {
        "missing" if i == 0 else f"missing {i + 1}": f"{lack['what']}. {lack['remedy']}"
        for i, lack in enumerate(lacks)
    }
