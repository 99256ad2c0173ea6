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
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from contenders import CONTENDERS, NEEDS
from preparing import prepare

Figures = dict[str, dict[str, Any]]


class Contender:
    """A process that runs one round whenever it is told."""

    def __init__(self, name: str, work: str, folder: Path, batch: int) -> None:
        self.name = name
        here = Path(__file__).with_name("contenders.py")
        command = [sys.executable, str(here), name, work, str(folder), str(batch)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | _threads(),
        )  # fmt: skip
        self.start = self._answer()["ready"]
        self.seconds: list[float] = []
        self.peak_mb = 0.0

    def round(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.seconds.append(answer["seconds"])
        self.peak_mb = answer["peak_mb"]

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{self.name} ended with code {self._process.wait()}")

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def _threads() -> dict[str, str]:
    cores = str(len(os.sched_getaffinity(0)))
    return dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NETSPEC_THREADS"), cores
    )


def compare(
    names: list[str], work: str, folder: Path, batch: int, rounds: int
) -> Figures:
    """Medians of every contender; they run in turn, first to last, every round."""
    every = [Contender(name, work, folder, batch) for name in names]
    try:
        for _ in range(rounds):
            for contender in every:
                contender.round()
    finally:
        for contender in every:
            contender.close()
    return {
        c.name: {
            "seconds": median(c.seconds),
            "least": min(c.seconds),
            "most": max(c.seconds),
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
