"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared_data_folder() -> Path:
    """The folder of real models and golden data, which is not part of the project."""
    default = ROOT.parent / "shared" / "data"
    return Path(os.environ.get("NETSPEC_TEST_DATA", default))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real models, images and Caffe's own outputs; skips where they are absent."""
    folder = shared_data_folder()
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set NETSPEC_TEST_DATA")
    return folder
