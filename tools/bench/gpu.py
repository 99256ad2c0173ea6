"""Whole nets and their layers on a GPU: netspec beside PyTorch with cuDNN.

    python tools/bench/gpu.py --models vgg16 --batches 32 64 --rounds 7
    python tools/bench/gpu.py --models vgg16 --work layers --precisions fp32 tf32
    python tools/bench/gpu.py --models vgg16 --work training --data

Contenders take turns, round by round, each in a process of its own. A round is several
steps with one wait at its end. PyTorch computes fp32 without TF32, tf32 with it, and
fp16 by autocast with a GradScaler; cudnn.benchmark is on. --data trains from JPEG files
in place of a batch that is there already.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from contenders import LEARNING, Folder, torch_model
from cpu import table
from preparing import prepare
from turns import Contender, take_turns

STEPS = 10  # of a round
PICTURES, SIDE = 512, 256  # JPEG files of --data, and their side in pixels
Times = dict[str, float]  # milliseconds by layer and pass; or of a step, under ""
Round = Callable[[], Times]


def main() -> None:
    args = _arguments()
    if args.serve:
        _serve(*args.serve)
        return
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        for model in args.models:
            folder = Path(args.keep or scratch) / model
            prepare(model, folder)
            if args.data:
                _make_pictures(folder)
            for case in _cases(args):
                found = _compare(args, folder, *case)
                print(_text(model, case, found), flush=True)
                results.append({"model": model, "case": case, "figures": found})
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    works = ("training", "inference", "layers")
    add("--models", nargs="+", default=["vgg16"])
    add("--batches", nargs="+", type=int, default=[32])
    add("--work", nargs="+", choices=works, default=["training", "inference"])
    add("--precisions", nargs="+", default=["fp32", "tf32", "fp16"])
    add("--contenders", nargs="+", default=["netspec", "torch"])
    add("--rounds", type=int, default=7)
    add("--data", action="store_true", help="train from JPEG files")
    add("--keep", metavar="FOLDER", help="keep the converted nets here")
    add("--json", metavar="FILE")
    add("--serve", nargs=6, help=argparse.SUPPRESS)
    return parser.parse_args()


def _cases(args: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    for work in args.work:
        for precision in args.precisions:
            for batch in args.batches:
                yield work, precision, batch


# The process that compares ---------------------------------------------------------


def _compare(
    args: argparse.Namespace, folder: Path, work: str, precision: str, batch: int
) -> dict[str, Any]:
    """Medians, in seconds, by contender."""
    rest = work, precision, str(folder), str(batch), str(int(args.data))
    command = sys.executable, __file__, "--serve"
    every = [Contender(n, (*command, n, *rest), {}) for n in args.contenders]
    take_turns(every, args.rounds)
    return {c.name: _figures(c) for c in every}


def _figures(contender: Contender) -> dict[str, Any]:
    rounds = [answer["times"] for answer in contender.answers]
    columns = {name: [times[name] / 1e3 for times in rounds] for name in rounds[0]}
    whole = [sum(times) for times in zip(*columns.values())]
    return {
        "seconds": median(whole),
        "least": min(whole),
        "most": max(whole),
        "layers": {name: median(values) for name, values in columns.items() if name},
        "peak_mb": contender.peak_mb,
        "start": contender.start,
    }


def _text(model: str, case: tuple[str, str, int], found: dict[str, Any]) -> str:
    work, precision, batch = case
    lines = [table(f"{model}, {work}, {precision}, batch {batch}", found)]
    if work != "layers":
        rate = batch / found["netspec"]["seconds"]
        lines.append(f"  netspec: {rate:.0f} images/s")
        return "\n".join(lines)
    for name, seconds in found["netspec"]["layers"].items():
        peers = (found[n]["layers"].get(name) for n in found if n != "netspec")
        theirs = " ".join(f"{1e3 * s:9.3f}" for s in peers if s is not None)
        lines.append(f"  {name:<32}{1e3 * seconds:9.3f} ms  {theirs}")
    return "\n".join(lines)


# A process that is compared --------------------------------------------------------


def _serve(
    name: str, work: str, precision: str, path: str, batch: str, data: str
) -> None:
    """Answer every line of standard input by a round."""
    start = time.perf_counter()
    folder = Folder(path, int(batch))
    made = ROUNDS[name, work](folder, precision, data == "1")
    made()  # compiles, allocates, measures: not counted
    print(json.dumps({"ready": time.perf_counter() - start}), flush=True)
    for _ in sys.stdin:
        times = made()
        print(json.dumps({"times": times, "peak_mb": PEAKS[name]()}), flush=True)


def _steps(step: Callable[[], Any], wait: Callable[[], Any]) -> Round:
    """Rounds of several steps: milliseconds of one."""

    def run() -> Times:
        wait()
        start = time.perf_counter()
        for _ in range(STEPS):
            step()
        wait()
        return {"": 1e3 * (time.perf_counter() - start) / STEPS}

    return run


def _solver(folder: Folder, precision: str, data: bool) -> Any:
    from netspec import Solver
    from netspec.spec import parse_solver

    text = (folder.path / "solver.prototxt").read_text()
    text = text.replace("BATCH", str(folder.shape[0]))
    text += f" precision: {precision.upper()} shards: 1"
    spec = parse_solver(text)
    if data:
        _read_pictures(spec.message.net_param.layer[0], folder)
    solver = Solver(spec, device="cuda", lean=True)
    if not data:
        solver.feeds.by_layer["data"].set_arrays(*folder.batch())
    return solver


def _read_pictures(layer: Any, folder: Folder) -> None:
    """Let a data layer read the JPEG files."""
    layer.type = "ImageData"
    layer.ClearField("memory_data_param")
    param = layer.image_data_param
    param.source, param.batch_size = str(folder.path / "list.txt"), folder.shape[0]
    param.root_folder, param.shuffle = f"{folder.path}/", True
    param.is_color = folder.shape[1] == 3
    layer.transform_param.crop_size = folder.shape[-1]
    layer.transform_param.mirror = True
    layer.transform_param.mean_value.append(120)


def _netspec_training(folder: Folder, precision: str, data: bool) -> Round:
    solver = _solver(folder, precision, data)

    def run() -> Times:
        start = time.perf_counter()
        solver.step(STEPS)  # waits for the last of them
        return {"": 1e3 * (time.perf_counter() - start) / STEPS}

    return run


def _netspec_inference(folder: Folder, precision: str, data: bool) -> Round:
    from netspec import Net
    from netspec.backends import open_device

    ops = open_device("cuda", precision)
    net = Net(folder.path / "net.prototxt", lean=True, device=ops)
    net.reshape(**{folder.input: folder.shape})
    images, _ = folder.batch()

    def step() -> None:
        net.feed(folder.input, images)
        for node, run in net.forward_steps:
            net.run_forward(node, run)

    return _steps(step, lambda: ops.download(net.blobs[net.outputs[0]].data))


def _netspec_layers(folder: Folder, precision: str, data: bool) -> Round:
    from netspec.evaluate.timing import fill_inputs, time_net

    net = _solver(folder, precision, False).net
    fill_inputs(net)

    def run() -> Times:
        times: Times = {}
        for layer in time_net(net, STEPS, lambda: None).layers:
            times[f"{layer.name} forward"] = 1e3 * layer.forward
            times[f"{layer.name} backward"] = 1e3 * layer.backward
        return times

    return run


def _netspec_peak() -> float:
    import cupy

    return cupy.get_default_memory_pool().total_bytes() / 2**20


def _torch_net(folder: Folder, precision: str) -> tuple[Any, Any]:
    """The module on the GPU, and the context in which it computes."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    model = torch_model(folder, channels_last=precision == "fp16").cuda()
    half = precision == "fp16"
    context = torch.autocast("cuda", torch.float16) if half else nullcontext()
    return model, context


