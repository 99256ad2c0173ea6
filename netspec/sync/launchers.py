"""What launchers of ranks, netspec among them, tell each process in its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from netspec.errors import UsageError

LAUNCHER = "NETSPEC_LAUNCHER"  # the netspec process that started the ranks
RANKS = "NETSPEC_RANKS"  # folder with a file for each rank that holds its process
ENDED = "ended"  # file there that holds the code with which a rank has ended them all
RESTARTED = "NETSPEC_RESTARTED"  # set where a run is started anew
# By this Open MPI's launcher knows an allocation, all machines of which it would use;
# SLURM_JOB_ID says the same to everybody else.
ALLOCATION = "SLURM_JOBID"
ROOT_ALLOWED = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

# Variables that hold rank and size, most telling first; MPI's own before Slurm's.
_VARIABLES = {
    "Open MPI": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    "mpiexec": ("PMI_RANK", "PMI_SIZE"),
    "srun": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
}


@dataclass(frozen=True)
class Launched:
    """A process that a launcher started.

    Attributes:
        by: the launcher.
    """

    by: str
    rank: int
    size: int


def launched(environment: Mapping[str, str] | None = None) -> Launched | None:
    """How this process was started; None: alone."""
    env = os.environ if environment is None else environment
    for by, (rank, size) in _VARIABLES.items():
        if env.get(rank, "").isdecimal() and env.get(size, "").isdecimal():
            return Launched(by, int(env[rank]), int(env[size]))
    return None


def announce(rank: int) -> None:
    """Tell the process that started this rank who it is, if one did."""
    folder = os.environ.get(RANKS)
    if folder:
        with suppress(OSError):  # started through another machine's launcher
            Path(folder, str(rank)).write_text(str(os.getpid()))


def announce_end(code: int) -> None:
    """Tell the process that started this rank that it ends all with an exit code.

    The first to do so is heard: others may fail because of it.
    """
    folder = os.environ.get(RANKS)
    if folder:
        with suppress(OSError), Path(folder, ENDED).open("x") as file:
            file.write(str(code))


def check_launched(found: Launched, size: int) -> None:
    """Refuse to train as many runs what was meant as the ranks of one.

    Args:
        size: ranks that MPI knows.

    Raises:
        UsageError: MPI knows others than the launcher started.
    """
    if found.size != size:
        raise UsageError(
            f"{found.by} started {found.size} processes, and MPI finds {size}.",
            "Use the launcher of the MPI that mpi4py was built for; with Slurm, "
            "srun --mpi=pmi2 for MPICH and --mpi=pmix for Open MPI.",
        )
