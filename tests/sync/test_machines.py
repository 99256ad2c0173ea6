"""Two ranks on two machines: network namespaces that a pair of cables connects."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netspec.sync.mpiexec import mpiexec

from .running import digest, make_files, run, running

pytest.importorskip("mpi4py", reason="needs the extra mpi")

SHORT = "max_iter: 6 snapshot: 3"
LONG = "max_iter: 1000000 snapshot: 100 snapshot_keep: 2 display: 100"
CABLE = "netspec-test"
ADDRESSES = ("10.77.0.1", "10.77.0.2")
# What mpiexec calls in place of ssh: HOST COMMAND...
LAUNCHER = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
host=$1; shift
exec ip netns exec "PREFIX${host##*.}" sh -c "$*"
"""


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no network namespaces here: {done.stderr.strip()}")


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """Names of two namespaces, and the beginning of a command that starts a rank in
    each; what they say to each other goes through TCP."""
    if not sys.platform.startswith("linux") or not shutil.which("ip"):
        pytest.skip("needs Linux and iproute2's ip")
    start = mpiexec(2)
    if (
        "HYDRA"
        not in subprocess.run(
            [start[0], "--version"], capture_output=True, text=True, check=False
        ).stdout
    ):
        pytest.skip("needs MPICH's mpiexec")
    prefix = f"ns{os.getpid()}-"
    names = [f"{prefix}{i}" for i in (1, 2)]
    try:
        _connect(names)
        launcher = tmp_path / "launcher"
        launcher.write_text(LAUNCHER.replace("PREFIX", prefix))
        launcher.chmod(0o755)
        monkeypatch.setenv("UCX_TLS", "tcp")
        monkeypatch.setenv("UCX_NET_DEVICES", CABLE)
        monkeypatch.setenv("MPIR_CVAR_NOLOCAL", "1")
        options = ["-launcher", "ssh", "-launcher-exec", str(launcher), "-ppn", "1"]
        hosts = ["-hosts", ",".join(ADDRESSES), "-localhost", ADDRESSES[0]]
        inside = ["ip", "netns", "exec", names[0]]
        yield names, [*inside, start[0], *options, *hosts, *start[-2:]]
    finally:
        for name in names:
            subprocess.run(
                ["ip", "netns", "del", name], capture_output=True, check=False
            )


def _connect(names: list[str]) -> None:
    for name in names:
        ip("netns", "add", name)
    first, second = names
    pair = ("type", "veth", "peer", "name", CABLE, "netns", second)
    ip("link", "add", CABLE, "netns", first, *pair)
    for name, address in zip(names, ADDRESSES, strict=True):
        ip("-n", name, "addr", "add", f"{address}/24", "dev", CABLE)
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "set", CABLE, "up")
    for name in names:
        while read(name, "operstate") != "up":
            time.sleep(0.05)


def read(name: str, fact: str) -> str:
    """What a namespace's kernel says of its end of the cable."""
    done = subprocess.run(
        ["ip", "netns", "exec", name, "cat", f"/sys/class/net/{CABLE}/{fact}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_two_machines_compute_the_bits_of_one(tmp_path, machines):
    names, start = machines
    alone = make_files(tmp_path / "alone", SHORT)
    assert run(alone).returncode == 0
    folder = make_files(tmp_path / "two", SHORT)
    done = run(folder, start=start)
    assert done.returncode == 0, done.stderr
    assert digest(folder, 6) == digest(alone, 6)
    # The start-up reduction alone sends 3 times 16 MiB.
    assert int(read(names[0], "statistics/tx_bytes")) > 48 << 20


def test_a_cut_cable_ends_the_run_on_both_machines(tmp_path, machines):
    names, start = machines
    folder = make_files(tmp_path / "two", LONG)
    with running(folder, "--timeout", "2", start=start) as here:
        ranks = here.ranks()
        here.wait_for("snapshot at iteration 100")
        ip("-n", names[0], "link", "set", CABLE, "down")
        assert here.wait() == 5
        assert f"rank 1 (process {ranks[1]} on" in here.output
        assert "its machine is gone" in here.output
        assert not here.left_over(30)
    assert list(Path(folder, "snap").glob("*.solverstate"))
