"""Time of each layer of a net: netspec's beside PyTorch's.

    python tools/bench/layers.py --model vgg16 --batch 8 --rounds 5
    python tools/bench/layers.py --model alexnet --batch 32 --training

Both nets live in this process and take turns, round by round. PyTorch's times are
those between the hooks of a module, without the functions between modules (ReLU is
one), which netspec's layers mostly include. In training, the first module's backward
pass has no end that a hook could see, and is left out.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from contenders import Folder, torch_images, torch_model
from cpu import threads
from preparing import prepare

import netspec

Times = dict[tuple[str, str], list[float]]  # by layer, and "forward" or "backward"
Round = Callable[[], None]


def netspec_rounds(folder: Folder, training: bool, times: Times) -> Round:
    """A round adds the times of all layers."""
    from netspec.evaluate.timing import fill_inputs, time_net
    from netspec.spec import parse_solver

    if training:
        text = (folder.path / "solver.prototxt").read_text()
        whole = text.replace("BATCH", str(folder.shape[0])) + " shards: 1"
        net = netspec.Solver(parse_solver(whole), lean=True).net
    else:
        net = netspec.Net(folder.path / "net.prototxt", lean=True)
        net.reshape(**{folder.input: folder.shape})
    fill_inputs(net)

    def run() -> None:
        for layer in time_net(net, 1, lambda: None).layers:
            times[layer.name, "forward"].append(layer.forward)
            if layer.backward:
                times[layer.name, "backward"].append(layer.backward)

    return run


def torch_rounds(folder: Folder, training: bool, times: Times) -> Round:
    """A round adds the times of all modules."""
    import torch

    model = torch_model(folder, channels_last=False).train(training)
    images = torch_images(folder.batch()[0], channels_last=False)
    for name, module in model.named_children():
        _watch(name, module, training, times)

    def run() -> None:
        with torch.set_grad_enabled(training):
            scores = model(images)
            if training:
                scores.sum().backward()

    return run


def _watch(name: str, module: Any, training: bool, times: Times) -> None:
    begun: dict[str, float] = {}

    def begin(way: str) -> Callable[..., None]:
        return lambda *_: begun.__setitem__(way, time.perf_counter())

    def end(way: str) -> Callable[..., None]:
        return lambda *_: times[name, way].append(time.perf_counter() - begun[way])

    module.register_forward_pre_hook(begin("forward"))
    module.register_forward_hook(end("forward"))
    if training:
        module.register_full_backward_pre_hook(begin("backward"))
        module.register_full_backward_hook(end("backward"))


def rows(ours: Times, theirs: Times, rounds: int) -> list[dict[str, Any]]:
    """Medians of the last *rounds* of each; layers that only one has have one time."""
    found = []
    for name, way in ours:
        key = name, way
        mine = 1e3 * median(ours[key][-rounds:])
        other = theirs.get((name.replace("/", "_"), way)) or theirs.get(key)
        row: dict[str, Any] = {"layer": name, "pass": way, "netspec_ms": mine}
        if other:
            row["torch_ms"] = 1e3 * median(other[-rounds:])
            row["ratio"] = row["torch_ms"] / mine
        found.append(row)
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Milliseconds and ratios, line by line."""
    lines = [f"{'layer':<28}{'pass':<10}{'netspec':>10}{'torch':>10}{'ratio':>8}"]
    for row in found:
        torch_ms = f"{row['torch_ms']:.2f}" if "torch_ms" in row else ""
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
        lines.append(
            f"{row['layer']:<28}{row['pass']:<10}{row['netspec_ms']:>10.2f}"
            f"{torch_ms:>10}{ratio:>8}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vgg16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(int(threads()["OMP_NUM_THREADS"]))
    ours: Times = defaultdict(list)
    theirs: Times = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        prepare(args.model, Path(scratch) / args.model)
        folder = Folder(str(Path(scratch) / args.model), args.batch)
        run_ours = netspec_rounds(folder, args.training, ours)
        run_theirs = torch_rounds(folder, args.training, theirs)
        for _ in range(args.rounds + 1):  # the first is not counted
            run_ours()
            run_theirs()
    found = rows(ours, theirs, args.rounds)
    print(table(found))
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
