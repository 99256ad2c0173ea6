"""Whether a process starts the ranks or is one."""

from __future__ import annotations

import argparse

import pytest

from netspec.cli.device_options import add_device
from netspec.cli.ranks import add_ranks, supervises
from netspec.errors import UsageError


def parsed(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_device(parser, several=True)
    add_ranks(parser)
    return parser.parse_args(options)


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch):
    for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("NETSPEC_LAUNCHER", raising=False)


def slurm(monkeypatch, tasks: int) -> None:
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", str(tasks))


@pytest.mark.parametrize("tasks", [0, 1])  # srun -n 1 is as good as nobody
def test_several_gpus_are_as_many_ranks(monkeypatch, tasks):
    if tasks:
        slurm(monkeypatch, tasks)
    args = parsed("--gpus", "0,1")
    assert supervises(args)
    assert args.ranks == 2


def test_tasks_look_for_their_own_gpus(monkeypatch):
    slurm(monkeypatch, 2)
    args = parsed("--gpus", "0,1")
    assert not supervises(args)
    assert args.ranks is None


def test_ranks_inside_of_ranks_are_refused(monkeypatch):
    slurm(monkeypatch, 2)
    for option in ("--ranks", "--restarts"):
        with pytest.raises(UsageError, match="srun has started 2 ranks"):
            supervises(parsed(option, "2"))


def test_more_ranks_than_gpus(monkeypatch):
    with pytest.raises(UsageError, match="3 ranks are asked for on 2 GPUs"):
        supervises(parsed("--gpus", "0,1", "--ranks", "3"))
