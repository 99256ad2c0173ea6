"""Lines of numbers: copied, added, cleared.

The same loops over slices of arrays would take Numba many times longer to compile.
Every function is called with one tuple: addresses, then distances and counts of
float32 values.
"""

from __future__ import annotations

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from netspec.backends.cpu import lanes
from netspec.backends.cpu.epilogue import TERMS
from netspec.backends.cpu.vectors import FLOAT_BYTES, WIDTH, Emitter, Value, emitted
from netspec.compiled import njit

_ADDRESS, _COUNT, _FLOAT = types.uintp, types.intp, types.float32


@emitted(_ADDRESS, _COUNT, _ADDRESS, _COUNT, apart=True)
def copy(
    emit: Emitter, source: Value, step: Value, target: Value, count: Value
) -> None:
    """target[i] = source[i × step]."""
    with emit.loop(count) as i:
        emit.store_one(target, i, emit.number(source, emit.mul(i, step)))


@emitted(_ADDRESS, _COUNT, _ADDRESS, _COUNT, _COUNT, _COUNT, apart=True)
def copy_rows(
    emit: Emitter,
    source: Value,
    step: Value,
    target: Value,
    pitch: Value,
    rows: Value,
    values: Value,
) -> None:
    """target[i × pitch + j] = source[i × step + j], for *rows* i and *values* j."""
    whole = emit.divide(values, WIDTH)
    rest = emit.mul(whole, WIDTH)
    mask = lanes.inside(emit, rest, values)
    with emit.loop(rows) as i:
        at, to = emit.mul(i, step), emit.mul(i, pitch)
        with emit.loop(whole) as block:
            j = emit.mul(block, WIDTH)
            emit.store(target, emit.add(to, j), emit.load(source, emit.add(at, j)))
        last = lanes.load(emit, mask, source, emit.add(at, rest), 0.0)
        lanes.store(emit, mask, target, emit.add(to, rest), last)


@emitted(_ADDRESS, _ADDRESS, _COUNT, _COUNT, apart=True)
def add(emit: Emitter, source: Value, target: Value, step: Value, count: Value) -> None:
    """target[i × step] += source[i]."""
    with emit.loop(count) as i:
        at = emit.mul(i, step)
        total = emit.builder.fadd(emit.number(target, at), emit.number(source, i))
        emit.store_one(target, at, total)


@emitted(_ADDRESS, _ADDRESS, _COUNT, apart=True)
def copy_to_bytes(emit: Emitter, source: Value, target: Value, count: Value) -> None:
    """target[i] = source[i], of bytes: whole numbers from 0 to 255."""
    with emit.loop(count) as i:
        emit.store_byte(target, i, emit.number(source, i))


@emitted(_ADDRESS, _COUNT, apart=True)
def clear(emit: Emitter, target: Value, count: Value) -> None:
    """target[i] = 0."""
    with emit.loop(count) as i:
        emit.store_one(target, i, emit.float(0))


@emitted(_ADDRESS, _ADDRESS, _COUNT, _ADDRESS, types.boolean, _FLOAT, apart=True)
def finish_line(
    emit: Emitter,
    source: Value,
    target: Value,
    count: Value,
    terms: Value,
    scaled: Value,
    floor: Value,
) -> None:
    """Finish a line of one filter, whose *terms*, *scaled* and *floor* are those of
    :class:`~netspec.backends.cpu.epilogue.Finish`; NaN stays."""
    build = emit.builder
    bias, mean, inverse, scale, shift = (emit.number(terms, i) for i in range(TERMS))
    with emit.loop(count) as i:
        total = build.fadd(emit.number(source, i), bias)
        normal = build.fmul(build.fsub(total, mean), inverse)
        normal = build.fadd(build.fmul(normal, scale), shift)
        total = build.select(scaled, normal, total)
        below = build.fcmp_ordered("<", total, floor)
        emit.store_one(target, i, build.select(below, floor, total))


@intrinsic
def address(typingctx, array, offset):  # type: ignore[no-untyped-def]
    """Where a value stands, *offset* values after the array's first."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        first = builder.ptrtoint(data, cgutils.intp_t)
        offset = context.cast(builder, args[1], signature.args[1], types.intp)
        return builder.add(first, builder.mul(offset, first.type(FLOAT_BYTES)))

    return types.uintp(array, offset), codegen


@njit(nogil=True)
def span(left, stride, size, length):  # type: ignore[no-untyped-def]
    """Which i in 0 to *length* have left + i × stride within 0 to *size*."""
    low = min(max((-left + stride - 1) // stride, 0), length)
    return low, max(min((size - left + stride - 1) // stride, length), low)
