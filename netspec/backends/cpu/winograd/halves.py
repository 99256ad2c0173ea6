"""Products with half a panel of tiles: as many rows as a vector has lanes.

A panel of which only the first vector holds tiles leaves registers for twice the rows,
and a processor that starts two products a cycle needs that many sums to be kept busy.
"""

from __future__ import annotations

from numba import types

from netspec.backends.cpu.vectors import WIDTH, Emitter, Value, emitted

STEPS = 4  # of the sums between looks at what is to be fetched
FETCHED = 2  # rows each time

_ADDRESS, _COUNT = types.uintp, types.intp


@emitted(
    _ADDRESS, _ADDRESS, _COUNT, _ADDRESS, _COUNT, _COUNT, types.boolean, _ADDRESS,
    apart=True,
)  # fmt: skip
def multiply_half(
    emit: Emitter,
    a: Value,
    b: Value,
    b_step: Value,
    c: Value,
    c_step: Value,
    inner: Value,
    add: Value,
    ahead: Value,
) -> None:
    """c = a b, or c + a b where *add*, for WIDTH rows and the first WIDTH columns.

    Called with one tuple of: the address of a, whose rows lie side by side; the address
    of b and its values from one inner index to the next; the address of c and its
    values from one row to the next; *inner*; *add*; the address of rows like those of
    b, half of which are fetched meanwhile.
    """
    sums = [emit.register(emit.zero()) for _ in range(WIDTH)]
    places = [emit.mul(c_step, i) for i in range(WIDTH)]
    with emit.builder.if_then(add):
        for total, place in zip(sums, places, strict=True):
            emit.set(total, emit.load(c, place))

    def step(p: Value) -> None:
        right, left = emit.load(b, emit.mul(b_step, p)), emit.mul(p, WIDTH)
        for i, total in enumerate(sums):
            factor = emit.load_one(a, emit.add(left, i))
            emit.set(total, emit.get(total) + factor.times(right))

    fours = emit.divide(inner, STEPS)
    with emit.loop(fours) as four:
        for i in range(FETCHED):
            row = emit.add(emit.mul(four, FETCHED), i)
            emit.prefetch(ahead, emit.mul(row, b_step))
        for p in range(STEPS):
            step(emit.add(emit.mul(four, STEPS), p))
    done = emit.mul(fours, STEPS)
    with emit.loop(emit.sub(inner, done)) as p:
        step(emit.add(p, done))
    for total, place in zip(sums, places, strict=True):
        emit.store(c, place, emit.get(total))
