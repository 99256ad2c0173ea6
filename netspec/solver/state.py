"""Caffe's solverstate, binary and HDF5, with netspec's own fields in both.

In HDF5 the message without its histories is kept whole in the dataset ``netspec``,
beside the datasets that Caffe reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from netspec.errors import DataError, Place
from netspec.files import replacing
from netspec.proto import SolverState
from netspec.shapes import Shape, count, describe
from netspec.spec.blobproto import StoredBlob, blob_pieces, read_blob, write_pieces
from netspec.spec.wire import LENGTH, Message

_HISTORY = SolverState.HISTORY_FIELD_NUMBER
_DAMAGED = "Take another snapshot; this one is damaged or was cut short."


@dataclass(frozen=True)
class StoredState:
    """What a solverstate holds.

    Attributes:
        header: every field but the histories.
        histories: in Caffe's order: one for each learnable parameter, in order of the
            net, and that as often as the solver type keeps histories.
    """

    header: SolverState
    histories: tuple[StoredBlob, ...]
    file: str

    @property
    def is_ours(self) -> bool:
        """Whether netspec wrote it, so that its checksums are there."""
        return self.header.HasField("state_sha256")


def is_hdf5(path: str | Path) -> bool:
    """Whether a snapshot's file has the HDF5 format, by its name."""
    return str(path).endswith(".h5")


def write_state(
    path: str | Path, header: SolverState, histories: Sequence[np.ndarray]
) -> None:
    """Write a solverstate; *header* gets its checksum.

    Raises:
        DataError: it cannot be written.
        UsageError: HDF5 is asked for and h5py is not installed.
    """
    header.state_sha256 = digest(header, histories)
    if is_hdf5(path):
        from netspec.solver.state_hdf5 import write_state_hdf5

        write_state_hdf5(path, header, histories)
        return
    # The checksum comes first, so that a file that was cut short still has it.
    checksum = SolverState(state_sha256=header.state_sha256)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(checksum.SerializeToString())
        file.write(header.SerializeToString(deterministic=True))
        for history in histories:
            write_pieces(file, blob_pieces(_HISTORY, history))


def read_state(path: str | Path) -> StoredState:
    """Read a solverstate and check what can be checked; values are views of the file.

    Raises:
        DataError: missing, damaged, altered since netspec wrote it, or no solverstate.
    """
    if is_hdf5(path):
        from netspec.solver.state_hdf5 import read_state_hdf5

        state = read_state_hdf5(path)
    else:
        state = _read_binary(Message.map(path, "SolverState"))
    _check_digest(state)
    return state


def _read_binary(message: Message) -> StoredState:
    rest: list[bytes | memoryview] = []
    histories = []
    for field in message.fields():
        if field.number == _HISTORY and field.wire == LENGTH:
            histories.append(read_blob(message.inside(field, "BlobProto")))
        else:
            rest.append(message.buffer[field.tag : field.stop])
    header = parse_header(b"".join(rest), message.file)
    return StoredState(header, tuple(histories), message.file)


def parse_header(data: bytes, file: str) -> SolverState:
    """The message without its histories.

    Raises:
        DataError: it is none, or says nothing of an iteration.
    """
    header = SolverState()
    try:
        header.ParseFromString(data)
        found = header.HasField("iter") and header.iter >= 0
    except (DecodeError, UnicodeDecodeError):
        found = False
    if not found:
        raise DataError("this is no solverstate.", _DAMAGED, place=Place(file))
    return header


def digest(header: SolverState, histories: Sequence[np.ndarray]) -> bytes:
    """SHA-256 of all that a state says, whatever the format it is stored in."""
    bare = SolverState()
    bare.CopyFrom(header)
    bare.ClearField("state_sha256")
    bare.ClearField("history")
    total = hashlib.sha256(bare.SerializeToString(deterministic=True))
    for history in histories:
        total.update(f"{history.dtype.str}{describe(history.shape)}".encode())
        total.update(np.ascontiguousarray(history).reshape(-1).view(np.uint8).data)
    return total.digest()


def _check_digest(state: StoredState) -> None:
    if not state.is_ours:
        return
    arrays = [blob.array for blob in state.histories]
    if digest(state.header, arrays) != state.header.state_sha256:
        raise DataError(
            "the state does not match its own checksum.",
            _DAMAGED,
            place=Place(state.file),
        )


def fit_history(stored: StoredBlob, shape: Shape) -> np.ndarray | None:
    """A stored history in a parameter's shape, or None where it does not fit.

    Old files give four axes, filled up with ones from the left.
    """
    found = stored.array.shape
    if found == shape:
        return stored.array
    stripped = found
    while stripped and len(stripped) > len(shape) and stripped[0] == 1:
        stripped = stripped[1:]
    legacy = stored.legacy and stripped == shape and count(found) == count(shape)
    return stored.array.reshape(shape) if legacy else None
