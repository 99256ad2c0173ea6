from __future__ import annotations

import os
from pathlib import Path

import pytest

from netspec.errors import DataError
from netspec.solver.files import (
    SnapshotFiles,
    check_writable,
    newest_first,
    prefix_of,
    state_file,
    twin,
    weights_file,
)
from netspec.spec import parse_solver


@pytest.mark.parametrize(
    ("given", "file", "prefix"),
    [
        ("out/net", "models/a_solver.prototxt", "out/net"),
        ("", "models/a_solver.prototxt", "models/a_solver"),
        ("", "a.prototxt", "a"),
        ("folder", "models/a_solver.prototxt", "folder/a_solver"),
        ("folder/", "a.prototxt", "folder/a"),
        ("no_folder/", "a.prototxt", "no_folder/"),
    ],
)
def test_prefix(given, file, prefix, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    text = f'snapshot_prefix: "{given}"' if given else 'net: "n"'
    assert prefix_of(parse_solver(text, file)) == prefix


@pytest.mark.parametrize(
    ("state", "weights"),
    [
        ("a/n_iter_5.solverstate", "a/n_iter_5.caffemodel"),
        ("n_iter_5.solverstate.h5", "n_iter_5.caffemodel.h5"),
        ("x.solverstate.caffemodel", "x.solverstate.solverstate"),
    ],
)
def test_twins(state, weights):
    assert str(twin(state)) == weights
    assert str(twin(weights)) == state


def test_state_is_found_from_either_file():
    assert str(state_file("n.solverstate")) == "n.solverstate"
    assert str(state_file("n.caffemodel.h5")) == "n.solverstate.h5"
    with pytest.raises(DataError, match=r"neither a .solverstate nor a .caffemodel"):
        state_file("n.prototxt")


def test_weights_beside_the_state_come_before_those_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("there", "moved"):
        Path(folder).mkdir()
    state, named = Path("moved/n_iter_5.solverstate"), "there/n_iter_5.caffemodel"
    assert weights_file(state, named) == Path("moved/n_iter_5.caffemodel")
    Path(named).touch()
    assert weights_file(state, named) == Path(named)
    Path("moved/n_iter_5.caffemodel").touch()
    assert weights_file(state, named) == Path("moved/n_iter_5.caffemodel")
    assert weights_file(state, "") == Path("moved/n_iter_5.caffemodel")


def test_newest_first_goes_by_number_and_prefix(tmp_path):
    names = ["n_iter_9", "n_iter_10", "n_iter_200", "nn_iter_999", "n_iter_x", "n_best"]
    for name in names:
        (tmp_path / f"{name}.solverstate").touch()
    (tmp_path / "n_iter_11.solverstate.h5").touch()
    (tmp_path / "n_iter_300.solverstate.tmp").touch()
    found = [p.name for p in newest_first(str(tmp_path / "n"))]
    assert found == [
        "n_iter_200.solverstate",
        "n_iter_11.solverstate.h5",
        "n_iter_10.solverstate",
        "n_iter_9.solverstate",
    ]
    assert list(newest_first(str(tmp_path / "nowhere" / "n"))) == []
    assert list(newest_first(str(tmp_path / "n_best.solverstate" / "n"))) == []


def test_removing_leaves_no_state_without_weights(tmp_path):
    files = SnapshotFiles.named(str(tmp_path / "n"), hdf5=True)
    assert files.state.name == "n.solverstate.h5"
    files.weights.touch()
    files.state.touch()
    files.remove()
    files.remove()
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_is_found_out_at_the_start(tmp_path):
    check_writable(str(tmp_path / "new" / "n"))
    assert os.listdir(tmp_path) == ["new"]
    assert os.listdir(tmp_path / "new") == []
    (tmp_path / "file").touch()
    with pytest.raises(DataError) as caught:
        check_writable(str(tmp_path / "file" / "n"))
    assert str(caught.value) == (
        f"{tmp_path}/file/n_iter_*: snapshots cannot be written: File exists.\n"
        "  Give a snapshot_prefix in a folder that you may write to."
    )
