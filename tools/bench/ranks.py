"""What several ranks of one thread gain over one, on a net of the models folder.

    python tools/bench/ranks.py --net vgg11 --batch 32 --ranks 2 --rounds 2

One rank and several train in turn on numbers made up in memory, so that a machine that
others use as well treats both alike. Prints the median and the quickest iteration of
each, their ratios, and the share of the communication hidden behind backward.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from netspec.proto import TRAIN, NetParameter
from netspec.spec import filter_net, read_net
from netspec.spec.write import to_text

ROOT = Path(__file__).resolve().parent.parent.parent
SOLVER = """
net: "net.prototxt" base_lr: 1e-6 lr_policy: "fixed" momentum: 0.9 weight_decay: 5e-4
snapshot_after_train: false random_seed: 1 max_iter: """


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="vgg11")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=3)
    args = parser.parse_args()
    counts = (1, args.ranks)
    iterations: dict[int, list[dict]] = {n: [] for n in counts}
    with tempfile.TemporaryDirectory(prefix="netspec-ranks-") as name:
        folder = Path(name)
        make_files(folder, args)
        run(folder, 1, 1, args.ranks)  # kernels are compiled once
        for _ in range(args.rounds):
            for ranks in counts:
                timings = run(folder, ranks, 1 + args.iterations, args.ranks)
                iterations[ranks] += timings[1:]
    report(args.ranks, iterations)
    return 0


def make_files(folder: Path, args: argparse.Namespace) -> None:
    """The net with sources that need no files, and a solver."""
    spec = read_net(ROOT / "models" / f"{args.net}_train_val.prototxt")
    net = NetParameter()
    net.CopyFrom(filter_net(spec, TRAIN).message)
    net.ClearField("state")
    for layer in net.layer:
        if layer.type == "Data":
            size = layer.transform_param.crop_size
            for field in ("data_param", "transform_param", "include"):
                layer.ClearField(field)
            layer.type = "DummyData"
            shapes = ((args.batch, 3, size, size), (args.batch,))
            for shape in shapes:
                layer.dummy_data_param.shape.add(dim=shape)
            fill = layer.dummy_data_param.data_filler
            fill.add(type="gaussian", std=50)
            fill.add(type="constant")
    (folder / "net.prototxt").write_text(to_text(net))


def run(folder: Path, ranks: int, iterations: int, shards: int) -> list[dict]:
    """Timings of the iterations."""
    (folder / "solver.prototxt").write_text(f"{SOLVER}{iterations} shards: {shards}")
    log = folder / "log.json"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "netspec.cli.main", "train", "--quiet"]
    command += ["--solver", "solver.prototxt", "--json", str(log)]
    subprocess.run(
        [*command, "--ranks", str(ranks)],
        cwd=folder,
        env={**os.environ, "NETSPEC_THREADS": "1"},
        check=True,
    )
    events = map(json.loads, log.read_text().splitlines())
    return [e["timings"] for e in events if e["event"] == "Iteration"]


def report(ranks: int, iterations: dict) -> None:
    parts = ("data", "forward", "backward", "update", "wait")
    totals = {n: [sum(t[p] for p in parts) for t in iterations[n]] for n in iterations}
    for n, each in iterations.items():
        split = ", ".join(f"{p} {median(t[p] for t in each):.2f}" for p in parts)
        print(
            f"{n} ranks: median {median(totals[n]):.2f}, quickest {min(totals[n]):.2f} "
            f"s an iteration ({split})"
        )
    one, several = totals[1], totals[ranks]
    print(
        f"speed-up by medians {median(one) / median(several):.2f}, by the quickest "
        f"{min(one) / min(several):.2f}"
    )
    talk = median(t["communication"] for t in iterations[ranks])
    wait = median(t["wait"] for t in iterations[ranks])
    print(f"communication {talk:.2f} s, {100 * max(0, 1 - wait / talk):.0f} % hidden")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    sys.exit(main())
