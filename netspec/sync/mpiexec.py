"""Starting ranks on this machine: the launcher of the MPI that mpi4py uses."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from netspec.errors import UsageError
from netspec.sync.launchers import ROOT_ALLOWED
from netspec.sync.mpi import load_mpi

# What each MPI's launcher says of its version, and how it is told to stay on this
# machine, not to bind ranks to cores and not to mind more ranks than cores.
_KINDS = {
    "Open MPI": (
        re.compile("Open MPI|OpenRTE|PRRTE"),
        ("--oversubscribe", "--bind-to", "none"),
    ),
    "Intel MPI": (re.compile("Intel"), ()),
    "MPICH": (re.compile("HYDRA"), ("-launcher", "fork", "-hosts", "localhost")),
}
_DEFAULT = "MPICH"  # its relatives launch alike


def mpiexec(ranks: int) -> list[str]:
    """The beginning of a command that starts *ranks* processes.

    Raises:
        UsageError: there is no MPI, or none of its launchers.
    """
    vendor = load_mpi().get_vendor()[0]
    kind = vendor if vendor in _KINDS else _DEFAULT
    version, options = _KINDS[kind]
    for path in _candidates():
        if version.search(_version(path)):
            return [path, *options, "-n", str(ranks)]
    raise UsageError(
        f"mpi4py uses {vendor}, and there is no mpiexec of it.",
        "Put it on the PATH, or install both: pip install 'netspec[mpi]'.",
    )


def _candidates() -> Iterator[str]:
    """Launchers on the path, and beside Python, where pip puts them."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for folder in (
        *path,
        str(Path(sys.executable).parent),
        str(Path(sys.prefix, "bin")),
    ):
        for name in ("mpiexec", "mpirun", "mpiexec.hydra"):
            found = shutil.which(name, path=folder)
            if found:
                yield found


def _version(path: str) -> str:
    environment = {**os.environ, **ROOT_ALLOWED}
    try:
        done = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=30,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
