"""Fixtures of the tests that run kernels without a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cudasim import emulator
from tests.cudasim.standin import World, install


@pytest.fixture(scope="session")
def compiler() -> None:
    """Skips where kernels cannot be emulated."""
    if emulator.compiler() is None:
        pytest.skip("no g++: kernels cannot be emulated")


@pytest.fixture
def standin(compiler: None) -> Iterator[World]:
    """The stand-in in place of CuPy, and the backend on it."""
    with install() as world:
        yield world


@pytest.fixture
def checked(compiler: None) -> Iterator[World]:
    """The same; every access of every kernel is checked."""
    with install(mode="check") as world:
        yield world
