"""Everything that the backend asks of CuPy is there in the real one, called as it says.

The real CuPy imports without a driver; most of it is compiled, and tells its signatures
in the first lines of its documentation.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import netspec
from tests.cudasim.standin import arrays, device, install, memory, nccl, real, streams

pytestmark = [
    pytest.mark.cudasim,
    pytest.mark.skipif(real.CUPY is None, reason="CuPy is not installed"),
]

PACKAGE = Path(netspec.__file__).parent
FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if "cupy" in path.read_text(encoding="utf-8")
)
# Names that only exist with NCCL's library installed, which is too large for a test.
NCCL = "cuda.nccl"


def path_of(node: ast.expr) -> str | None:
    """``cuda.runtime.getDevice`` for ``cupy.cuda.runtime.getDevice``."""
    if isinstance(node, ast.Attribute):
        before = path_of(node.value)
        return None if before is None else f"{before}.{node.attr}".lstrip(".")
    is_cupy = isinstance(node, ast.Name) and node.id == "cupy"
    calls_for_it = isinstance(node, ast.Call) and path_of_name(node.func) == "_cupy"
    return "" if is_cupy or calls_for_it else None


def path_of_name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def uses(file: Path) -> Iterator[tuple[str, int, ast.Call | None]]:
    """Names of CuPy in a file, their lines, and how they are called."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = {id(n.func): n for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and path_of(node):
            yield str(path_of(node)), node.lineno, calls.get(id(node))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cupy"):
            inside = (node.module or "").split(".")[1:]
            for name in node.names:
                yield ".".join([*inside, name.name]), node.lineno, None


def is_nccl(path: str) -> bool:
    return path.startswith(NCCL)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_names_exist_and_take_what_they_are_given(file: Path) -> None:
    faults = []
    for path, line, call in uses(file):
        if is_nccl(path):
            continue
        if not real.exists(path):
            faults.append(f"line {line}: there is no cupy.{path}")
        elif call is not None and not has_stars(call):
            keywords = {k.arg: None for k in call.keywords if k.arg}
            try:
                real.check_call(path, tuple(call.args), keywords)
            except TypeError as error:
                faults.append(f"line {line}: {error}")
    assert not faults


def has_stars(call: ast.Call) -> bool:
    return any(isinstance(a, ast.Starred) for a in call.args) or any(
        k.arg is None for k in call.keywords
    )


def test_the_scan_finds_uses() -> None:
    found = {path for file in FILES for path, _, _ in uses(file)}
    assert {"RawModule", "empty", "cuda.get_current_stream"} <= found


def test_a_wrong_call_is_seen() -> None:
    assert not real.exists("cuda.cudnn")
    with pytest.raises(TypeError, match="shape"):
        real.check_call("empty", (), {})
    with pytest.raises(TypeError, match="kind"):
        real.check_call("cuda.runtime.memcpyAsync", (1, 2, 3, 4, 5), {"kind": 1})


# The stand-in's classes and the real ones.
PAIRS = {
    "ndarray": arrays.ndarray,
    "cuda.Stream": streams.Stream,
    "cuda.Event": streams.Event,
    "cuda.Device": device.Device,
    "cuda.MemoryPool": memory.MemoryPool,
    "cuda.PinnedMemoryPool": memory.PinnedMemoryPool,
    "cuda.MemoryPointer": memory.MemoryPointer,
}
# What the stand-in has for tests alone, or the real one keeps in instances.
OWN = {
    "cuda.Stream": {"ptr", "device_id", "null"},
    "cuda.Event": {"ptr"},
    "cuda.MemoryPointer": {"bytes"},
    "cuda.MemoryPool": {"peak"},
}


@pytest.mark.parametrize("path", PAIRS)
def test_the_stand_in_offers_no_more_than_cupy(path: str) -> None:
    public = {name for name in dir(PAIRS[path]) if not name.startswith("_")}
    extra = {n for n in public if not real.exists(f"{path}.{n}")}
    assert extra <= OWN.get(path, set())


@pytest.mark.parametrize("path", PAIRS)
def test_methods_take_the_same_arguments(path: str) -> None:
    for name, member in inspect.getmembers(PAIRS[path], inspect.isfunction):
        if name.startswith("_") or name in OWN.get(path, set()):
            continue
        theirs = real.signature(f"{path}.{name}")
        if theirs is not None:
            assert parameters(member) == parameters(theirs), f"{path}.{name}"


def parameters(function: Any) -> list[str]:
    if not isinstance(function, inspect.Signature):
        function = inspect.signature(function)
    return [name for name in function.parameters if name != "self"]


def test_functions_of_the_stand_in_exist() -> None:
    with install():
        import cupy

        for name in vars(cupy.cuda.runtime):
            is_own = name.startswith("_") or name in ("annotations", "ctypes", "Any")
            is_module = inspect.ismodule(getattr(cupy.cuda.runtime, name))
            if not is_own and not is_module and name != "world":
                assert real.exists(f"cuda.runtime.{name}"), name
        for name in vars(cupy):
            assert name.startswith("__") or real.exists(name), name


def test_nccl_names_are_those_of_cupys_source() -> None:
    """CuPy's module of NCCL loads only beside NCCL; its file holds the names."""
    folder = Path(str(inspect.getfile(real.CUPY))).parent.parent  # type: ignore[arg-type]
    found = list((folder / "cupy_backends" / "cuda" / "libs").glob("nccl.*.so"))
    assert found
    data = found[0].read_bytes()
    used = {p.rsplit(".", 1)[1] for f in FILES for p, _, _ in uses(f) if is_nccl(p)}
    used |= set(nccl.public()) - {"available"}
    used |= {n for n in vars(nccl.NcclCommunicator) if not n.startswith("_")}
    for name in used - {"nccl"}:
        assert re.search(rb"\b" + name.encode() + rb"\b", data), name
