"""Whole nets on the CPU: netspec beside PyTorch, ONNX Runtime, OpenCV and OpenVINO.

    python tools/bench/cpu.py --models vgg16 --batches 1 8 --work inference --rounds 5

Contenders take turns, round by round, each in a process of its own, all with the same
number of threads.  Printed are medians, the ratio to the best peer, and peak memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from contenders import CONTENDERS, NEEDS
from preparing import prepare
from turns import Contender, take_turns

Figures = dict[str, dict[str, Any]]


def threads() -> dict[str, str]:
    cores = str(len(os.sched_getaffinity(0)))
    return dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NETSPEC_THREADS"), cores
    )


def compare(
    names: list[str], work: str, folder: Path, batch: int, rounds: int
) -> Figures:
    """Medians of every contender; they run in turn, first to last, every round."""
    script = str(Path(__file__).with_name("contenders.py"))
    rest = work, str(folder), str(batch)
    every = [
        Contender(name, (sys.executable, script, name, *rest), threads())
        for name in names
    ]
    take_turns(every, rounds)
    seconds = {c.name: [answer["seconds"] for answer in c.answers] for c in every}
    return {
        c.name: {
            "seconds": median(seconds[c.name]),
            "least": min(seconds[c.name]),
            "most": max(seconds[c.name]),
            "peak_mb": c.peak_mb,
            "start": c.start,
        }
        for c in every
    }


def table(title: str, figures: Figures) -> str:
    """One comparison, with how much faster netspec is than each."""
    ours = figures["netspec"]["seconds"]
    lines = [title]
    for name, f in figures.items():
        lines.append(
            f"  {name:<12} {1e3 * f['seconds']:10.2f} ms"
            f"  ({1e3 * f['least']:.2f} to {1e3 * f['most']:.2f})"
            f"  {f['peak_mb']:8.0f} MB  {f['seconds'] / ours:6.2f}x"
        )
    peers = [f["seconds"] for name, f in figures.items() if name != "netspec"]
    if peers:
        lines.append(f"  best peer takes {min(peers) / ours:.2f}x netspec's time")
    return "\n".join(lines)


def main() -> None:
    args = _arguments()
    known = [n for n in args.contenders if importlib.util.find_spec(NEEDS[n])]
    absent = sorted(set(args.contenders) - set(known))
    if absent:
        print(f"not installed: {', '.join(absent)}")
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        for model in args.models:
            folder = Path(args.keep or scratch) / model
            prepare(model, folder)
            for work in args.work:
                names = [n for n in known if (n, work) in CONTENDERS]
                for batch in args.batches:
                    figures = compare(names, work, folder, batch, args.rounds)
                    print(table(f"{model}, {work}, batch {batch}", figures), flush=True)
                    results.append(
                        {
                            "model": model,
                            "work": work,
                            "batch": batch,
                            "figures": figures,
                        }
                    )
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--models", nargs="+", default=["vgg16"])
    add("--batches", nargs="+", type=int, default=[1, 8])
    add("--work", nargs="+", choices=("inference", "training"), default=["inference"])
    add("--rounds", type=int, default=5)
    add("--contenders", nargs="+", choices=sorted(NEEDS), default=list(NEEDS))
    add("--keep", metavar="FOLDER", help="keep the converted nets here")
    add("--json", metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