def _torch_batches(folder: Folder, data: bool) -> Iterator[tuple[Any, Any]]:
    """Endless batches on the GPU, copied without a wait from pinned memory."""
    import torch

    if data:
        yield from _torch_files(folder)
        return
    images, labels = (torch.from_numpy(a).pin_memory() for a in folder.batch())
    while True:
        yield images.cuda(non_blocking=True), labels.cuda(non_blocking=True)


def _torch_files(folder: Folder) -> Iterator[tuple[Any, Any]]:
    import torch

    names = [
        line.split() for line in (folder.path / "list.txt").read_text().splitlines()
    ]
    crop = folder.shape[-1]

    class Files(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(names)

        def __getitem__(self, i: int) -> tuple[Any, int]:
            from PIL import Image

            pixels = np.asarray(Image.open(folder.path / names[i][0]), np.float32)
            top, left = np.random.randint(SIDE - crop + 1, size=2)
            cut = pixels[top : top + crop, left : left + crop, ::-1]
            cut = cut[:, ::-1] if np.random.rand() < 0.5 else cut
            return np.ascontiguousarray(cut.transpose(2, 0, 1)) - 120, int(names[i][1])

    loader = torch.utils.data.DataLoader(
        Files(), folder.shape[0], shuffle=True, drop_last=True, pin_memory=True,
        num_workers=len(os.sched_getaffinity(0)), persistent_workers=True,
    )  # fmt: skip
    while True:
        for images, labels in loader:
            yield images.cuda(non_blocking=True), labels.cuda(non_blocking=True)


def _torch_training(folder: Folder, precision: str, data: bool) -> Round:
    import torch

    model, context = _torch_net(folder, precision)
    model.train()
    batches = _torch_batches(folder, data)
    rate, momentum, decay = LEARNING.values()
    rule = torch.optim.SGD(model.parameters(), rate, momentum, weight_decay=decay)
    scaler = torch.amp.GradScaler("cuda", enabled=precision == "fp16")

    def step() -> None:
        images, labels = next(batches)
        rule.zero_grad(set_to_none=True)
        with context:
            scores = model(images)
        loss = torch.nn.functional.nll_loss(torch.log(scores.float() + 1e-30), labels)
        scaler.scale(loss).backward()
        scaler.step(rule)
        scaler.update()

    return _steps(step, torch.cuda.synchronize)


def _torch_inference(folder: Folder, precision: str, data: bool) -> Round:
    import torch

    model, context = _torch_net(folder, precision)
    model.eval()
    batches = _torch_batches(folder, False)

    def step() -> None:
        with torch.inference_mode(), context:
            model(next(batches)[0])

    return _steps(step, torch.cuda.synchronize)


def _torch_layers(folder: Folder, precision: str, data: bool) -> Round:
    """Times between the hooks of a module, by events on the stream."""
    import torch

    model, context = _torch_net(folder, precision)
    model.train()
    images, _ = next(_torch_batches(folder, False))
    spans: dict[str, list[Any]] = {}

    def mark(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            spans.setdefault(name, []).append(event)

        return hook

    for name, module in model.named_children():
        module.register_forward_pre_hook(mark(f"{name} forward"))
        module.register_forward_hook(mark(f"{name} forward"))
        module.register_full_backward_pre_hook(mark(f"{name} backward"))
        module.register_full_backward_hook(mark(f"{name} backward"))

    def run() -> Times:
        spans.clear()
        for _ in range(STEPS):
            with context:
                scores = model(images)
            scores.float().sum().backward()
        torch.cuda.synchronize()
        return {
            name: median(a.elapsed_time(b) for a, b in zip(marks[::2], marks[1::2]))
            for name, marks in spans.items()
            if len(marks) == 2 * STEPS
        }

    return run


def _torch_peak() -> float:
    import torch

    return torch.cuda.max_memory_reserved() / 2**20


ROUNDS: dict[tuple[str, str], Callable[[Folder, str, bool], Round]] = {
    ("netspec", "training"): _netspec_training,
    ("netspec", "inference"): _netspec_inference,
    ("netspec", "layers"): _netspec_layers,
    ("torch", "training"): _torch_training,
    ("torch", "inference"): _torch_inference,
    ("torch", "layers"): _torch_layers,
}
PEAKS = {"netspec": _netspec_peak, "torch": _torch_peak}


def _make_pictures(folder: Path) -> None:
    """JPEG files with something to see on them, and a list of them."""
    from PIL import Image

    draw = np.random.default_rng(1)
    lines = []
    for i in range(PICTURES):
        coarse = draw.integers(0, 256, (16, 16, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(folder / f"{i}.jpg", quality=90)
        lines.append(f"{i}.jpg {i % 10}\n")
    (folder / "list.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
