"""What instructions compute: functions of NumPy arrays, one for each name.

Approximate instructions are computed exactly, fused ones through a wider type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cudasim.ptx.memory import PtxError
from tests.cudasim.ptx.types import SIGNED, TYPES, UNSIGNED, WIDER

Values = np.ndarray
Compute = Callable[..., Values]

_TINY = np.float32(1.1754944e-38)


def flushed(x: Values) -> Values:
    """Denormals as zeros of their sign."""
    small = np.abs(x) < _TINY
    return np.where(small, np.copysign(np.float32(0), x), x) if small.any() else x


def _is_float(kind: str) -> bool:
    return kind[0] == "f" and kind != "f16x2"


def wider(x: Values) -> Values:
    """In a type that holds products of two without rounding."""
    return x.astype(np.longdouble if x.dtype == np.float64 else np.float64)


def rounded(x: Values, dtype: np.dtype, parts: tuple[str, ...]) -> Values:
    """To a narrower type of float, in the direction that an instruction names."""
    near = x.astype(dtype)
    if "rm" in parts:
        return np.where(near > x, np.nextafter(near, dtype.type(-np.inf)), near)
    if "rp" in parts:
        return np.where(near < x, np.nextafter(near, dtype.type(np.inf)), near)
    if "rz" in parts:
        beyond = np.abs(near.astype(x.dtype)) > np.abs(x)
        return np.where(beyond, np.nextafter(near, dtype.type(0)), near)
    return near


def _add(parts: tuple[str, ...], a: Values, b: Values) -> Values:
    if a.dtype.kind == "f" and parts[0] in ("rz", "rm", "rp"):
        return rounded(wider(a) + wider(b), a.dtype, parts)
    return a + b


def _sub(parts: tuple[str, ...], a: Values, b: Values) -> Values:
    if a.dtype.kind == "f" and parts[0] in ("rz", "rm", "rp"):
        return rounded(wider(a) - wider(b), a.dtype, parts)
    return a - b


def _high(a: Values, b: Values) -> Values:
    """The upper half of the product of integers."""
    bits = a.dtype.itemsize * 8
    product = a.astype(object) * b.astype(object)
    return np.array([int(p) >> bits for p in product], object).astype(a.dtype)


def _mul(parts: tuple[str, ...], a: Values, b: Values) -> Values:
    if a.dtype.kind != "f":
        if "wide" in parts:
            wide = WIDER[parts[-1]]
            return a.astype(wide) * b.astype(wide)
        return _high(a, b) if "hi" in parts else a * b
    return rounded(wider(a) * wider(b), a.dtype, parts)


def _mad(parts: tuple[str, ...], a: Values, b: Values, c: Values) -> Values:
    if a.dtype.kind == "f":
        return rounded(wider(a) * wider(b) + wider(c), a.dtype, parts)
    product = _mul(parts, a, b)
    return product + c.astype(product.dtype)


def _div(parts: tuple[str, ...], a: Values, b: Values) -> Values:
    if a.dtype.kind == "f":
        return a / b
    return _quotient(a, b)


def _quotient(a: Values, b: Values) -> Values:
    """Of integers, towards zero."""
    if (b == 0).any():
        raise PtxError("an integer is divided by zero")
    quotient = a // b
    if a.dtype.kind == "i":
        quotient += ((a % b != 0) & ((a < 0) != (b < 0))).astype(a.dtype)
    return quotient


def _rem(parts: tuple[str, ...], a: Values, b: Values) -> Values:
    return a - _quotient(a, b) * b


def _min(parts: tuple[str, ...], a: Values, b: Values) -> Values:
    return np.fmin(a, b) if a.dtype.kind == "f" else np.minimum(a, b)


def _max(parts: tuple[str, ...], a: Values, b: Values) -> Values:
    return np.fmax(a, b) if a.dtype.kind == "f" else np.maximum(a, b)


def _shift(is_left: bool) -> Compute:
    def run(parts: tuple[str, ...], a: Values, b: Values) -> Values:
        bits = a.dtype.itemsize * 8
        count = b.astype(np.uint32)
        kept = np.minimum(count, bits - 1).astype(a.dtype)
        beyond = a >> a.dtype.type(bits - 1) if a.dtype.kind == "i" else a * 0
        moved = a << kept if is_left else a >> kept
        return np.where(count >= bits, a * 0 if is_left else beyond, moved)

    return run


def _funnel(parts: tuple[str, ...], a: Values, b: Values, c: Values) -> Values:
    pair = b.astype(np.uint64) << np.uint64(32) | a.astype(np.uint64)
    count = c.astype(np.uint64)
    count = np.minimum(count, 32) if "clamp" in parts else count & np.uint64(31)
    if parts[0] == "l":
        return (pair << count >> np.uint64(32)).astype(np.uint32)
    return (pair >> count).astype(np.uint32)


def _wide(function: Callable[[Values], Values]) -> Compute:
    """Computed in double."""
    return lambda parts, a: function(a.astype(np.float64)).astype(a.dtype)


def _find(parts: tuple[str, ...], a: Values) -> Values:
    """The highest bit that is set (of a negative number: not set); -1 for none."""
    if a.dtype.kind == "i":
        a = np.where(a < 0, ~a, a)
    bits = a.dtype.itemsize * 8
    found = np.array([int(v).bit_length() - 1 for v in a], np.int64)
    if "shiftamt" in parts:
        found = np.where(found < 0, -1, bits - 1 - found)
    return found.astype(np.int32).view(np.uint32)


def _bits(function: Callable[[int, int], int]) -> Compute:
    """Of each number as it stands in so many bits."""

    def run(parts: tuple[str, ...], a: Values) -> Values:
        width = a.dtype.itemsize * 8
        plain = a.view(UNSIGNED[a.dtype.itemsize])
        return np.array([function(int(v), width) for v in plain], np.uint64)

    return run


def _brev(parts: tuple[str, ...], a: Values) -> Values:
    reverse = _bits(lambda v, width: int(f"{v:0{width}b}"[::-1], 2))
    return reverse(parts, a).astype(a.dtype)


def _bfi(
    parts: tuple[str, ...], a: Values, b: Values, start: Values, length: Values
) -> Values:
    mask = (np.uint64(1) << length.astype(np.uint64)) - np.uint64(1)
    place = start.astype(np.uint64)
    kept = b.astype(np.uint64) & ~(mask << place)
    return (kept | (a.astype(np.uint64) & mask) << place).astype(a.dtype)


def _bfe(parts: tuple[str, ...], a: Values, start: Values, length: Values) -> Values:
    bits = a.dtype.itemsize * 8
    pairs = zip(a.view(UNSIGNED[a.dtype.itemsize]), start & 255, length & 255)
    found = []
    for value, first, count in pairs:
        field = int(value) >> int(first) & (1 << int(count)) - 1
        last = min(int(first) + int(count) - 1, bits - 1)
        if parts[-1][0] == "s" and count and int(value) >> last & 1:
            field |= -1 << int(count)
        found.append(field & (1 << bits) - 1)
    return np.array(found, UNSIGNED[a.dtype.itemsize])


def _prmt(parts: tuple[str, ...], a: Values, b: Values, c: Values) -> Values:
    pair = a.astype(np.uint64) | b.astype(np.uint64) << np.uint64(32)
    result = np.zeros_like(a)
    for i in range(4):
        choice = c >> np.uint32(4 * i) & np.uint32(15)
        byte = pair >> (choice.astype(np.uint64) & np.uint64(7)) * np.uint64(8)
        byte = byte.astype(np.uint32) & np.uint32(255)
        sign = np.where(byte & 128, np.uint32(255), np.uint32(0))
        result |= np.where(choice & 8, sign, byte) << np.uint32(8 * i)
    return result


def _lop3(parts: tuple[str, ...], a: Values, b: Values, c: Values, d: Values) -> Values:
    table, result = int(d[0]), np.zeros_like(a)
    for i in range(8):
        if table >> i & 1:
            terms = (a, b, c)
            picks = [t if i >> (2 - n) & 1 else ~t for n, t in enumerate(terms)]
            result |= picks[0] & picks[1] & picks[2]
    return result


def _copysign(parts: tuple[str, ...], a: Values, b: Values) -> Values:
    return np.copysign(b, a)


COMPUTE: dict[str, Compute] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "mad": _mad,
    "fma": _mad,
    "div": _div,
    "rem": _rem,
    "min": _min,
    "max": _max,
    "shl": _shift(True),
    "shr": _shift(False),
    "shf": _funnel,
    "and": lambda parts, a, b: a & b,
    "or": lambda parts, a, b: a | b,
    "xor": lambda parts, a, b: a ^ b,
    "not": lambda parts, a: ~a,
    "neg": lambda parts, a: -a,
    "abs": lambda parts, a: np.abs(a),
    "copysign": _copysign,
    "rcp": _wide(lambda a: 1 / a),
    "sqrt": _wide(np.sqrt),
    "rsqrt": _wide(lambda a: 1 / np.sqrt(a)),
    "ex2": _wide(np.exp2),
    "lg2": _wide(np.log2),
    "sin": _wide(np.sin),
    "cos": _wide(np.cos),
    "tanh": _wide(np.tanh),
    "bfind": _find,
    "popc": _bits(lambda v, width: v.bit_count()),
    "clz": _bits(lambda v, width: width - v.bit_length()),
    "brev": _brev,
    "bfi": _bfi,
    "bfe": _bfe,
    "prmt": _prmt,
    "lop3": _lop3,
}

# Types of operands that are not the instruction's own.
OPERANDS = {
    "shl": (None, "u32"),
    "shr": (None, "u32"),
    "bfi": (None, None, "u32", "u32"),
    "bfe": (None, "u32", "u32"),
}
RESULTS = {"popc": "u32", "clz": "u32", "bfind": "u32"}

_ORDERED = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_OTHER_NAMES = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}


def compare(name: str, a: Values, b: Values) -> Values:
    """``setp``'s comparisons; those that end in u hold for NaN, the others do not."""
    if a.dtype.kind != "f":
        return _ORDERED[_OTHER_NAMES.get(name, name)](a, b)
    unordered = np.isnan(a) | np.isnan(b)
    if name in ("num", "nan"):
        return ~unordered if name == "num" else unordered
    if name[:2] in _ORDERED and name[2:] == "u":
        return _ORDERED[name[:2]](a, b) | unordered
    return _ORDERED[name](a, b) & ~unordered


