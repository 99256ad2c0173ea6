"""The real CuPy, which imports without a driver: what exists in it, and with which
signature.  Where it is not installed, everything is taken to exist."""

from __future__ import annotations

import inspect
import re
import warnings
from functools import cache
from types import ModuleType
from typing import Any

_DOC = re.compile(r"^(?:[\w.]+\.)?(\w+)\((.*?)\)(?:\s*->.*)?$", re.DOTALL)
_TYPED = re.compile(r"^(?:[\w.]+\s+)?(\*{0,2}\w+)(\s*=.*)?$")


def _load() -> ModuleType | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import cupy
            import cupy.cuda.nvtx
        except ImportError:
            return None
    return cupy


CUPY = _load()


def find(path: str) -> Any:
    """What ``cupy.PATH`` is.

    Raises:
        AttributeError: there is nothing of that name.
    """
    found: Any = CUPY
    for part in path.split("."):
        found = getattr(found, part)
    return found


def exists(path: str) -> bool:
    """Whether the real CuPy has ``cupy.PATH``."""
    if CUPY is None:
        return True
    try:
        find(path)
    except AttributeError:
        return False
    return True


@cache
def signature(path: str) -> inspect.Signature | None:
    """How ``cupy.PATH`` is called; None where it does not say."""
    if CUPY is None:
        return None
    found = find(path)
    try:
        return inspect.signature(found)
    except (ValueError, TypeError):
        return _of_doc(getattr(found, "__doc__", None) or "")


def _of_doc(doc: str) -> inspect.Signature | None:
    """The signature that a function of Cython has as the first line of its text."""
    head = _DOC.match(doc.split("\n\n")[0].split("\n")[0].replace("\\", "").strip())
    if not head:
        return None
    texts = []
    for part in filter(None, map(str.strip, head[2].split(","))):
        typed = _TYPED.match(part)
        texts.append(typed[1] + (typed[2] or "") if typed else part)
    try:
        made = eval(f"lambda {', '.join(texts)}: 0", {"float": float})
    except (SyntaxError, NameError):
        return None
    return inspect.signature(made)


def check_call(path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """See that the real ``cupy.PATH`` could be called so.

    Raises:
        TypeError: it could not.
    """
    found = signature(path)
    if found is None:
        return
    try:
        found.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"cupy.{path}: {error}") from None
