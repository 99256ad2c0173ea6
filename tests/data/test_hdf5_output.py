from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from netspec.data import hdf5_output
from netspec.data.hdf5_output import Hdf5Writer
from netspec.errors import DataError

h5py = pytest.importorskip("h5py")


def rows(start: int, count: int) -> np.ndarray:
    return np.arange(start * 6, (start + count) * 6, dtype=np.float32).reshape(-1, 2, 3)


def read(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path, "r") as file:
        return {name: dataset[()] for name, dataset in file.items()}


@pytest.mark.smoke
def test_rows_add_up_and_the_file_is_whole_after_each_batch(tmp_path):
    path = tmp_path / "out.h5"
    writer = Hdf5Writer(path)
    for start, count in ((0, 2), (2, 1), (3, 4)):
        writer.append(a=rows(start, count), b=np.full(count, start, np.float32))
        found = read(path)
        np.testing.assert_array_equal(found["a"], rows(0, start + count))
    writer.close()
    np.testing.assert_array_equal(found["b"], [0, 0, 2, 3, 3, 3, 3])
    assert found["a"].dtype == np.float32
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5"]


def test_a_large_file_is_brought_up_to_date_when_it_has_doubled(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_output, "SMALL", 0)
    path = tmp_path / "out.h5"
    writer = Hdf5Writer(path)
    seen = []
    for start in range(9):
        writer.append(a=rows(start, 1))
        seen.append(len(read(path)["a"]))
    assert seen == [1, 2, 2, 4, 4, 4, 4, 8, 8]
    del writer
    gc.collect()
    np.testing.assert_array_equal(read(path)["a"], rows(0, 9))
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5"]


def test_the_end_of_python_is_an_end_too(tmp_path):
    code = """
import sys, numpy as np
from netspec.data import hdf5_output
hdf5_output.SMALL = 0
writer = hdf5_output.Hdf5Writer(sys.argv[1])
for n in range(3):
    writer.append(a=np.full((1, 2), n, np.float32))
"""
    path = tmp_path / "out.h5"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert read(path)["a"].tolist() == [[0, 0], [1, 1], [2, 2]]


def test_an_earlier_file_stays_until_there_are_rows(tmp_path):
    path = tmp_path / "out.h5"
    first = Hdf5Writer(path)
    first.append(a=rows(0, 2))
    first.close()
    second = Hdf5Writer(path)
    assert len(read(path)["a"]) == 2
    second.append(a=rows(5, 1))
    np.testing.assert_array_equal(read(path)["a"], rows(5, 1))
    second.close()


def test_only_hdf5_files_are_replaced(tmp_path):
    path = tmp_path / ".profile"
    path.write_text("export PATH")
    with pytest.raises(DataError) as caught:
        Hdf5Writer(path)
    assert str(caught.value) == (
        f"{path}: this file is there already, and is no HDF5 file.\n"
        "  Name another file, or remove this one."
    )
    assert path.read_text() == "export PATH"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot be written"):
        Hdf5Writer(tmp_path / "none" / "out.h5")


def test_rows_of_another_shape_are_refused(tmp_path):
    writer = Hdf5Writer(tmp_path / "out.h5")
    writer.append(a=rows(0, 2))
    with pytest.raises(DataError) as caught:
        writer.append(a=np.zeros((2, 5), np.float32))
    assert "rows of (5,) cannot follow rows of (2, 3) in dataset 'a'." in str(
        caught.value
    )
    writer.close()
    np.testing.assert_array_equal(read(tmp_path / "out.h5")["a"], rows(0, 2))
