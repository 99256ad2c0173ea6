"""Ranks under Slurm: as it says of itself, and where it is there, as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from netspec.sync.mpi import load_mpi

from .running import digest, make_files, run

pytest.importorskip("mpi4py", reason="needs the extra mpi")
pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="Slurm is for Linux"
)

SHORT = "max_iter: 4 snapshot: 2"
# By the library: what its PMI is called by srun.
PMI = {"MPICH": "pmi2", "Open MPI": "pmix"}


@pytest.mark.parametrize("rank", ["0", "1"])
def test_processes_that_do_not_find_each_other_do_not_train(tmp_path, rank):
    """srun --mpi=none: each would believe to be the only one."""
    if load_mpi().get_vendor()[0] != "MPICH":
        pytest.skip("another MPI ends processes that srun seems to have started")
    folder = make_files(tmp_path, SHORT)
    task = {"SLURM_PROCID": rank, "SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_ID": "77"}
    done = run(folder, more=task)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "netspec: srun started 2 processes, and MPI finds 1.\n"
        "  Use the launcher of the MPI that mpi4py was built for; with Slurm, srun "
        "--mpi=pmi2 for MPICH and --mpi=pmix for Open MPI.\n"
    )
    assert not (folder / "snap").exists()


def test_a_single_task_trains(tmp_path):
    folder = make_files(tmp_path, SHORT)
    task = {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}
    assert run(folder, more=task).returncode == 0


def test_ranks_stay_on_one_machine_of_an_allocation(tmp_path):
    """A batch script calls netspec train --ranks; nobody is asked for other nodes."""
    folder = make_files(tmp_path, SHORT)
    batch = {
        "SLURM_PROCID": "0",
        "SLURM_NTASKS": "4",
        "SLURM_NNODES": "2",
        "SLURM_TASKS_PER_NODE": "2(x2)",
        "SLURM_CONF": str(tmp_path / "none"),
    }
    batch |= dict.fromkeys(("SLURM_JOBID", "SLURM_JOB_ID"), "77")
    nodes = "no-such-machine-[1-2]"
    batch |= dict.fromkeys(("SLURM_NODELIST", "SLURM_JOB_NODELIST"), nodes)
    done = run(folder, "--ranks", "2", more=batch)
    assert done.returncode == 0, done.stderr
    assert "2 ranks through" in done.stdout


@pytest.fixture
def srun() -> list[str]:
    """The beginning of a command that starts two ranks."""
    if not shutil.which("srun"):
        pytest.skip("Slurm is not installed")
    mpi = PMI.get(load_mpi().get_vendor()[0])
    if not mpi:
        pytest.skip("it is not known what Slurm calls the PMI of this MPI")
    start = ["srun", "--immediate=10", "-n", "2", f"--mpi={mpi}"]
    tried = subprocess.run(
        [*start, "true"], capture_output=True, text=True, timeout=60, check=False
    )
    if tried.returncode:
        pytest.skip(f"Slurm does not run here: {tried.stderr.strip()[-300:]}")
    return start


def test_srun_computes_the_bits_of_one_rank(tmp_path, srun):
    alone = make_files(tmp_path / "alone", SHORT)
    assert run(alone).returncode == 0
    folder = make_files(tmp_path / "two", SHORT)
    done = run(folder, start=srun)
    assert done.returncode == 0, done.stderr
    assert "2 ranks through" in done.stdout
    assert digest(folder, 4) == digest(alone, 4)
