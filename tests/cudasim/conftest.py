"""Fixtures of the tests that run kernels without a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cudasim import emulator
from tests.cudasim.harness import Machine
from tests.cudasim.standin import World, install

HERE = Path(__file__).parent
TWINS = 2  # launches of each kernel that are also run as PTX


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out unless it is asked for: it takes minutes of compilers."""
    asked = [*map(str, config.args), config.option.markexpr]
    is_asked_for = any(HERE.name in text for text in asked)
    return None if is_asked_for else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here have the mark, and what asks what the others did comes last."""
    own = [item for item in items if HERE in item.path.parents]
    for item in own:
        item.add_marker(pytest.mark.cudasim)
    items.sort(key=lambda item: item.path.name == "test_twins.py")


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


@pytest.fixture(
    scope="module",
    params=["emulated", pytest.param("gpu", marks=pytest.mark.gpu)],
)
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
