"""Caffe's HDF5 solverstate: datasets iter, learned_net, current_step, history/0 ..."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.errors import DataError, Place
from netspec.proto import SolverState
from netspec.solver.state import StoredState, parse_header
from netspec.spec.blobproto import StoredBlob
from netspec.spec.wire import Message
from netspec.weights.hdf5_file import create_hdf5, dataset_array, open_hdf5

_OWN = "netspec"
_LARGEST_HEADER = 1 << 26  # bytes


def write_state_hdf5(
    path: str | Path, header: SolverState, histories: Sequence[np.ndarray]
) -> None:
    """See :func:`netspec.solver.state.write_state`."""
    with create_hdf5(path) as file:
        _write(file, header, histories)


def _write(file: Any, header: SolverState, histories: Sequence[np.ndarray]) -> None:
    for name, value in (("iter", header.iter), ("current_step", header.current_step)):
        file.create_dataset(name, data=np.array([value], "<i4"))
    file.create_dataset("learned_net", data=np.bytes_(header.learned_net.encode()))
    group = file.create_group("history")
    for i, history in enumerate(histories):
        group.create_dataset(str(i), data=history)
    own = header.SerializeToString(deterministic=True)
    file.create_dataset(_OWN, data=np.frombuffer(own, np.uint8))


def read_state_hdf5(path: str | Path) -> StoredState:
    """See :func:`netspec.solver.state.read_state`."""
    mapped = Message.map(path, "HDF5")
    with open_hdf5(path) as file:
        if "iter" not in file or "history" not in file:
            raise DataError(
                "the HDF5 file has no iter and history.",
                "Give a .solverstate.h5 as Caffe or netspec writes it.",
                place=Place(str(path)),
            )
        header = _header(file, str(path))
        group = file["history"]
        names = [str(i) for i in range(len(group))]
        values = (np.asarray(dataset_array(group[name], mapped)) for name in names)
        return StoredState(header, tuple(map(StoredBlob, values)), str(path))


def _header(file: Any, path: str) -> SolverState:
    """Ours where it is there, else what Caffe's datasets say."""
    if _OWN in file:
        own = file[_OWN]
        fits = own.dtype == np.uint8 and own.ndim == 1 and own.size <= _LARGEST_HEADER
        return parse_header(own[()].tobytes() if fits else b"", path)
    header = SolverState(iter=_number(file, "iter"))
    if "current_step" in file:
        header.current_step = _number(file, "current_step")
    net = file["learned_net"][()] if "learned_net" in file else b""
    if isinstance(net, bytes) and net:
        header.learned_net = net.decode(errors="replace")
    return parse_header(header.SerializeToString(), path)


def _number(file: Any, name: str) -> int:
    values = file[name][()]
    return int(np.asarray(values).reshape(-1)[0])
