"""Several GPUs: the tree's own bits, through NCCL, in threads and in processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from netspec.backends import open_device
from netspec.errors import UsageError
from netspec.sync import for_device
from netspec.sync.launchers import ROOT_ALLOWED
from tests.cudasim.standin import install
from tests.cudasim.training import make_files, train
from tests.sync.threads import on_ranks

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240  # seconds that a run in processes may take, kernels being compiled

RANKS = """
import sys
sys.path.insert(0, ROOT)
from tests.cudasim.standin import install
kept = install(devices=4)
kept.__enter__()
"""


@pytest.fixture(params=["at once", "late"])
def gpus(request, monkeypatch, compiler):
    """Eight of them."""
    monkeypatch.setenv("NETSPEC_CUDA_MEASURE", "0")
    with install(order=request.param, devices=8) as world:
        yield world


def train_on(ranks, solver, iterations=4):
    return on_ranks(
        ranks,
        lambda sync: train(solver, f"cuda:{sync.rank}", iterations, sync=sync),
    )


@pytest.mark.parametrize(
    ("net", "settings"),
    [("ignore", "shards: 8"), ("vgg", "shards: 2 iter_size: 4 clip_gradients: 0.5"),
     ("batch norm", "shards: 4 ema_decay: 0.5")],
)  # fmt: skip
def test_any_number_of_gpus_gives_the_same_bits(gpus, tmp_path, net, settings):
    solver = make_files(tmp_path, net, settings)
    alone = train(solver, "cuda", 3)
    for ranks in (2, 4) if net == "batch norm" else (2, 4, 8):
        for rank in train_on(ranks, solver, 3):
            np.testing.assert_array_equal(rank.weights, alone.weights)
            assert rank.losses == alone.losses


@pytest.mark.parametrize("settings", ["", "snapshot: 1 display: 1"])
def test_three_gpus_agree_within_rounding(gpus, tmp_path, settings):
    solver = make_files(tmp_path, "vgg", f"iter_size: 3 {settings}")
    alone = train(solver, "cuda", 2)
    ranks = train_on(3, solver, 2)
    for rank in ranks:
        np.testing.assert_array_equal(rank.weights, ranks[0].weights)
    np.testing.assert_allclose(ranks[0].weights, alone.weights, atol=1e-6)


def test_overflow_in_half_is_the_same_on_all(gpus, tmp_path):
    settings = "shards: 2 precision: FP16 loss_scale: 16777216"
    solver = make_files(tmp_path, "vgg", settings)
    alone = train(solver, "cuda", 5)
    for rank in train_on(2, solver, 5):
        np.testing.assert_array_equal(rank.weights, alone.weights)
        assert [type(e).__name__ for e in rank.events].count("StepSkipped") > 0


def test_arrays_of_both_kinds(gpus):
    """Sums and broadcasts, of small and large arrays, on the device and the host."""

    def work(host):
        ops = open_device(f"cuda:{host.rank}")
        sync = for_device(host, ops)
        found = []
        for size in (5, 3001):
            values = np.arange(size, dtype=np.float32) * (sync.rank + 1)
            array = ops.zeros(size, "float32")
            ops.upload(values, array)
            sync.reduce(array)
            sync.reduce(values)
            np.testing.assert_array_equal(ops.download(array), values)
            sync.begin(array, _doubling(ops, array))
            sync.finish()
            np.testing.assert_array_equal(ops.download(array), 8 * values)
            ops.fill(array, float(sync.rank))
            sync.broadcast(array, 2)
            found.append(ops.download(array).tolist())
        assert sync.busy >= 0
        assert "NCCL 2." in sync.library
        return found

    assert on_ranks(4, work) == [[[2.0] * 5, [2.0] * 3001]] * 4


def _doubling(ops, array):
    def then(part=slice(None)):
        ops.add(array[part], array[part], array[part])

    return then


def test_without_nccl_it_is_named(gpus, monkeypatch):
    monkeypatch.delattr(sys.modules["cupy.cuda.nccl"], "get_unique_id")

    def work(host):
        with pytest.raises(UsageError, match="several GPUs need NCCL") as caught:
            for_device(host, open_device(f"cuda:{host.rank}"))
        return str(caught.value)

    assert "pip install nvidia-nccl-cu13" in on_ranks(2, work)[0]


def test_a_host_and_a_single_gpu_need_no_nccl(gpus):
    def work(host):
        return for_device(host, open_device("cpu")) is host

    assert on_ranks(2, work) == [True, True]
    assert on_ranks(1, lambda host: for_device(host, open_device("cuda")) is host)


# In processes, which MPI joins -------------------------------------------------------


def run(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """``netspec train`` where every process finds the stand-in for CuPy."""
    (folder / "sitecustomize.py").write_text(RANKS.replace("ROOT", repr(str(ROOT))))
    ours = ("PMI_", "NETSPEC_L", "NETSPEC_R", "OMPI_COMM")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    own = {"PYTHONPATH": str(folder), "NETSPEC_CUDA_MEASURE": "0"}
    return subprocess.run(
        [sys.executable, "-m", "netspec.cli.main", "train", *options],
        cwd=folder,
        env={**clean, **ROOT_ALLOWED, **own},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture
def processes(compiler, tmp_path):
    pytest.importorskip("mpi4py")
    return make_files(tmp_path, "ignore", "shards: 4 max_iter: 3 display: 1")


def test_gpus_of_the_command_line_are_ranks(processes, tmp_path):
    weights = tmp_path / "snap" / "t_iter_3.caffemodel"
    found = []
    for gpus in ("1", "2,0"):
        done = run(tmp_path, "--solver", str(processes), "--gpus", gpus)
        assert done.returncode == 0, done.stderr
        found.append(weights.read_bytes())
    assert found[0] == found[1]
    assert "on cuda:2" in done.stdout
    assert re.search(r"NCCL 2\.29\.7", done.stdout)


def test_more_ranks_than_gpus_are_refused(processes, tmp_path):
    done = run(tmp_path, "--solver", str(processes), "--gpu", "0,1", "--ranks", "3")
    assert done.returncode == 2
    assert "3 ranks are asked for on 2 GPUs." in done.stderr
    done = run(tmp_path, "--solver", str(processes), "--gpus", "1,1")
    assert "names a GPU twice" in done.stderr
    done = run(tmp_path, "--solver", str(processes), "--gpus", "0,9")
    assert done.returncode == 5
    assert "there is no device cuda:9" in done.stderr
