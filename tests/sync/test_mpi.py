"""Ranks as processes that talk through MPI: the same bits, and every way to fail."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from netspec.sync.mpiexec import mpiexec
from netspec.sync.neighbours import SWITCH
from netspec.weights import read_weights

from .running import NET, digest, make_files, run, running

pytest.importorskip("mpi4py", reason="needs the extra mpi")
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks for processes in /proc"
)

LONG = "max_iter: 1000000 snapshot: 100 snapshot_keep: 2 display: 100"
SHORT = "max_iter: 12 snapshot: 5 test_interval: 6 display: 4"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A run on one rank."""
    folder = make_files(tmp_path_factory.mktemp("alone"), SHORT)
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def losses_of(text: str) -> list[str]:
    return [
        line for line in text.splitlines() if "loss = " in line and "test" not in line
    ]


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_weights_do_not_depend_on_the_number_of_ranks(tmp_path, alone, ranks):
    """Dropout, mirrors, random crops, a shuffle and ignored labels are in the net."""
    done = run(make_files(tmp_path, SHORT), "--ranks", str(ranks))
    assert done.returncode == 0, done.stderr
    folder, on_one = alone
    for iteration in (5, 10, 12):
        assert digest(tmp_path, iteration) == digest(folder, iteration)
    assert losses_of(done.stdout) == losses_of(on_one.stdout)
    assert f"{ranks} ranks, rank 0 computes {16 // ranks} images; the same bits" in (
        done.stdout
    )
    assert done.stderr == ""


WIDE = NET.replace("num_output: 7", "num_output: 96")  # more than messages carry

# Each second rank finds no memory that others could read.
SOME = (
    f"test $((${{PMI_RANK-$OMPI_COMM_WORLD_RANK}} % 2)) = 0 || export {SWITCH}=0; "
    'exec "$@"'
)


@pytest.fixture(scope="module")
def wide_alone(tmp_path_factory):
    """A run on one rank of a net whose gradients neighbours read where they are."""
    folder = make_files(tmp_path_factory.mktemp("wide"), SHORT, WIDE)
    assert run(folder).returncode == 0
    return folder


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("way", ["direct", "messages", "mixed"])
def test_neighbours_that_read_and_that_send_get_the_same(
    tmp_path, wide_alone, ranks, way
):
    start = mpiexec(ranks)
    start += ["sh", "-c", SOME, "sh"] if way == "mixed" else []
    more = {SWITCH: "0"} if way == "messages" else {}
    done = run(make_files(tmp_path, SHORT, WIDE), start=start, more=more)
    assert done.returncode == 0, done.stderr
    for iteration in (5, 12):
        assert digest(tmp_path, iteration) == digest(wide_alone, iteration)


def test_three_neighbours_get_what_they_get_by_messages(tmp_path):
    for way in ("0", "1"):
        folder = make_files(tmp_path / way, SHORT, WIDE)
        done = run(folder, "--ranks", "3", more={SWITCH: way})
        assert done.returncode == 0, done.stderr
    assert digest(tmp_path / "0", 12) == digest(tmp_path / "1", 12)


def test_three_ranks_say_that_they_only_nearly_agree(tmp_path, alone):
    done = run(make_files(tmp_path, SHORT), "--ranks", "3")
    assert done.returncode == 0, done.stderr
    assert "not the bits of one rank, but equal within rounding" in done.stdout
    assert digest(tmp_path, 12) != digest(alone[0], 12)
    name = "snap/t_iter_12.caffemodel"
    ours, theirs = (read_weights(f / name) for f in (tmp_path, alone[0]))
    for layer, blobs in theirs.items():
        for a, b in zip(ours[layer], blobs, strict=True):
            # Twelve steps, each with sums of 16 float32 in another order.
            assert abs(a - b).max() < 1e-5


def test_ranks_that_mpiexec_starts(tmp_path, alone):
    done = run(make_files(tmp_path, SHORT), start=mpiexec(2))
    assert done.returncode == 0, done.stderr
    assert digest(tmp_path, 12) == digest(alone[0], 12)


def test_ranks_inside_of_ranks_are_refused(tmp_path):
    done = run(make_files(tmp_path, SHORT), "--ranks", "2", start=mpiexec(2))
    assert done.returncode != 0
    assert "has started 2 ranks, and --ranks or --restarts would" in done.stderr


def test_a_stopped_run_goes_on_with_other_ranks(tmp_path, alone):
    folder = make_files(tmp_path, "max_iter: 7 snapshot: 5 test_interval: 6")
    assert run(folder, "--ranks", "4").returncode == 0
    make_files(tmp_path, SHORT)
    done = run(folder, "--ranks", "2", "--resume", "auto")
    assert "resumed at iteration 7" in done.stdout
    assert digest(folder, 12) == digest(alone[0], 12)


# Faults ------------------------------------------------------------------------------


@pytest.mark.parametrize(("victim", "net"), [(0, NET), (1, NET), (1, WIDE)])
def test_a_hung_rank_is_named_and_the_run_ends(tmp_path, victim, net):
    folder = make_files(tmp_path, LONG, net)
    with running(folder, "--ranks", "2", "--timeout", "2") as here:
        process = here.ranks()[victim]
        here.wait_for("snapshot at iteration 100")
        os.kill(process, signal.SIGSTOP)
        start = time.monotonic()
        assert here.wait() == 5
        assert time.monotonic() - start < 30
        assert (
            f"rank {victim} (process {process} on" in here.output.split("netspec:")[1]
        )
        assert "has not been heard of for" in here.output
        assert "--resume auto" in here.output
        assert not here.left_over()
    assert "Traceback" not in here.output


