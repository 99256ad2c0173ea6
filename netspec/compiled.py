"""``njit`` for the package's kernels: Numba's, kept where :mod:`kernel_cache` says."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable
from typing import Any

import numba
from numba import config
from numba.core import event as events
from numba.core.caching import FunctionCache

from netspec import kernel_cache

Kernel = Any  # a function, or what Numba makes of it


def njit(cache: bool = False, **options: Any) -> Callable[[Kernel], Kernel]:
    """Decorator: ``numba.njit``, whose *cache* knows all sources of a kernel.

    Where no folder can be written to, the kernels of each process are its own.
    """

    def decorate(function: Kernel) -> Kernel:
        kernel = numba.njit(**options)(function)
        folder = kernel_cache.folder_for(function.__module__) if cache else None
        if folder and not config.DISABLE_JIT:
            kernel._cache = _cache_in(str(folder), function)
        return kernel

    return decorate


class _Cache(FunctionCache):
    """Numba's, but what is wrong with the files costs time only."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except (OSError, EOFError, pickle.UnpicklingError):
            self.disable()  # a damaged file, which a crash may have left
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:
            self.disable()  # the disk is full: what is compiled serves all the same


def _cache_in(folder: str, function: Kernel) -> _Cache:
    """Numba asks its settings for the folder while a cache is made, and only then."""
    before = config.CACHE_DIR
    config.CACHE_DIR = folder
    try:
        return _Cache(function)
    finally:
        config.CACHE_DIR = before


class _Watch(events.Listener):
    """Tells that a kernel of this package is compiled: none was kept.

    The collector of garbage rests meanwhile: to compile makes millions of objects that
    all last, and to look through them takes a tenth of the time.
    """

    def __init__(self) -> None:
        self.depth = 0  # kernels that are compiled in the course of another's
        self.collects = False

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith("netspec."):
            kernel_cache.tell()
        self.depth += 1
        if self.depth == 1:
            self.collects = gc.isenabled()
            gc.disable()

    def on_end(self, event: Any) -> None:
        self.depth -= 1
        if self.depth == 0 and self.collects:
            gc.enable()


events.register("numba:compile", _Watch())
