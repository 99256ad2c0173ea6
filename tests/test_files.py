"""Nothing that goes wrong while writing may cost what was there before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netspec.errors import DataError
from netspec.files import find, replacing


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"old")
    return path


def only(path) -> bool:
    return [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_new_file_takes_the_place(old) -> None:
    with replacing(old) as temporary:
        assert temporary.parent == old.parent
        temporary.write_bytes(b"new")
        assert old.read_bytes() == b"old"
    assert old.read_bytes() == b"new"
    assert only(old)


def test_an_error_leaves_the_old_file(old) -> None:
    def fail() -> None:
        with replacing(old) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert old.read_bytes() == b"old"
    assert only(old)


def test_an_os_error_is_told_in_words(old) -> None:
    def fail() -> None:
        with replacing(old):
            raise OSError(28, "No space left on device")

    with pytest.raises(DataError) as error:
        fail()
    assert str(error.value) == (
        f"{old}: cannot be written: No space left on device.\n"
        "  Check the space on the disk and the rights to the folder."
    )
    assert only(old)


def test_missing_folder(tmp_path) -> None:
    path = tmp_path / "none" / "a.bin"
    with pytest.raises(DataError, match="there is no folder"), replacing(path):
        pass


def test_what_is_no_file_is_not_replaced(tmp_path) -> None:
    with pytest.raises(DataError, match="not a regular file"), replacing(tmp_path):
        pass
    if os.path.exists("/dev/null"):
        with pytest.raises(DataError, match="regular file"), replacing("/dev/null"):
            pass


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
def test_a_link_keeps_pointing(old) -> None:
    link = old.with_name("latest")
    link.symlink_to(old)
    with replacing(link) as temporary:
        temporary.write_bytes(b"new")
    assert link.is_symlink()
    assert old.read_bytes() == b"new"


FULL_DISK = """
import resource, sys
import numpy as np
from netspec.errors import DataError
from netspec.proto import NetParameter
from netspec.weights import write_caffemodel, write_hdf5

net = NetParameter()
net.layer.add(name="ip")
blobs = {"ip": [np.ones((400, 500), np.float32)]}
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for write, holds in ((write_caffemodel, (net, blobs)), (write_hdf5, (blobs,))):
    try:
        write(sys.argv[1], *holds)
    except DataError as error:
        print(error.problem[:17])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file size")
def test_a_full_disk_loses_nothing(old) -> None:
    pytest.importorskip("h5py")
    command = [sys.executable, "-c", FULL_DISK, str(old)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "cannot be written\n" * 2
    assert old.read_bytes() == b"old"
    assert only(old)


def test_a_name_is_found_here_then_beside_then_among_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "nets" / "solver.prototxt"
    beside.parent.mkdir()
    (beside.parent / "net.prototxt").touch()
    monkeypatch.chdir(tmp_path)
    assert find("net.prototxt", beside=beside) == beside.parent / "net.prototxt"
    (tmp_path / "net.prototxt").touch()
    assert find("net.prototxt", beside=beside) == Path("net.prototxt")
    assert find("models/vgg16_solver.prototxt").exists()
    assert find("nowhere.prototxt", beside=beside) == Path("nowhere.prototxt")
