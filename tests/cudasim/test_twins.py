"""Every kernel was run as the PTX that NVRTC makes of it, by some test of its own.

Runs after all other tests of this folder; alone, it goes by what they did before.
"""

from __future__ import annotations

import os

import pytest

from tests.cudasim.offline import nvrtc
from tests.cudasim.offline.kernels import kernel_files, signatures, source
from tests.cudasim.standin.twin import evidence


@pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" in os.environ, reason="other processes may not have ended"
)
@pytest.mark.skipif(nvrtc.library_path() is None, reason="no NVRTC")
@pytest.mark.parametrize("file", kernel_files())
def test_every_kernel_agrees_with_its_ptx(file: str) -> None:
    missing = [k for k in signatures(file) if not evidence(source(file), k).exists()]
    assert not missing, "no test launched these: run 'pytest tests/cudasim'"
