"""Compiled kernels are kept, told of once, and never older than what they stand on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from netspec import kernel_cache

SOURCES = {
    "kernels.py": "from netspec.helpers import (\n    double,\n)\n",
    "helpers.py": "from netspec.sub import deep\n",
    "sub/__init__.py": "",
    "sub/deep.py": "P = 1\n",
    "other.py": "import os\n",
}
USE = """
import numpy as np
from numba import config
config.CACHE_DIR = "elsewhere"
from netspec import kernel_cache
kernel_cache.listeners.append(lambda: print("compiling"))
from netspec.backends.cpu.channels import channel_sums
assert config.CACHE_DIR == "elsewhere"
for dtype in (np.float32, np.float64):
    out = np.zeros(3, dtype)
    channel_sums(np.ones((2, 3, 5), dtype), out)
    print(out.tolist())
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", ["kernels.py", "helpers.py", "sub/deep.py"])
def test_a_change_below_a_kernel_changes_its_digest(package: Path, name: str) -> None:
    before = kernel_cache.digest("netspec.kernels", package)
    (package / name).write_text(SOURCES[name] + "# changed\n")
    kernel_cache._source.cache_clear()
    assert kernel_cache.digest("netspec.kernels", package) != before


def test_a_change_elsewhere_does_not(package: Path) -> None:
    before = kernel_cache.digest("netspec.kernels", package)
    (package / "other.py").write_text("import sys\n")
    kernel_cache._source.cache_clear()
    assert kernel_cache.digest("netspec.kernels", package) == before


def test_kernels_of_old_sources_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETSPEC_CACHE", str(tmp_path))
    own = tmp_path / "kernels" / "netspec.shapes"
    for name, days in (("old", 31), ("recent", 29)):
        (own / name / "inside").mkdir(parents=True)
        then = os.stat(own).st_mtime - days * 24 * 3600
        os.utime(own / name, (then, then))
    kernel_cache.folder_for.cache_clear()
    made = kernel_cache.folder_for("netspec.shapes")
    kernel_cache.folder_for.cache_clear()
    assert {p.name for p in own.iterdir()} == {made.name, "recent"}


def _use(folder: Path) -> list[str]:
    environment = os.environ | {"NETSPEC_CACHE": str(folder)}
    command = [sys.executable, "-c", USE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert not done.stderr
    return done.stdout.splitlines()


def test_kernels_are_compiled_once(tmp_path: Path) -> None:
    results = [str([10.0] * 3)] * 2
    assert _use(tmp_path) == ["compiling", *results]
    assert _use(tmp_path) == results
    for kept in tmp_path.rglob("*.nbc"):
        kept.write_bytes(kept.read_bytes()[:999])
    assert _use(tmp_path) == ["compiling", *results]


def test_a_folder_that_cannot_be_made_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert _use(tmp_path / "file")[0] == "compiling"


def test_all_kernels_are_kept_by_this_cache() -> None:
    direct = re.compile(r"^from numba import .*\bn?jit\b|^import numba$", re.M)
    package = Path(kernel_cache.PACKAGE)
    found = [p.name for p in package.rglob("*.py") if direct.search(p.read_text())]
    assert found == ["compiled.py"]
