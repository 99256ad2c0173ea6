from __future__ import annotations

import numpy as np
import pytest

from netspec.errors import DataError
from netspec.proto import BlobProto, SolverState
from netspec.solver.state import fit_history, read_state, write_state
from netspec.spec.blobproto import StoredBlob

SHAPES = [(4, 2, 3), (5,), ()]


def state():
    draw = np.random.default_rng(1)
    header = SolverState(iter=12, learned_net="n_iter_12.caffemodel", current_step=3)
    header.plateau_record.add(iteration=5, metric=0.1)
    header.kept.extend([6, 12])
    return header, [draw.standard_normal(s).astype(np.float32) for s in SHAPES]


@pytest.fixture(params=["s.solverstate", "s.solverstate.h5"])
def path(request, tmp_path):
    if request.param.endswith(".h5"):
        pytest.importorskip("h5py")
    return tmp_path / request.param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_state_comes_back(path, dtype):
    header, histories = state()
    histories = [h.astype(dtype) for h in histories]
    write_state(path, header, histories)
    found = read_state(path)
    assert found.header == header
    assert found.is_ours
    for stored, history in zip(found.histories, histories, strict=True):
        assert stored.array.dtype == dtype
        np.testing.assert_array_equal(stored.array, history)


def test_protobuf_reads_what_is_written(tmp_path):
    """So does Caffe, whose schema is the same."""
    header, histories = state()
    write_state(tmp_path / "s.solverstate", header, histories)
    message = SolverState.FromString((tmp_path / "s.solverstate").read_bytes())
    assert (message.iter, message.current_step) == (12, 3)
    assert [tuple(h.shape.dim) for h in message.history] == SHAPES
    assert list(message.history[1].data) == histories[1].tolist()


def test_hdf5_has_caffes_datasets(tmp_path):
    h5py = pytest.importorskip("h5py")
    header, histories = state()
    write_state(tmp_path / "s.solverstate.h5", header, histories)
    with h5py.File(tmp_path / "s.solverstate.h5") as file:
        assert file["iter"][()].tolist() == [12]
        assert file["current_step"][()].tolist() == [3]
        assert file["learned_net"][()] == b"n_iter_12.caffemodel"
        assert sorted(file["history"]) == ["0", "1", "2"]


def test_an_altered_or_cut_state_is_refused(path):
    """Every byte of the arrays and of the header is covered by the checksum."""
    header, histories = state()
    write_state(path, header, histories)
    whole = path.read_bytes()
    at = whole.index(np.ravel(histories[0]).tobytes()) + 9
    for damaged in (
        whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
        whole[: len(whole) // 2],
        b"",
    ):
        path.write_bytes(damaged)
        with pytest.raises(DataError):
            read_state(path)


def test_every_cut_is_noticed(tmp_path):
    path = tmp_path / "s.solverstate"
    write_state(path, *state())
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_state(path)


def test_a_header_that_says_something_else_is_refused(tmp_path):
    path = tmp_path / "s.solverstate"
    write_state(path, *state())
    message = SolverState.FromString(path.read_bytes())
    message.iter = 13
    path.write_bytes(message.SerializeToString())
    with pytest.raises(DataError, match="does not match its own checksum"):
        read_state(path)


@pytest.mark.parametrize(
    "content", [b"base_lr: 0.1\n", b"\x89HDF\r\n\x1a\n", b"\x0a\x00"]
)
@pytest.mark.parametrize("name", ["s.solverstate", "s.solverstate.h5"])
def test_other_files_are_refused(tmp_path, name, content):
    pytest.importorskip("h5py")
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_state(path)


def legacy(num, channels, height, width):
    shape = (num, channels, height, width)
    return StoredBlob(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), True)


def test_old_shapes_fit_where_only_ones_were_added():
    assert fit_history(legacy(1, 1, 1, 6), (6,)).shape == (6,)
    assert fit_history(legacy(1, 1, 2, 3), (2, 3)).shape == (2, 3)
    assert fit_history(legacy(2, 3, 1, 1), (2, 3, 1, 1)).shape == (2, 3, 1, 1)


@pytest.mark.parametrize(
    ("stored", "shape"),
    [
        (legacy(1, 1, 3, 2), (2, 3)),
        (legacy(1, 1, 2, 3), (6,)),
        (legacy(1, 2, 1, 3), (2, 3)),
        (StoredBlob(np.zeros((1, 1, 1, 6), np.float32)), (6,)),
    ],
)
def test_other_shapes_do_not_fit(stored, shape):
    assert fit_history(stored, shape) is None


def test_legacy_files_of_caffe_are_read(tmp_path):
    blob = BlobProto(num=1, channels=1, height=1, width=3, data=[1, 2, 3])
    message = SolverState(iter=7, learned_net="x.caffemodel", history=[blob])
    path = tmp_path / "s.solverstate"
    path.write_bytes(message.SerializeToString())
    found = read_state(path)
    assert not found.is_ours
    assert fit_history(found.histories[0], (3,)).tolist() == [1, 2, 3]
