from __future__ import annotations

import pytest

from netspec.errors import UsageError
from netspec.sync.launchers import Launched, check_launched, launched


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"PMI_RANK": "1", "PMI_SIZE": "4"}, Launched("mpiexec", 1, 4)),
        ({"PMI_RANK": "1"}, None),
        ({"PMI_RANK": "x", "PMI_SIZE": "4"}, None),
        (
            {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3", "PMI_RANK": "0"},
            Launched("Open MPI", 2, 3),
        ),
        (
            {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "8"},
            Launched("srun", 5, 8),
        ),
        # A batch script that is not itself started by srun.
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, None),
    ],
)
def test_what_launchers_say(environment, found):
    assert launched(environment) == found


def test_an_mpi_that_does_not_know_its_launcher():
    check_launched(Launched("srun", 0, 4), 4)
    with pytest.raises(UsageError) as caught:
        check_launched(Launched("srun", 0, 4), 1)
    assert str(caught.value) == (
        "srun started 4 processes, and MPI finds 1.\n"
        "  Use the launcher of the MPI that mpi4py was built for; with Slurm, srun "
        "--mpi=pmi2 for MPICH and --mpi=pmix for Open MPI."
    )
