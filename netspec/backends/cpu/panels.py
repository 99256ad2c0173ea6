"""The matrix product of panels, the heart of convolution, in vector instructions.

A panel is a few rows or columns of a matrix, stored so that what one step of the sum
needs lies side by side: LANES values of the right matrix, and best ROWS of the left
one, of which a row may also lie elsewhere.  Every
element is summed in the order of the inner index, whatever the machine's vectors.
"""

from __future__ import annotations

from numba import types

from netspec.backends.cpu.vectors import ROWS, WIDTH, Emitter, Value, emitted

VECTORS = 2  # that LANES fill
LINE = 16  # values that come from memory at once

_ADDRESS, _COUNT = types.uintp, types.intp


@emitted(_ADDRESS, _COUNT, _COUNT, apart=True)
def fetch(emit: Emitter, at: Value, step: Value, values: Value) -> None:
    """Have *values* of each of ROWS rows, *step* apart, brought near meanwhile."""
    with emit.loop(emit.divide(values, LINE)) as line:
        for i in range(ROWS):
            emit.prefetch(at, emit.add(emit.mul(step, i), emit.mul(line, LINE)))


def _multiply(emit: Emitter, vectors: int, args: tuple[Value, ...]) -> None:
    a, a_row, a_step, b, b_step, c, c_step, inner, add = args
    cells = [(i, j) for i in range(ROWS) for j in range(vectors)]
    sums = {cell: emit.register(emit.zero()) for cell in cells}
    with emit.builder.if_then(add):
        for i, j in cells:
            emit.set(sums[i, j], emit.load(c, emit.add(emit.mul(c_step, i), j * WIDTH)))
    with emit.loop(inner) as p:
        at_a, at_b = emit.mul(a_step, p), emit.mul(b_step, p)
        right = [emit.load(b, emit.add(at_b, j * WIDTH)) for j in range(vectors)]
        for i in range(ROWS):
            left = emit.load_one(a, emit.add(at_a, emit.mul(a_row, i)))
            for j in range(vectors):
                total = emit.get(sums[i, j]) + left.times(right[j])
                emit.set(sums[i, j], total)
    for i, j in cells:
        emit.store(c, emit.add(emit.mul(c_step, i), j * WIDTH), emit.get(sums[i, j]))


_PRODUCT = (
    _ADDRESS, _COUNT, _COUNT, _ADDRESS, _COUNT, _ADDRESS, _COUNT, _COUNT, types.boolean
)  # fmt: skip


@emitted(*_PRODUCT)
def multiply(emit: Emitter, *args: Value) -> None:
    """c = a b, or c + a b where *add*, for ROWS × *inner* times *inner* × LANES.

    Called with one tuple of: the address of a, its values from one row to the next and
    from one inner index to the next; the address of b and its values from one inner
    index to the next; the address of c and its values from one row to the next;
    *inner*; *add*.
    """
    _multiply(emit, VECTORS, args)


@emitted(*_PRODUCT)
def multiply_half(emit: Emitter, *args: Value) -> None:
    """The same for the first WIDTH of the LANES, with the same sums."""
    _multiply(emit, 1, args)
