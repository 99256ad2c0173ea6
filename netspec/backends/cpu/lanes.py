"""Vectors of which only some lanes matter: rows that do not fill whole vectors.

The other lanes touch no memory, so that a row may end where its array ends.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils

from netspec.backends.cpu.vectors import (
    FLOAT,
    FLOAT_BYTES,
    INDEX,
    VECTOR,
    WIDTH,
    Emitter,
    Value,
    Vector,
)

BIT, BYTE, INTEGER = ir.IntType(1), ir.IntType(8), ir.IntType(32)
MASK = ir.VectorType(BIT, WIDTH)
BYTES = ir.VectorType(BYTE, WIDTH)
INTEGERS = ir.VectorType(INTEGER, WIDTH)
PLACES = ir.VectorType(INDEX, WIDTH)


def inside(emit: Emitter, first: Value, end: Value) -> Value:
    """Mask of the lanes i for which 0 <= first + i < end."""
    start = spread(emit, emit.builder.trunc(first, INTEGER))
    limit = spread(emit, emit.builder.trunc(end, INTEGER))
    numbers = emit.builder.add(start, ir.Constant(INTEGERS, list(range(WIDTH))))
    return emit.builder.icmp_unsigned("<", numbers, limit)  # below 0 is very large


def spread(emit: Emitter, value: Value) -> Value:
    """A number in all lanes."""
    undefined = ir.Constant(ir.VectorType(value.type, WIDTH), ir.Undefined)
    first = emit.builder.insert_element(undefined, value, ir.Constant(INTEGER, 0))
    zeros = ir.Constant(INTEGERS, [0] * WIDTH)
    return emit.builder.shuffle_vector(first, first, zeros)


def constant(kind: ir.VectorType, value: float) -> Value:
    """A number that is known now, in all lanes."""
    return ir.Constant(kind, [value] * WIDTH)


def load(
    emit: Emitter, mask: Value, address: Value, offset: Value, otherwise: float
) -> Vector:
    """float32 values from memory; *otherwise* in the other lanes."""
    at = _pointer(emit, address, offset, FLOAT)
    return Vector(emit.builder, _load(emit, mask, at, constant(VECTOR, otherwise)))


def load_from(emit: Emitter, address: Value, places: Value) -> Vector:
    """The float32 value at each place from an address on; 0 where that is negative."""
    build = emit.builder
    there = build.icmp_signed(">=", places, constant(PLACES, 0))
    skipped = build.mul(places, constant(PLACES, FLOAT_BYTES))
    at = build.add(spread(emit, address), skipped)
    pointers = build.inttoptr(at, ir.VectorType(BYTE.as_pointer(), WIDTH))
    kinds = pointers.type, INTEGER, MASK, VECTOR
    signature = ir.FunctionType(VECTOR, kinds)
    name = f"llvm.masked.gather.v{WIDTH}f32.v{WIDTH}p0"
    function = cgutils.get_or_insert_function(build.module, signature, name)
    align = ir.Constant(INTEGER, FLOAT_BYTES)
    values = [pointers, align, there, constant(VECTOR, 0.0)]
    return Vector(build, build.call(function, values))


def load_bytes(
    emit: Emitter, mask: Value, address: Value, offset: Value, otherwise: int
) -> Value:
    """Bytes from memory; *otherwise* in the other lanes."""
    at = _pointer(emit, address, offset, BYTE)
    return _load(emit, mask, at, constant(BYTES, otherwise))


def store(
    emit: Emitter, mask: Value, address: Value, offset: Value, vector: Vector
) -> None:
    """float32 values to memory."""
    _store(emit, mask, _pointer(emit, address, offset, FLOAT), vector.value)


def store_bytes(
    emit: Emitter, mask: Value, address: Value, offset: Value, integers: Value
) -> None:
    """The lowest byte of each integer to memory."""
    lowest = emit.builder.trunc(integers, BYTES)
    _store(emit, mask, _pointer(emit, address, offset, BYTE), lowest)


def _load(emit: Emitter, mask: Value, pointer: Value, otherwise: Value) -> Value:
    kind = otherwise.type
    size = _size(kind)
    function = _intrinsic(emit, "load", kind, kind, pointer.type, INTEGER, MASK, kind)
    align = ir.Constant(INTEGER, size)
    return emit.builder.call(function, [pointer, align, mask, otherwise])


def _store(emit: Emitter, mask: Value, pointer: Value, value: Value) -> None:
    kind, nothing = value.type, ir.VoidType()
    function = _intrinsic(
        emit, "store", kind, nothing, kind, pointer.type, INTEGER, MASK
    )
    align = ir.Constant(INTEGER, _size(kind))
    emit.builder.call(function, [value, pointer, align, mask])


def _intrinsic(
    emit: Emitter, verb: str, kind: ir.VectorType, result: Value, *arguments: Value
) -> Value:
    letter = "f32" if kind.element == FLOAT else "i8"
    name = f"llvm.masked.{verb}.v{WIDTH}{letter}.p0"
    signature = ir.FunctionType(result, arguments)
    return cgutils.get_or_insert_function(emit.builder.module, signature, name)


def _size(kind: ir.VectorType) -> int:
    return FLOAT_BYTES if kind.element == FLOAT else 1


def _pointer(emit: Emitter, address: Value, offset: Value, kind: Value) -> Value:
    """To all pointers one type, which each intrinsic is declared with."""
    size = FLOAT_BYTES if kind == FLOAT else 1
    place = emit.add(address, emit.mul(offset, size))
    return emit.builder.inttoptr(place, BYTE.as_pointer())
