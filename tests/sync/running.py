"""Training runs in processes of their own, for tests: made, watched, and ended."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from netspec.data.writer import DatabaseWriter
from netspec.proto import Datum
from netspec.sync.launchers import ROOT_ALLOWED

PATIENCE = 120  # seconds that any run of these tests may take
RECORDS = 57

NET = """
  name: "tiny"
  layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
    transform_param { crop_size: 6 mirror: true scale: 0.01 }
    data_param { source: "db" batch_size: 16 backend: LMDB shuffle: true } }
  layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
    transform_param { crop_size: 6 scale: 0.01 }
    data_param { source: "db" batch_size: 5 backend: LMDB } }
  layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
    convolution_param { num_output: 7 kernel_size: 3
      weight_filler { type: "xavier" } } }
  layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
  layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv"
    dropout_param { dropout_ratio: 0.3 } }
  layer { name: "score" type: "InnerProduct" bottom: "conv" top: "score"
    inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label"
    top: "loss" loss_param { ignore_label: 2 } }
"""
SOLVER = """
  net: "net.prototxt" base_lr: 0.03 lr_policy: "fixed" momentum: 0.9
  weight_decay: 0.001 snapshot_prefix: "snap/t" shards: 8 random_seed: 3
"""


def make_files(folder: Path, settings: str, net: str = NET) -> Path:
    """A database, a net and a solver in *folder*; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    with DatabaseWriter(folder / "db", force=True) as writer:
        for i in range(RECORDS):
            pixels = draw.integers(0, 256, (2, 9, 8), np.uint8)
            label = int(pixels[:, :4].sum() > pixels[:, 5:].sum()) + (i % 3 == 0)
            datum = Datum(channels=2, height=9, width=8, label=label)
            datum.data = pixels.tobytes()
            writer.put(f"{i:05d}", datum.SerializeToString())
    (folder / "net.prototxt").write_text(net)
    (folder / "solver.prototxt").write_text(SOLVER + settings)
    return folder


def command(*options: str) -> list[str]:
    train = ["train", "--solver", "solver.prototxt", "--device", "numpy"]
    return [sys.executable, "-m", "netspec.cli.main", *train, *options]


def environment() -> dict[str, str]:
    """Without what pytest, or a launcher around it, has left there."""
    ours = ("PMI", "NETSPEC_L", "NETSPEC_R", "OMPI_COMM", "SLURM_PROC", "SLURM_STEP")
    rest = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**rest, **ROOT_ALLOWED}


def run(
    folder: Path,
    *options: str,
    start: list[str] | None = None,
    more: dict[str, str] | None = None,
):
    """Train to the end, with *more* variables; returns what subprocess.run does."""
    return subprocess.run(
        [*(start or []), *command(*options)],
        cwd=folder,
        env={**environment(), **(more or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Running:
    """A run under way."""

    def __init__(self, folder: Path, process: subprocess.Popen):
        self.folder, self.process = folder, process
        self.started = time.monotonic()
        self._ranks: dict[int, int] = {}

    @property
    def output(self) -> str:
        return (self.folder / "out.txt").read_text()

    def wait_for(self, pattern: str) -> re.Match:
        """Wait until the output has it."""
        while not (found := re.search(pattern, self.output)):
            assert self.process.poll() is None, self.output
            assert time.monotonic() - self.started < PATIENCE, self.output
            time.sleep(0.05)
        return found

    def ranks(self) -> dict[int, int]:
        """The process of each rank, as the banner says."""
        line = self.wait_for(r"(?m)^\d+ ranks through (.*)\n")[1]
        found = re.findall(r"rank (\d+) \(process (\d+)", line)
        self._ranks = {int(rank): int(process) for rank, process in found}
        return self._ranks

    def wait(self) -> int:
        """The exit code."""
        return self.process.wait(PATIENCE)

    def left_over(self, patience: float = 10.0) -> list[int]:
        """Ranks that still live, after they had time to end."""
        end = time.monotonic() + patience
        while alive := [p for p in self._ranks.values() if is_alive(p)]:
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        return alive


@contextmanager
def running(folder: Path, *options: str, start: list[str] | None = None):
    """A run that is ended, with all its ranks, when the ``with`` block is left."""
    with (folder / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [*(start or []), *command(*options)],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        here = Running(folder, process)
        try:
            yield here
        finally:
            for each in (process.pid, *here._ranks.values()):
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            process.wait(PATIENCE)


def is_alive(process: int) -> bool:
    """Whether a process lives, and is no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def digest(folder: Path, iteration: int) -> str:
    """SHA-256 of a snapshot's weights."""
    path = folder / "snap" / f"t_iter_{iteration}.caffemodel"
    return hashlib.sha256(path.read_bytes()).hexdigest()