def test_ranks_that_were_suspended_together_go_on(tmp_path):
    """As a batch system does, or a shell; longer than any rank may be silent."""
    folder = make_files(tmp_path, LONG, WIDE)
    with running(folder, "--ranks", "2", "--timeout", "2") as here:
        ranks = here.ranks()
        here.wait_for("snapshot at iteration 100")
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for process in ranks.values():
                os.kill(process, number)
            time.sleep(5)
        assert here.process.poll() is None, here.output
        here.process.send_signal(signal.SIGTERM)
        assert here.wait() == 0, here.output
        assert not here.left_over()


@pytest.mark.parametrize(("ranks", "dead"), [(2, 1), (3, 2)])
def test_a_dead_rank_is_named_and_the_run_ends(tmp_path, ranks, dead):
    """MPICH's launcher often names one of those that it has ended itself."""
    folder = make_files(tmp_path, LONG, WIDE)
    with running(folder, "--ranks", str(ranks)) as here:
        process = here.ranks()[dead]
        os.kill(process, signal.SIGKILL)
        assert here.wait() == 5
        expected = f"netspec: rank {dead} (process {process}) was ended by signal 9.\n"
        assert here.output.endswith(expected)
        assert "BAD TERMINATION" not in here.output
        assert not here.left_over()


def test_restarts_go_on_from_the_last_snapshot(tmp_path, alone):
    folder = make_files(tmp_path, LONG)
    with running(folder, "--ranks", "2", "--restarts", "1") as here:
        here.wait_for("snapshot at iteration 200")
        # The last time the ranks die it is for good.
        os.kill(here.ranks()[1], signal.SIGKILL)
        here.wait_for("netspec: restart 1 of 1")
        here.wait_for("resumed at iteration [2-9]00")
        assert "was ended by signal 9" in here.output
        here.process.send_signal(signal.SIGTERM)
        assert here.wait() == 0
        assert not here.left_over()


def test_a_single_process_is_restarted_too(tmp_path, alone):
    """It kills itself once, halfway; the end is the one of an undisturbed run."""
    folder = make_files(tmp_path, SHORT)
    (folder / "sitecustomize.py").write_text(
        "import os, signal, sys, threading, time\n"
        "def die():\n"
        "    while not os.path.exists('snap/t_iter_5.solverstate'):\n"
        "        time.sleep(0.001)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "env = os.environ\n"
        "if 'NETSPEC_LAUNCHER' in env and 'NETSPEC_RESTARTED' not in env:\n"
        "    threading.Thread(target=die, daemon=True).start()\n"
    )
    env = [shutil.which("env"), f"PYTHONPATH={folder}"]
    done = run(folder, "--restarts", "2", start=env)
    assert done.returncode == 0, done.stderr
    assert "the process was ended by signal 9.\nnetspec: restart 1 of 2." in done.stderr
    assert digest(folder, 12) == digest(alone[0], 12)


def test_sigterm_to_any_rank_writes_a_snapshot_and_ends_all(tmp_path):
    folder = make_files(tmp_path, LONG)
    with running(folder, "--ranks", "2") as here:
        process = here.ranks()[1]
        here.wait_for("snapshot at iteration 100")
        os.kill(process, signal.SIGTERM)
        assert here.wait() == 0
        last = int(here.output.split("done at iteration ")[1].split(":")[0])
        assert digest(folder, last)
        assert not here.left_over()


def test_an_interrupt_ends_after_a_snapshot_and_a_second_at_once(tmp_path):
    folder = make_files(tmp_path, "max_iter: 1000000")
    with running(folder, "--ranks", "2") as here:
        here.ranks()
        here.process.send_signal(signal.SIGINT)
        assert here.wait() == 0
        assert "a signal asked for it" in here.output
        assert not here.left_over()
    with running(folder, "--ranks", "2") as here:
        os.kill(here.ranks()[1], signal.SIGSTOP)  # so that no iteration ends
        here.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        start = time.monotonic()
        here.process.send_signal(signal.SIGINT)
        assert here.wait() == 130
        assert time.monotonic() - start < 15
        assert not here.left_over()


@pytest.mark.parametrize("who", ["netspec", "mpiexec"])
def test_no_rank_outlives_what_started_it(tmp_path, who):
    folder = make_files(tmp_path, LONG, WIDE)
    with running(folder, "--ranks", "2") as here:
        here.ranks()
        (mpi,) = children(here.process.pid)
        os.kill(here.process.pid if who == "netspec" else mpi, signal.SIGKILL)
        assert here.wait() != 0
        assert not here.left_over(20)


def children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(p) for p in text.split()]


def test_an_error_of_one_rank_ends_all_with_its_code(tmp_path):
    """A record that only the second rank reads is damaged."""
    net = NET.replace("shuffle: true", "shuffle: false")
    folder = make_files(tmp_path, "max_iter: 3", net)
    damage(folder / "db" / "data.mdb", record=13)
    done = run(folder, "--ranks", "2")
    assert done.returncode == 4
    assert "rank 1 (process" in done.stderr
    assert "record '00013' of database 'db'" in done.stderr
    assert "Traceback" not in done.stderr


def damage(path: Path, record: int) -> None:
    """Let a Datum's data end within it."""
    content = bytearray(path.read_bytes())
    at = content.index(f"{record:05d}".encode()) + 5
    assert content[at : at + 2] == b"\x08\x02"  # field 1: channels
    content[at + 1] = 77
    path.write_bytes(content)


def test_an_error_of_all_ranks_is_told_once(tmp_path):
    folder = make_files(tmp_path, SHORT + ' type: "SDG"')
    done = run(folder, "--ranks", "2")
    assert done.returncode == 3
    assert done.stderr.count("unknown solver type 'SDG'") == 1
