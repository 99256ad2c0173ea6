"""Bytes a second from and to memory: of one core alone, and of several together.

    python tools/bench/memory.py --ranks 2

Prints both as ``netspec plan --memory-bandwidth`` takes them. Each process adds one
large array to another, over and over, which reads both and writes one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import numpy as np

ELEMENTS = 1 << 24  # 64 MiB: more than caches hold
SECONDS = 2.0  # of adding
BEGIN = 2.0  # seconds until all processes are ready


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--at", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.at:
        print(add_from(args.at))
    else:
        print("{:.2f},{:.2f}".format(*(rate / 1e9 for rate in measure(args.ranks))))
    return 0


def measure(ranks: int) -> tuple[float, float]:
    """Bytes a second of one process alone, and of all together."""
    alone, together = together_of(1), together_of(ranks)
    return alone, max(alone, together)


def together_of(processes: int) -> float:
    """Bytes a second of some processes that add at the same time."""
    command = [sys.executable, __file__, "--at", str(time.time() + BEGIN)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    return sum(float(process.communicate()[0]) for process in running)


def add_from(begin: float) -> float:
    """Add from a moment on; bytes a second."""
    a, b = np.zeros((2, ELEMENTS), np.float32)
    np.add(a, b, out=a)
    time.sleep(max(0.0, begin - time.time()))
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        np.add(a, b, out=a)
        rounds += 1
    return 3 * a.nbytes * rounds / (time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main())
