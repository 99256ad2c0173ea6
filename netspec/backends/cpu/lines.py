"""Lines of numbers: copied, added, cleared.

The same loops over slices of arrays would take Numba many times longer to compile.
Every function is called with one tuple: addresses, then distances and counts of
float32 values.
"""

from __future__ import annotations

from collections.abc import Callable

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from netspec.backends.cpu import lanes
from netspec.backends.cpu.finishing import completed, scaled_sums
from netspec.backends.cpu.vectors import (
    FLOAT_BYTES,
    WIDTH,
    Emitter,
    Value,
    Vector,
    emitted,
)
from netspec.compiled import njit

_ADDRESS, _COUNT = types.uintp, types.intp
_FLOAT, _FLAG = types.float32, types.boolean


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


@emitted(_ADDRESS, _COUNT, _ADDRESS, *[_COUNT] * 5, apart=True)
def pad_rows(
    emit: Emitter,
    source: Value,
    step: Value,
    target: Value,
    pitch: Value,
    rows: Value,
    low: Value,
    high: Value,
    values: Value,
) -> None:
    """target[i × pitch + j] = source[i × step + j] where *low* <= j < *high*, else 0.

    For *rows* i, and *values* j and less than WIDTH more.  What is not taken is not
    read.
    """
    blocks = emit.divide(emit.add(values, WIDTH - 1), WIDTH)
    with emit.loop(blocks) as block:
        j = emit.mul(block, WIDTH)
        mask = lanes.inside(emit, emit.sub(j, low), emit.sub(high, low))
        with emit.loop(rows) as i:
            at, to = emit.mul(i, step), emit.mul(i, pitch)
            taken = lanes.load(emit, mask, source, emit.add(at, j), 0.0)
            emit.store(target, emit.add(to, j), taken)


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


@emitted(
    _ADDRESS, _ADDRESS, _COUNT, _ADDRESS, _FLAG, _FLAG, _COUNT, _FLOAT, apart=True
)  # fmt: skip
def finish_line(
    emit: Emitter,
    source: Value,
    target: Value,
    count: Value,
    terms: Value,
    scaled: Value,
    *rest: Value,
) -> None:
    """Finish a line of one filter.

    Called with one tuple of: the addresses of the sums and of the outputs, and how many
    there are; the filter's terms; *scaled*, *adds*, *other* and *floor* of
    :class:`~netspec.backends.cpu.epilogue.Finish`.
    """

    def term(number: int) -> Vector:
        return emit.load_one(terms, number)

    def change(sums: Vector) -> Vector:
        (value,) = scaled_sums(emit, [sums], term, scaled)
        return value

    _complete(emit, source, target, count, change, *rest)


@emitted(_ADDRESS, _ADDRESS, _COUNT, _COUNT, _FLOAT, apart=True)
def complete_line(
    emit: Emitter, source: Value, target: Value, count: Value, *rest: Value
) -> None:
    """The same for what is scaled already, and where something is added.

    Called with one tuple: without the terms, *scaled* and *adds*.
    """
    yes = cgutils.true_bit
    _complete(emit, source, target, count, lambda value: value, yes, *rest)


def _complete(
    emit: Emitter,
    source: Value,
    target: Value,
    count: Value,
    change: Callable[[Vector], Vector],
    adds: Value,
    other: Value,
    floor: Value,
) -> None:
    beside = emit.add(target, other)

    def line(load: Callable[[Value], Vector]) -> Vector:
        values = [change(load(source))]
        (result,) = completed(emit, values, lambda _: load(beside), adds, floor)
        return result

    whole = emit.divide(count, WIDTH)
    with emit.loop(whole) as block:
        at = emit.mul(block, WIDTH)
        emit.store(target, at, line(lambda address: emit.load(address, at)))
    last = emit.mul(whole, WIDTH)
    with emit.builder.if_then(emit.builder.icmp_signed("<", last, count)):
        mask = lanes.inside(emit, last, count)
        some = line(lambda address: lanes.load(emit, mask, address, last, 0.0))
        lanes.store(emit, mask, target, last, some)


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
