"""CuPy's functions: NumPy's of the same name, where the real CuPy has one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.cudasim.standin import real, streams
from tests.cudasim.standin.arrays import call, call_ufunc, ndarray

# Whose results have a size that only the data tell: CuPy waits for the GPU.
_SIZED_BY_DATA = ("nonzero", "flatnonzero", "argwhere", "unique", "extract")
_VIEWING = ("reshape", "transpose", "ravel", "squeeze", "swapaxes")


def array(
    obj: Any,
    dtype: Any = None,
    copy: Any = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    *,
    blocking: bool = False,
) -> ndarray:
    """A new array on the GPU."""
    if isinstance(obj, ndarray):
        return call(np.array, (obj,), {"dtype": dtype, "ndmin": ndmin})
    if _holds_device(obj):
        stacked = call(np.stack, (list(obj),), {})
        return stacked if dtype is None else stacked.astype(dtype)
    host = np.array(obj, dtype, ndmin=ndmin)
    made = ndarray(host.shape, host.dtype)
    made.set(host)
    return made


def _holds_device(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and any(
        isinstance(part, ndarray) for part in value
    )


def asarray(
    a: Any,
    dtype: Any = None,
    order: Any = None,
    *,
    copy: Any = None,
    blocking: bool = False,
) -> ndarray:
    if isinstance(a, ndarray) and (dtype is None or a.dtype == dtype) and not copy:
        return a
    return array(a, dtype)


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    a = asarray(a, dtype)
    return a if a.flags.c_contiguous else call(np.ascontiguousarray, (a,), {})


def asnumpy(
    a: Any,
    stream: Any = None,
    order: str = "C",
    out: Any = None,
    *,
    blocking: bool = True,
) -> np.ndarray:
    if isinstance(a, ndarray):
        return a.get(stream, order, out, blocking)
    return np.asarray(a)


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return ndarray(shape, dtype, order=order)


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    made = ndarray(shape, dtype or np.asarray(fill_value).dtype, order=order)
    made.fill(fill_value)
    return made


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return full(shape, 0, np.dtype(dtype), order)


def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return full(shape, 1, np.dtype(dtype), order)


def empty_like(
    prototype: Any,
    dtype: Any = None,
    order: str = "K",
    subok: Any = None,
    shape: Any = None,
) -> ndarray:
    return ndarray(
        prototype.shape if shape is None else shape, dtype or prototype.dtype
    )


def zeros_like(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> ndarray:
    return zeros(a.shape, dtype or a.dtype)


def ones_like(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> ndarray:
    return ones(a.shape, dtype or a.dtype)


def full_like(a: Any, fill_value: Any, dtype: Any = None, **kwargs: Any) -> ndarray:
    return full(a.shape, fill_value, dtype or a.dtype)


def copyto(
    dst: ndarray, src: Any, casting: str = "same_kind", where: Any = None
) -> None:
    where = {} if where is None else {"where": where}
    from tests.cudasim.standin.arrays import change

    change(partial(np.copyto, casting=casting, **where), dst, (src,))


def get_array_module(*args: Any) -> Any:
    import cupy

    return cupy if any(isinstance(a, ndarray) for a in args) else np


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None:
        return function("nonzero")(condition)
    return call(np.where, (condition, x, y), {})


OWN: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        array,
        asarray,
        ascontiguousarray,
        asnumpy,
        empty,
        full,
        zeros,
        ones,
        empty_like,
        zeros_like,
        ones_like,
        full_like,
        copyto,
        get_array_module,
        where,
    )
}


def function(path: str) -> Callable[..., Any]:
    """The function ``cupy.PATH``.

    Raises:
        AttributeError: CuPy, or NumPy, has none of that name.
    """
    if path in OWN:
        return OWN[path]
    if not real.exists(path):
        raise AttributeError(f"module 'cupy' has no attribute {path!r}")
    found: Any = np
    for part in path.split("."):
        found = getattr(found, part)
    if isinstance(found, np.ufunc):
        return lambda *args, **kwargs: call_ufunc(path, args, kwargs)
    return partial(_call_checked, path, found)


def _call_checked(path: str, found: Any, *args: Any, **kwargs: Any) -> Any:
    real.check_call(path, args, kwargs)
    if path in _SIZED_BY_DATA:
        streams.wait_for_current(path)
    if path in _VIEWING and args and isinstance(args[0], ndarray):
        return args[0]._viewed(found, args[1:], kwargs)
    return call(found, args, kwargs)
