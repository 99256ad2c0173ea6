"""What several ranks of one thread gain over one, on a net of the models folder.

    python tools/bench/ranks.py --net vgg11 --batch 32 --ranks 2 --rounds 2

One rank and several train in turn on numbers made up in memory, so that a machine that
others use as well treats both alike. Prints the median and the quickest iteration of
each, their ratios, and the share of the communication hidden behind backward.

With --predict also what ``netspec plan`` says of both beforehand, from the times of
the layers on one rank, the start-up reduction and the bandwidth of the memory, all of
them measured in this run; and once more from the times of layers of as many processes
as there are ranks, side by side: what these are slower than one alone is no fault of
the model. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean, median

from memory import measure

from netspec.proto import TRAIN, NetParameter
from netspec.spec import filter_net, read_net
from netspec.spec.write import to_text

ROOT = Path(__file__).resolve().parent.parent.parent
LOG = "log.json"
PARTS = ("data", "forward", "backward", "update", "wait")
SOLVER = """
net: "net.prototxt" base_lr: 1e-6 lr_policy: "fixed" momentum: 0.9 weight_decay: 5e-4
snapshot_after_train: false random_seed: 1 max_iter: """


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--net", default="vgg11")
    image = "of an image; default: 3 channels of crop_size"
    parser.add_argument("--shape", type=shape_of, metavar="C,H,W", help=image)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--predict", action="store_true")
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
        if args.predict:
            compare(folder, args, iterations)
    return 0


def shape_of(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(","))


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
            image = args.shape or (3, size, size)
            shapes = ((args.batch, *image), (args.batch,))
            for shape in shapes:
                layer.dummy_data_param.shape.add(dim=shape)
            fill = layer.dummy_data_param.data_filler
            fill.add(type="gaussian", std=50)
            fill.add(type="constant")
    (folder / "net.prototxt").write_text(to_text(net))


def run(folder: Path, ranks: int, iterations: int, shards: int) -> list[dict]:
    """Timings of the iterations."""
    (folder / "solver.prototxt").write_text(f"{SOLVER}{iterations} shards: {shards}")
    (folder / LOG).unlink(missing_ok=True)
    options = ["--solver", "solver.prototxt", "--json", LOG, "--ranks", str(ranks)]
    finish(start(folder, "train", "--quiet", *options))
    return [e["timings"] for e in events_of(folder) if e["event"] == "Iteration"]


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    """A command of netspec, each process of which has one thread."""
    return subprocess.Popen(
        [sys.executable, "-m", "netspec.cli.main", *command],
        cwd=folder,
        env={**os.environ, "NETSPEC_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What a command printed."""
    out = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"{process.args} ended with code {process.returncode}")
    return out


def events_of(folder: Path) -> list[dict]:
    """What the last run has told."""
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def report(ranks: int, iterations: dict) -> None:
    totals = {n: [sum(t[p] for p in PARTS) for t in iterations[n]] for n in iterations}
    for n, each in iterations.items():
        split = ", ".join(f"{p} {median(t[p] for t in each):.2f}" for p in PARTS)
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


def compare(folder: Path, args: argparse.Namespace, iterations: dict) -> None:
    """Print what the model says beside what was measured."""
    ready = next(e for e in events_of(folder) if e["event"] == "RanksReady")
    ranks = len(ready["ranks"])
    sent = 2 * (ranks - 1) / ranks * ready["bytes"] / ready["seconds"] / 1e9
    alone, together = (rate / 1e9 for rate in measure(ranks))
    print(
        f"sums {sent:.2f} GB/s; memory {alone:.2f} GB/s for one rank, {together:.2f} "
        f"GB/s for {ranks}"
    )
    rates = [f"--bandwidth={sent}", f"--memory-bandwidth={alone},{together}"]
    for processes in (1, ranks):
        seconds = time_layers(folder, args.batch // args.ranks, processes)
        print(f"layers of {processes} processes side by side: {seconds:.4f} s")
        for row in predicted(folder, args, rates):
            if row["ranks"] >= processes:
                print(beside(row, iterations[row["ranks"]]))


def time_layers(folder: Path, images: int, processes: int) -> float:
    """Have the layers timed for one shard; returns seconds, the mean of *processes*."""
    net = ["--model", "net.prototxt", "--batch", str(images), "--iterations", "5"]
    running = [
        start(folder, "time", *net, "--json", f"times{i}.json")
        for i in range(processes)
    ]
    for process in running:
        finish(process)
    names = [folder / f"times{i}.json" for i in range(processes)]
    found = [json.loads(name.read_text()) for name in names]
    layers = [
        {"name": each[0]["name"]}
        | {k: fmean(layer[k] for layer in each) for k in ("forward", "backward")}
        for each in zip(*(times["layers"] for times in found), strict=True)
    ]
    times = {"batch": images, "layers": layers}
    (folder / "times.json").write_text(json.dumps(times))
    return sum(layer["forward"] + layer["backward"] for layer in layers)


def predicted(folder: Path, args: argparse.Namespace, rates: list[str]) -> list[dict]:
    """What netspec plan says of one rank and of several."""
    numbers = ["--ranks", str(args.ranks), "--shards", str(args.ranks)]
    machine = ["--times", "times.json", "--device", "cpu", "--link", "memory", *rates]
    out = finish(
        start(folder, "plan", "net.prototxt", *numbers, *machine, "--json", "-")
    )
    rows = json.loads(out)["ranks"]
    return [row for row in rows if row["ranks"] in (1, args.ranks)]


def beside(row: dict, measured: list[dict]) -> str:
    """A prediction and the medians of the same, without reading data."""
    says = {
        "forward and backward": row["compute"] + row["slowed"],
        "update": row["update"],
        "wait": row["wait"],
    }
    was = {
        "forward and backward": median(t["forward"] + t["backward"] for t in measured),
        "update": median(t["update"] for t in measured),
        "wait": median(t["wait"] for t in measured),
    }
    total = median(sum(t[p] for p in PARTS if p != "data") for t in measured)
    parts = ", ".join(f"{part} {says[part]:.4f} ({was[part]:.4f})" for part in says)
    both = f"predicted {sum(says.values()):.4f} s, measured {total:.4f} s"
    off = 100 * (sum(says.values()) / total - 1)
    return f"  {row['ranks']} ranks: {both}, {off:+.0f} %; {parts}"


if __name__ == "__main__":
    sys.exit(main())
