"""``cupy.ndarray``: NumPy computes, with CuPy's refusals.

Views share memory at once; everything else is work on the current stream.  What a
piece of work results in is known by shape and type before it runs: it is tried out on
whatever the memory holds at that time.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.cudasim.standin import memory, real, streams
from tests.cudasim.standin.world import world

_IMPLICIT = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to "
    "construct a NumPy array explicitly."
)


class ndarray:
    """An array on a GPU."""

    __array_priority__ = 100

    def __init__(
        self,
        shape: Any,
        dtype: Any = float,
        memptr: Any = None,
        strides: Any = None,
        order: str = "C",
    ) -> None:
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        dtype = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self._pointer = memory.alloc(size) if memptr is None else memptr
        flat = self._pointer.bytes[:size].view(dtype)
        if strides is None:
            self._array = flat.reshape(shape, order=order)
        else:
            self._array = np.lib.stride_tricks.as_strided(flat, shape, strides)
        self._base: Any = None

    @classmethod
    def _view(cls, array: np.ndarray, base: ndarray) -> ndarray:
        """Another look at the memory of an array."""
        made = cls.__new__(cls)
        made._array, made._base = array, base
        offset = array.__array_interface__["data"][0] - base._pointer.ptr
        made._pointer = base._pointer + offset if array.size else base._pointer
        return made

    # -- facts

    @property
    def data(self) -> Any:
        return self._pointer

    @property
    def device(self) -> Any:
        return self._pointer.device

    @property
    def base(self) -> Any:
        return self._base

    shape = property(lambda self: self._array.shape)
    strides = property(lambda self: self._array.strides)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    nbytes = property(lambda self: self._array.nbytes)
    itemsize = property(lambda self: self._array.itemsize)
    flags = property(lambda self: self._array.flags)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        facts = self._array.__array_interface__
        return {"version": 3, **{k: facts[k] for k in ("shape", "typestr", "data")}}

    def __len__(self) -> int:
        return len(self._array)

    def __repr__(self) -> str:
        return repr(self.get())

    __hash__ = None  # type: ignore[assignment]

    # -- to the host

    def get(
        self,
        stream: Any = None,
        order: str = "C",
        out: Any = None,
        blocking: bool = True,
    ) -> np.ndarray:
        """A copy on the host."""
        pointer = (stream or streams.get_current_stream()).ptr
        host = np.empty(self.shape, self.dtype, order) if out is None else out
        if out is not None and (out.shape, out.dtype) != (self.shape, self.dtype):
            raise ValueError("out must have the array's shape and dtype")
        streams.submit(lambda: np.copyto(host, self._array), pointer)
        address = host.__array_interface__["data"][0]
        if blocking or not memory.is_pinned(address, host.nbytes):
            streams.wait_for_pointer("ndarray.get", pointer)
        return host

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        """Copy from the host."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}")
        if not self.flags.c_contiguous and not self.flags.f_contiguous:
            raise RuntimeError("Cannot set to non-contiguous array")
        is_pinned = memory.is_pinned(arr.__array_interface__["data"][0], arr.nbytes)
        taken = arr if is_pinned else arr.copy()
        pointer = (stream or streams.get_current_stream()).ptr
        streams.submit(lambda: np.copyto(self._array, taken), pointer)

    def _host(self, reason: str) -> np.ndarray:
        streams.wait_for_current(f"ndarray.{reason}")
        return self._array

    def item(self) -> Any:
        return self._host("item").item()

    def tolist(self) -> Any:
        return self._host("tolist").tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return self._host("tobytes").tobytes(order)

    def __bool__(self) -> bool:
        return bool(self._host("__bool__"))

    def __int__(self) -> int:
        return int(self._host("__int__"))

    def __float__(self) -> float:
        return float(self._host("__float__"))

    def __complex__(self) -> complex:
        return complex(self._host("__complex__"))

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(_IMPLICIT)

    # -- NumPy's functions, which CuPy answers with its own

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any
    ) -> Any:
        name = ufunc.__name__
        if "out" in kwargs:
            if len(kwargs["out"]) != 1:
                raise ValueError(
                    "The 'out' parameter must have exactly one array value"
                )
            kwargs["out"] = kwargs["out"][0]
        if not real.exists(name):
            return NotImplemented
        if method == "__call__":
            return call_ufunc(name, inputs, kwargs)
        if method in ("outer", "at", "reduce", "accumulate", "reduceat"):
            return call(getattr(ufunc, method), inputs, kwargs)
        return NotImplemented

    def __array_function__(
        self, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        path = [*func.__module__.split(".")[1:], func.__name__]
        if not real.exists(".".join(path)):
            return NotImplemented
        from tests.cudasim.standin.functions import function

        return function(".".join(path))(*args, **kwargs)

    # -- indices and views

    def __getitem__(self, index: Any) -> Any:
        if _is_mask(index):
            self._host("__getitem__ by a mask")
        return self._viewed(operator.getitem, (index,), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        change(operator.setitem, self, (index, value))

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def _viewed(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A view where NumPy makes one, else a copy."""
        if not _holds_arrays(args):
            found = function(self._array, *args, **kwargs)
            if isinstance(found, np.ndarray) and np.may_share_memory(
                found, self._array
            ):
                return ndarray._view(found, self)
        return call(function, (self, *args), kwargs)

    def reshape(self, *shape: Any, order: str = "C", copy: Any = None) -> ndarray:
        return self._viewed(np.ndarray.reshape, shape, {"order": order})

    def view(self, dtype: Any = None, type: Any = None) -> ndarray:
        return self._viewed(np.ndarray.view, () if dtype is None else (dtype,), {})

    @property
    def T(self) -> ndarray:
        return self.transpose()

    def astype(
        self,
        dtype: Any,
        order: str = "K",
        casting: Any = None,
        subok: Any = None,
        copy: bool = True,
    ) -> ndarray:
        if not copy and self.dtype == dtype:
            return self
        return call(np.ndarray.astype, (self, dtype), {"order": order})

    def fill(self, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        change(np.ndarray.fill, self, (value,))

    def __getattr__(self, name: str) -> Any:
        """Other methods, where the real CuPy has them, with its arguments."""
        if name.startswith("_") or not real.exists(f"ndarray.{name}"):
            raise AttributeError(f"cupy.ndarray has no attribute {name!r}")
        method = getattr(np.ndarray, name)
        if name in _VIEWING:
            return lambda *args, **kwargs: self._viewed(method, args, kwargs)

        def run(*args: Any, **kwargs: Any) -> Any:
            real.check_call(f"ndarray.{name}", (self, *args), kwargs)
            if name in _SIZED_BY_DATA:
                self._host(name)
            if name in _CHANGING:
                return change(method, self, args, kwargs)
            return call(method, (self, *args), kwargs)

        return run


_VIEWING = ("transpose", "ravel", "squeeze", "swapaxes", "diagonal")
_SIZED_BY_DATA = ("nonzero", "compress")
_CHANGING = ("sort", "partition", "put")
_OPERATORS = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
    "lt",
    "le",
    "gt",
    "ge",
    "eq",
    "ne",
]
_UNARY = ["neg", "pos", "abs", "invert"]
_COMPARING = ["lt", "le", "gt", "ge", "eq", "ne"]


def _binary(name: str, is_reflected: bool) -> Callable[[ndarray, Any], Any]:
    function = getattr(operator, f"{name}_" if name in ("and", "or") else name)

    def run(self: ndarray, other: Any) -> Any:
        pair = (other, self) if is_reflected else (self, other)
        return call(function, pair, {})

    return run


def _in_place(name: str) -> Callable[[ndarray, Any], ndarray]:
    function = getattr(operator, f"i{name}")

    def run(self: ndarray, other: Any) -> ndarray:
        change(function, self, (other,))
        return self

    return run


for _name in _OPERATORS:
    setattr(ndarray, f"__{_name}__", _binary(_name, False))
    if _name not in _COMPARING:
        setattr(ndarray, f"__r{_name}__", _binary(_name, True))
    if _name not in (*_COMPARING, "matmul"):
        setattr(ndarray, f"__i{_name}__", _in_place(_name))
for _name in _UNARY:
    _function = getattr(operator, _name)
    setattr(ndarray, f"__{_name}__", lambda self, f=_function: call(f, (self,), {}))


# -- work


def _is_mask(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(p, ndarray) and p.dtype == bool for p in parts)


def _holds_arrays(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(map(_holds_arrays, value))
    return isinstance(value, ndarray)


def _checked(value: Any) -> Any:
    """An argument of CuPy's functions, as NumPy's take it.

    Raises:
        TypeError: an array of the host.
        ValueError: an array of another GPU.
    """
    if isinstance(value, ndarray):
        if value._pointer.device_id != world().device:
            raise ValueError(
                f"Array device must be same as the current device: array device = "
                f"{value._pointer.device_id} while current = {world().device}"
            )
        return value._array
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, (tuple, list)):
        return type(value)(map(_checked, value))
    return value


def call_ufunc(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Of an element-wise function CuPy takes fewer settings than NumPy."""
    unknown = set(kwargs) - {"out", "dtype", "casting"}
    if unknown and name != "matmul":
        raise TypeError(f"cupy.{name}: wrong arguments {sorted(unknown)}")
    return call(getattr(np, name), args, kwargs)


def call(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Queue a function of NumPy; its results are new arrays, or ``out``."""
    out = kwargs.get("out")
    hosts = _checked(args)
    named = {key: _checked(value) for key, value in kwargs.items() if key != "out"}
    if out is not None:
        target = _checked(out)
        _into(function, hosts, named, target)
        return out
    tried = _try(function, hosts, named)
    if isinstance(tried, (tuple, list)):
        results = [_fresh(part) for part in tried]
        _submit_results(function, hosts, named, results)
        return type(tried)(results)
    if not isinstance(tried, (np.ndarray, np.generic)):
        return tried
    result = _fresh(tried)
    _submit_results(function, hosts, named, [result])
    return result


def _fresh(tried: Any) -> Any:
    return ndarray(np.shape(tried), tried.dtype)


def _try(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    with np.errstate(all="ignore"):
        return function(*args, **kwargs)


def _submit_results(
    function: Callable[..., Any], args: Any, kwargs: Any, results: list[ndarray]
) -> None:
    targets = [result._array for result in results]

    def work() -> None:
        found = _try(function, args, kwargs)
        parts = found if isinstance(found, (tuple, list)) else [found]
        for target, part in zip(targets, parts):
            target[...] = part

    streams.submit(work)


def _into(
    function: Callable[..., Any], args: Any, kwargs: Any, target: np.ndarray
) -> None:
    """Queue a function that writes into an array that is there."""
    if world().settings.order != "at once":
        _try(function, args, {**kwargs, "out": target.copy()})
    streams.submit(lambda: _try(function, args, {**kwargs, "out": target}) is None)


def change(
    function: Callable[..., Any],
    array: ndarray,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
) -> None:
    """Queue a function that changes its first argument."""
    own, hosts, named = _checked(array), _checked(args), kwargs or {}
    if world().settings.order != "at once":
        _try(function, (own.copy(), *hosts), named)
    streams.submit(lambda: _try(function, (own, *hosts), named) is None)
