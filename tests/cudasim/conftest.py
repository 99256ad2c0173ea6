"""Fixtures of the tests that run kernels without a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cudasim import emulator
from tests.cudasim.harness import Machine
from tests.cudasim.standin import World, install

TWINS = 2  # launches of each kernel that are also run as PTX


@pytest.fixture(scope="session")
def compiler() -> None:
    """Skips where kernels cannot be emulated."""
    if emulator.compiler() is None:
        pytest.skip("no g++: kernels cannot be emulated")


@pytest.fixture
def standin(compiler: None) -> Iterator[World]:
    """The stand-in in place of CuPy, and the backend on it."""
    with install(twins=TWINS) as world:
        yield world


@pytest.fixture
def checked(compiler: None) -> Iterator[World]:
    """The same; every access of every kernel is checked."""
    with install(mode="check") as world:
        yield world


@pytest.fixture(params=["emulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """Where the tests of operations run."""
    if request.param == "gpu":
        _need_gpu()
        yield Machine(None)
    else:
        request.getfixturevalue("compiler")
        with install(twins=TWINS) as world:
            yield Machine(world)


def _need_gpu() -> None:
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        pytest.skip(f"no GPU: {str(error).splitlines()[0]}")
