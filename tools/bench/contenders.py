"""What each contender does in one round; runs inside a process of its own.

    python contenders.py NAME WORK MODEL_FOLDER BATCH

Speaks lines of JSON: after ``{"ready": ...}`` every line read from standard input is
one round, answered by ``{"seconds": ..., "peak_mb": ...}``: the median of as many runs
as a turn has time for, lest a quick work be measured as the machine wakes up for it.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

Round = Callable[[], None]
TURN = 0.5  # seconds that a turn lasts, at least
# A rate that made-up images and labels bear.
LEARNING = {"rate": 1e-5, "momentum": 0.9, "decay": 0.0005}


def inputs(shape: tuple[int, ...], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """An image batch N(0, 1) and labels, the same for everybody."""
    rng = np.random.default_rng(3)
    images = rng.normal(size=shape).astype(np.float32)
    return images, rng.integers(0, classes, shape[0])


class Folder:
    """The files of one model: net.prototxt, train.prototxt, net.onnx, net.py."""

    def __init__(self, path: str, batch: int) -> None:
        self.path = Path(path)
        facts = json.loads((self.path / "facts.json").read_text())
        self.input, self.classes = facts["input"], facts["classes"]
        self.shape = (batch, *facts["shape"])

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        return inputs(self.shape, self.classes)


# What a contender needs beside itself, to be skipped where it is absent.
NEEDS = {
    "netspec": "netspec",
    "torch": "torch",
    "torch-cl": "torch",
    "onnxruntime": "onnxruntime",
    "opencv": "cv2",
    "openvino": "openvino",
}


def netspec_inference(folder: Folder) -> Round:
    from netspec.net import Net

    net = Net(folder.path / "net.prototxt", lean=True, frozen=True)
    net.reshape(**{folder.input: folder.shape})
    images, _ = folder.batch()
    return lambda: net.forward(**{folder.input: images})


def netspec_training(folder: Folder) -> Round:
    import netspec
    from netspec.spec import parse_solver

    images, labels = folder.batch()
    text = (folder.path / "solver.prototxt").read_text()
    solver = netspec.Solver(
        parse_solver(text.replace("BATCH", str(folder.shape[0]))), lean=True
    )
    solver.feeds.by_layer["data"].set_arrays(images, labels)
    return lambda: solver.step(1)


def torch_model(folder: Folder, channels_last: bool) -> Any:
    import torch

    spec = importlib.util.spec_from_file_location("bench_net", folder.path / "net.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_net"] = module
    spec.loader.exec_module(module)
    facts = json.loads((folder.path / "facts.json").read_text())
    model = getattr(module, facts["torch_class"])()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    return model


def torch_images(images: np.ndarray, channels_last: bool) -> Any:
    import torch

    tensor = torch.from_numpy(images)
    if channels_last:
        tensor = tensor.to(memory_format=torch.channels_last)
    return tensor


def torch_inference(folder: Folder, channels_last: bool = False) -> Round:
    import torch

    model = torch_model(folder, channels_last).eval()
    images = torch_images(folder.batch()[0], channels_last)

    def run() -> None:
        with torch.inference_mode():
            model(images)

    return run


def torch_training(folder: Folder, channels_last: bool = False) -> Round:
    import torch

    model = torch_model(folder, channels_last).train()
    images, labels = folder.batch()
    data, target = torch_images(images, channels_last), torch.from_numpy(labels)
    step = torch.optim.SGD(
        model.parameters(),
        lr=LEARNING["rate"],
        momentum=LEARNING["momentum"],
        weight_decay=LEARNING["decay"],
    )

    def run() -> None:
        step.zero_grad(set_to_none=True)
        loss = torch.nn.functional.nll_loss(torch.log(model(data) + 1e-30), target)
        loss.backward()
        step.step()

    return run


def onnxruntime_inference(folder: Folder) -> Round:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        folder.path / "net.onnx", providers=["CPUExecutionProvider"]
    )
    feed = {folder.input: folder.batch()[0]}
    return lambda: session.run(None, feed)


def opencv_inference(folder: Folder) -> Round:
    import cv2

    net = cv2.dnn.readNetFromONNX(str(folder.path / "net.onnx"))
    images = folder.batch()[0]

    def run() -> None:
        net.setInput(images, folder.input)
        net.forward()

    return run


def openvino_inference(folder: Folder) -> Round:
    import openvino

    core = openvino.Core()
    model = core.read_model(folder.path / "net.onnx")
    model.reshape(list(folder.shape))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    images = folder.batch()[0]
    return lambda: compiled([images])


CONTENDERS: dict[tuple[str, str], Callable[[Folder], Round]] = {
    ("netspec", "inference"): netspec_inference,
    ("netspec", "training"): netspec_training,
    ("torch", "inference"): torch_inference,
    ("torch", "training"): torch_training,
    ("torch-cl", "inference"): lambda f: torch_inference(f, channels_last=True),
    ("torch-cl", "training"): lambda f: torch_training(f, channels_last=True),
    ("onnxruntime", "inference"): onnxruntime_inference,
    ("opencv", "inference"): opencv_inference,
    ("openvino", "inference"): openvino_inference,
}


def peak_mb() -> float:
    """Largest resident size of this process so far, in MB.

    From /proc: the maximum that getrusage gives begins with the parent's.
    """
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    name, work, path, batch = sys.argv[1:]
    start = time.perf_counter()
    run = CONTENDERS[name, work](Folder(path, int(batch)))
    run()  # compiles, allocates, chooses: not counted
    say({"ready": time.perf_counter() - start})
    for _ in sys.stdin:
        say({"seconds": median(timed(run)), "peak_mb": peak_mb()})


def timed(run: Round) -> list[float]:
    """Seconds of one run after the other, for TURN seconds or one run."""
    seconds: list[float] = []
    while sum(seconds) < TURN:
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return seconds


def say(value: dict[str, float]) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