_TO_INTEGER = {"rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil}


def convert(parts: tuple[str, ...], a: Values) -> Values:
    """``cvt``, but for its forms with two operands."""
    to, source = parts[-2], parts[-1]
    if to == "tf32":
        bits = np.ascontiguousarray(a).view(np.uint32)
        return (bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    dtype = TYPES[to]
    for part in parts:
        if part in _TO_INTEGER:
            a = _TO_INTEGER[part](a)
    if "sat" in parts and _is_float(to):
        a = np.where(a > 0, np.minimum(a, 1), a.dtype.type(0))
    if _is_float(source) and not _is_float(to):
        return _saturated(a, dtype)
    if _is_float(to):
        exact = a.astype(np.longdouble) if a.dtype.itemsize == 8 else wider(a)
        return rounded(exact, dtype, parts)
    if "sat" in parts:
        return _saturated(a, dtype)
    return a.astype(dtype)


def _saturated(a: Values, dtype: np.dtype) -> Values:
    limits = np.iinfo(dtype)
    exact = np.where(np.isnan(a), 0, a).astype(np.longdouble)
    inside = np.clip(exact, limits.min, limits.max)
    return np.array([int(v) for v in inside], object).astype(dtype)


def resized(values: Values, storage: np.dtype) -> Values:
    """As a register keeps them: cut off, or extended by their sign."""
    if values.dtype == np.bool_ or storage == np.bool_:
        return values.astype(storage)
    if values.dtype.itemsize != storage.itemsize:
        family: Any = SIGNED if values.dtype.kind == "i" else UNSIGNED
        values = values.astype(family[storage.itemsize])
    return np.ascontiguousarray(values).view(storage)
