"""Ranks for a command: starting them, or being one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netspec.sync import Synchronizer


def add_ranks(parser: argparse.ArgumentParser) -> None:
    """How many ranks, and what to do when one is lost."""
    add = parser.add_argument
    add("--ranks", type=int, metavar="N",
        help="share each batch out over N processes of this machine; over several, "
        "start 'netspec train' by mpirun or srun")  # fmt: skip
    add("--timeout", type=float, metavar="SECONDS", default=300,
        help="end the run when a rank is not heard of so long; "
        "default: 300")  # fmt: skip
    add("--restarts", type=int, metavar="N", default=0,
        help="after a crash start again from the last snapshot, at most N "
        "times")  # fmt: skip


def supervises(args: argparse.Namespace) -> bool:
    """Whether this process only starts the ones that do the work.

    Raises:
        UsageError: numbers that make no sense, or ranks inside of ranks.
    """
    from netspec.errors import UsageError
    from netspec.sync.launchers import LAUNCHER, launched

    _count_gpus(args)
    for name in ("ranks", "restarts"):
        value = getattr(args, name)
        if value is not None and value < (name == "ranks"):
            raise UsageError(f"--{name} is {value}.", "Give a positive number.")
    if args.timeout <= 0:
        raise UsageError(f"--timeout is {args.timeout:g}.", "Give seconds above 0.")
    if LAUNCHER in os.environ:
        return False
    found = launched()
    wanted = (args.ranks or 1) > 1 or args.restarts > 0
    if found and found.size > 1 and wanted:
        raise UsageError(
            f"{found.by} has started {found.size} ranks, and --ranks or --restarts "
            "would start more in each.",
            "Leave them out, or start netspec without a launcher.",
        )
    return wanted


def _count_gpus(args: argparse.Namespace) -> None:
    """Several GPUs are as many ranks."""
    from netspec.cli.device_options import gpus_of
    from netspec.errors import UsageError
    from netspec.sync.launchers import LAUNCHER, launched

    found = launched()
    if LAUNCHER in os.environ or (found and found.size > 1):
        return  # each of these ranks looks for its own
    gpus = gpus_of(args)
    if gpus and args.ranks not in (None, len(gpus)):
        raise UsageError(
            f"{args.ranks} ranks are asked for on {len(gpus)} GPUs.",
            "Each GPU is one rank: leave --ranks out.",
        )
    if len(gpus) > 1:
        args.ranks = len(gpus)


def place_of(sync: Synchronizer) -> int:
    """This rank's number among those of its machine."""
    neighbours = getattr(sync, "neighbours", ())
    return sum(place.rank < sync.rank for place in neighbours)


def supervise(args: argparse.Namespace) -> int:
    """Start this command again as ranks, see to it that it ends; its exit code."""
    from netspec.sync.mpiexec import mpiexec
    from netspec.sync.supervise import Supervisor

    several = (args.ranks or 1) > 1
    start = mpiexec(args.ranks) if several else []
    own = [sys.executable, "-m", "netspec.cli.main", "train", *args.argv]
    return Supervisor([*start, *own], several, args.restarts).run()


@contextmanager
def one_of_ranks(args: argparse.Namespace) -> Iterator[Synchronizer]:
    """This process's end of the conversation; an error here ends all ranks."""
    from netspec.sync import Local
    from netspec.sync.launchers import check_launched, launched

    found = launched()
    if not found or found.size == 1:
        yield Local()
        return
    from netspec.sync.mpi import Mpi

    sync = Mpi(args.timeout)
    try:
        check_launched(found, sync.size)
        share_machine(len(sync.neighbours), sync.shares_cores)
        yield sync
        sync.close()
    except BaseException as error:
        sync.fail(error)


def share_machine(ranks: int, same_cores: bool) -> None:
    """Divide the cores among the ranks of this machine.

    Nothing is divided where the launcher has given each rank its own, nor, for what
    computes, where NETSPEC_THREADS says how many threads a rank has.
    """
    from netspec.backends.cpu import threads
    from netspec.data.threads import share_cores

    if not same_cores:
        return
    share_cores(ranks)
    if not os.environ.get("NETSPEC_THREADS"):
        threads.set_count(max(1, threads.count() // ranks))
