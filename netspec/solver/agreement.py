"""What ranks must have alike, looked at before they would wait for each other for ever,
or train on different data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from netspec.data.feeds import Feeds
from netspec.errors import UsageError
from netspec.net import Net
from netspec.proto import SolverParameter
from netspec.spec import filter_net
from netspec.sync import Synchronizer, share_bytes

# Names of files and devices, which may be others on each machine: what the nets say is
# compared, and rank 0 alone writes.
_OWN = frozenset(
    (
        *("net", "train_net", "test_net", "weights", "snapshot_prefix"),
        *("solver_mode", "device_id"),
    )
)


def agree_on_files(
    sync: Synchronizer, solver: SolverParameter, nets: Iterable[Net]
) -> None:
    """See that all ranks read the same solver and nets.

    Raises:
        UsageError: this rank reads others than rank 0 does.
    """
    own = _digest(solver, nets)
    if share_bytes(sync, own) != own:
        raise UsageError(
            "this rank reads another net or solver than rank 0 does.",
            "Give all ranks the same files.",
        )


def _digest(solver: SolverParameter, nets: Iterable[Net]) -> bytes:
    shared = SolverParameter()
    shared.CopyFrom(solver)
    for name in _OWN:
        shared.ClearField(name)
    found = hashlib.sha256(shared.SerializeToString(deterministic=True))
    for net in nets:
        message = filter_net(net.spec, *net.state).message
        found.update(message.SerializeToString(deterministic=True))
    return found.digest()


def agree_on_data(sync: Synchronizer, sources: Sequence[Feeds]) -> None:
    """See that all ranks read as many records; which come next follows from that.

    Raises:
        UsageError: this rank's are others than those of rank 0.
    """
    own = " and ".join(str(feeds.size) for feeds in sources)
    theirs = share_bytes(sync, own.encode()).decode()
    if theirs != own:
        raise UsageError(
            f"this rank's sources have {own} records; those of rank 0 have {theirs}.",
            "Give all ranks the same data.",
        )
