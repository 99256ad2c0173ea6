"""netspec devices: facts of this machine, and an honest word about GPUs."""

from __future__ import annotations

import json
import os

import pytest

from netspec.backends import DEVICES
from netspec.cli.devices import as_text
from netspec.cli.main import main
from netspec.report import devices as module
from netspec.report.devices import devices


@pytest.mark.smoke
def test_text(capsys):
    assert main(["devices"]) == 0
    lines = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    names = list(lines)
    assert names[:7] == [
        *("cpu", "cores", "threads", "vectors", "blas", "memory", "cuda")
    ]
    assert names[-1] == "--device"
    assert lines["cores"].startswith(f"{os.cpu_count()}, ")
    assert lines["cuda"].startswith(("usable: ", "not usable: "))
    assert lines["--device"] == " or ".join(DEVICES)
    assert "scipy" in lines["blas"]


def test_json(capsys, monkeypatch):
    monkeypatch.setenv("NETSPEC_THREADS", "3")
    assert main(["devices", "--json", "-"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["cpu"]["threads"] == 3
    assert facts["cpu"]["vector_bits"] in (128, 256, 512)
    assert facts["cuda"]["usable"] == bool(facts["cuda"]["gpus"])


def test_a_machine_with_a_driver(tmp_path, monkeypatch):
    for name, text in (
        ("_NVIDIA", "NVRM version: NVIDIA UNIX x86_64 555.1\nGCC version: 12\n"),
        ("_CPUINFO", "processor : 0\nmodel name : Fast 9000\nmodel name : Other\n"),
        ("_MEMINFO", "MemTotal:       33554432 kB\nMemAvailable:   1572864 kB\n"),
    ):
        path = tmp_path / name
        path.write_text(text)
        monkeypatch.setattr(module, name, path)
    text = as_text(devices())
    assert "Fast 9000" in text
    assert "32.0 GiB, 1.5 GiB available" in text
    assert "driver NVIDIA UNIX x86_64 555.1" in text


def test_a_machine_that_tells_nothing(tmp_path, monkeypatch):
    for name in ("_NVIDIA", "_CPUINFO", "_MEMINFO"):
        monkeypatch.setattr(module, name, tmp_path / "none")
    monkeypatch.setattr(module, "find_library", lambda name: None)
    text = as_text(devices())
    assert "  unknown, unknown available" in text
    assert text.count("no driver was found") == 1
