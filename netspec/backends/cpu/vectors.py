"""Vector instructions for compiled kernels, in the widest vectors this machine has.

Numba vectorises loops as it sees fit.  Where a kernel lives from its registers - a
matrix product, a transform of tiles, a transposition - its instructions are written
down here instead, once, for any vector width.  Values are float32; addresses are
integers, offsets and steps count float32 values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

Value = Any  # a value of llvmlite's
INDEX = ir.IntType(64)
FLOAT = ir.FloatType()
FLOAT_BYTES = 4
Emit = Callable[..., None]
# A product and a sum may become one instruction, where the machine has it.
FUSED = ("contract",)


def _vector_width() -> int:
    """As Numba's target has it: this machine, or what NUMBA_CPU_FEATURES says."""
    features = config.CPU_FEATURES
    if features is None:
        features = llvmlite.binding.get_host_cpu_features().flatten()
    present = features.split(",")
    for feature, width in (("+avx512f", 16), ("+avx", 8)):
        if feature in present:
            return width
    return 4


WIDTH = _vector_width()  # float32 values of one vector
LANES = 2 * WIDTH  # columns of one panel of a matrix product
ROWS = 8 if WIDTH == 16 else 4  # rows of one; ROWS × 2 vectors of sums fit registers
VECTOR = ir.VectorType(FLOAT, WIDTH)


class Vector:
    """One vector in the making: operators emit instructions."""

    def __init__(
        self, builder: Value, value: Value, flags: tuple[str, ...] = FUSED
    ) -> None:
        self.builder = builder
        self.value = value
        self.flags = flags

    def exactly(self) -> Vector:
        """The same, with every operation rounded on its own from here on."""
        return Vector(self.builder, self.value, ())

    def __add__(self, other: Vector) -> Vector:
        return self._new(self.builder.fadd(self.value, other.value, flags=self.flags))

    def __sub__(self, other: Vector) -> Vector:
        return self._new(self.builder.fsub(self.value, other.value, flags=self.flags))

    def __rmul__(self, factor: float) -> Vector:
        constant = ir.Constant(VECTOR, [float(factor)] * WIDTH)
        return self._new(self.builder.fmul(constant, self.value, flags=self.flags))

    def times(self, other: Vector) -> Vector:
        """The product of two vectors, lane by lane."""
        return self._new(self.builder.fmul(self.value, other.value, flags=self.flags))

    def at_least(self, floor: Vector) -> Vector:
        """The greater of two, lane by lane; NaN stays NaN."""
        below = self.builder.fcmp_ordered("<", self.value, floor.value)
        return self._new(self.builder.select(below, floor.value, self.value))

    def exceeds(self, other: Vector) -> Value:
        """A mask of the lanes where it is greater; a NaN is not."""
        return self.builder.fcmp_ordered(">", self.value, other.value)

    def or_greater(self, other: Vector) -> Vector:
        """*other* in the lanes where it is greater; a NaN is not."""
        above = other.exceeds(self)
        return self._new(self.builder.select(above, other.value, self.value))

    def _new(self, value: Value) -> Vector:
        return Vector(self.builder, value, self.flags)


class Emitter:
    """Emits the instructions of one kernel."""

    def __init__(self, builder: Value) -> None:
        self.builder = builder

    def index(self, value: Value | int) -> Value:
        """An integer as a value."""
        return ir.Constant(INDEX, value) if isinstance(value, int) else value

    def add(self, a: Value | int, b: Value | int) -> Value:
        """a + b, of integers."""
        return self.builder.add(self.index(a), self.index(b))

    def mul(self, a: Value | int, b: Value | int) -> Value:
        """a × b, of integers."""
        return self.builder.mul(self.index(a), self.index(b))

    def sub(self, a: Value | int, b: Value | int) -> Value:
        """a - b, of integers."""
        return self.builder.sub(self.index(a), self.index(b))

    def divide(self, a: Value, b: int) -> Value:
        """a / b rounded down, of integers not below 0."""
        return self.builder.udiv(a, self.index(b))

    def load(self, address: Value, offset: Value | int = 0) -> Vector:
        """A vector from memory; any alignment."""
        pointer = self._pointer(address, offset, VECTOR)
        return self._vector(self.builder.load(pointer, align=FLOAT_BYTES, typ=VECTOR))

    def store(self, address: Value, offset: Value | int, vector: Vector) -> None:
        """A vector to memory; any alignment."""
        pointer = self._pointer(address, offset, VECTOR)
        self.builder.store(vector.value, pointer, align=FLOAT_BYTES)

    def number(self, address: Value, offset: Value | int) -> Value:
        """One value from memory."""
        pointer = self._pointer(address, offset, FLOAT)
        return self.builder.load(pointer, align=FLOAT_BYTES, typ=FLOAT)

    def store_one(self, address: Value, offset: Value | int, value: Value) -> None:
        """One value to memory."""
        pointer = self._pointer(address, offset, FLOAT)
        self.builder.store(value, pointer, align=FLOAT_BYTES)

    def prefetch(
        self, address: Value, offset: Value | int, write: bool = False
    ) -> None:
        """Ask for what is there to come into the second cache; into the first, and to
        be this core's own, where it will be written."""
        bits, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, bits, bits, bits])
        function = cgutils.get_or_insert_function(
            self.builder.module, kind, "llvm.prefetch.p0"
        )
        place = self.builder.bitcast(self._pointer(address, offset, FLOAT), pointer)
        how = (1, 3, 1) if write else (0, 2, 1)  # write or read, cache, data
        self.builder.call(function, [place, *(ir.Constant(bits, n) for n in how)])

    def store_byte(self, address: Value, offset: Value, value: Value) -> None:
        """A float without a fraction, from 0 to 255, to memory as one byte."""
        byte = ir.IntType(8)
        place = self.builder.inttoptr(self.add(address, offset), byte.as_pointer())
        self.builder.store(self.builder.fptoui(value, byte), place, align=1)

    def float(self, value: float) -> Value:
        """A float as a value."""
        return ir.Constant(FLOAT, float(value))

    def load_one(self, address: Value, offset: Value | int) -> Vector:
        """One value from memory, in all lanes."""
        return self.splat(self.number(address, offset))

    def splat(self, value: Value) -> Vector:
        """A float in all lanes."""
        undefined = ir.Constant(VECTOR, ir.Undefined)
        first = self.builder.insert_element(undefined, value, _lane(0))
        return self._vector(self._shuffle(first, first, [0] * WIDTH))

    def together(self, numbers: Sequence[Value]) -> Vector:
        """A vector of WIDTH floats."""
        value = ir.Constant(VECTOR, ir.Undefined)
        for i, number in enumerate(numbers):
            value = self.builder.insert_element(value, number, _lane(i))
        return self._vector(value)

    def lane(self, vector: Vector, number: int) -> Value:
        """One float of a vector."""
        return self.builder.extract_element(vector.value, _lane(number))

    def zero(self) -> Vector:
        """Zeros."""
        return self._vector(ir.Constant(VECTOR, [0.0] * WIDTH))

    def chosen(self, mask: Value, this: Vector, other: Vector) -> Vector:
        """*this* in the lanes of a mask, *other* in the rest."""
        return self._vector(self.builder.select(mask, this.value, other.value))

    def register(self, vector: Vector) -> Value:
        """A variable that keeps a vector from one round of a loop to the next."""
        slot = cgutils.alloca_once(self.builder, VECTOR)
        self.builder.store(vector.value, slot)
        return slot

    def get(self, register: Value) -> Vector:
        """What a register holds."""
        return self._vector(self.builder.load(register, typ=VECTOR))

    def set(self, register: Value, vector: Vector) -> None:
        """Change what a register holds."""
        self.builder.store(vector.value, register)

    @contextmanager
    def loop(self, rounds: Value) -> Iterator[Value]:
        """Emit the body of a loop over 0 to *rounds* - 1; gives the round."""
        with cgutils.for_range(self.builder, rounds, intp=INDEX) as loop:
            yield loop.index

    def deinterleave(self, vectors: Sequence[Vector]) -> list[Vector]:
        """4 vectors in a row: their lanes 0, 4, 8 ...; lanes 1, 5, 9 ...; and so on."""
        a, b, c, d = (v.value for v in vectors)
        evens = list(range(0, 2 * WIDTH, 2))
        odds = list(range(1, 2 * WIDTH, 2))
        halves = [
            (self._shuffle(a, b, take), self._shuffle(c, d, take))
            for take in (evens, odds)
        ]
        (even, odd) = halves
        return [
            self._vector(self._shuffle(*pair, take))
            for take in (evens, odds)
            for pair in (even, odd)
        ]

    def shifted(self, vector: Vector, last: Vector) -> Vector:
        """Lanes 1, 2 ... of *vector*, then lane 0 of *last*."""
        lanes = list(range(1, WIDTH + 1))
        return self._vector(self._shuffle(vector.value, last.value, lanes))

    def turned(self, vector: Vector) -> Vector:
        """Lanes 1, 2 ... and then lane 0."""
        return self.shifted(vector, vector)

    def interleave(self, vectors: Sequence[Vector]) -> list[Vector]:
        """The reverse of :meth:`deinterleave`."""
        a, b, c, d = (v.value for v in vectors)
        even, odd = self._zip(a, c), self._zip(b, d)
        pairs = [self._zip(*pair) for pair in zip(even, odd, strict=True)]
        return [self._vector(v) for pair in pairs for v in pair]

    def alternate(self, a: Vector, b: Vector) -> list[Vector]:
        """Lanes of a and b in turn, in two vectors."""
        return [self._vector(v) for v in self._zip(a.value, b.value)]

    def in_turn(self, a: Vector, b: Vector) -> list[Vector]:
        """The reverse of :meth:`alternate`: lanes 0, 2 ... of both, then the others."""
        turns = [list(range(first, 2 * WIDTH, 2)) for first in (0, 1)]
        return [self._vector(self._shuffle(a.value, b.value, turn)) for turn in turns]

    def transpose(self, vectors: Sequence[Vector]) -> list[Vector]:
        """WIDTH vectors as the rows of a square; its columns."""
        rows = [v.value for v in vectors]
        half = WIDTH // 2
        for _ in range(WIDTH.bit_length() - 1):
            pairs = [self._zip(rows[i], rows[i + half]) for i in range(half)]
            rows = [v for pair in pairs for v in pair]
        return [self._vector(v) for v in rows]

    def columns(self, address: Value, rows: Sequence[Value]) -> list[Vector]:
        """The columns of a square in memory; *rows* are where its rows are.

        As :meth:`transpose` with half the instructions: rows come by fours of values,
        to the fours of lanes where these are needed.
        """
        columns = []
        for first in range(0, WIDTH, 4):
            vectors = []
            for i in range(4):
                fours = [self._four(address, row, first) for row in rows[i::4]]
                while len(fours) > 1:
                    pairs = zip(fours[::2], fours[1::2], strict=True)
                    fours = [self._joined(*pair) for pair in pairs]
                vectors += fours
            columns += self._turned_fours(vectors)
        return columns

    def _four(self, address: Value, offset: Value, first: int) -> Value:
        kind = ir.VectorType(FLOAT, 4)
        pointer = self._pointer(address, self.add(offset, first), kind)
        return self.builder.load(pointer, align=FLOAT_BYTES, typ=kind)

    def _joined(self, a: Value, b: Value) -> Value:
        lanes = list(range(2 * a.type.count))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
        return self.builder.shuffle_vector(a, b, mask)

    def _turned_fours(self, vectors: Sequence[Value]) -> list[Vector]:
        """Fours of lanes of 4 vectors as the rows of squares; their columns."""
        a, b, c, d = vectors
        columns = []
        for half in (0, 2):
            one, two = self._zip_fours(a, c, half), self._zip_fours(b, d, half)
            columns += [self._zip_fours(one, two, low) for low in (0, 2)]
        return [self._vector(column) for column in columns]

    def _zip_fours(self, a: Value, b: Value, half: int) -> Value:
        """Lanes of a and b in turn: the two from *half* on of each four."""
        fours = range(half, WIDTH, 4)
        lanes = [i + j + k for i in fours for j in (0, 1) for k in (0, WIDTH)]
        return self._shuffle(a, b, lanes)

    def sums(self, vectors: Sequence[Vector]) -> Vector:
        """The sums of the lanes of WIDTH vectors, in their order."""
        while len(vectors) > 1:
            half = len(vectors) // 2
            pairs = zip(vectors[:half], vectors[half:], strict=True)
            halves = [self.alternate(*pair) for pair in pairs]
            vectors = [low + high for low, high in halves]
        return vectors[0]

    def _zip(self, a: Value, b: Value) -> tuple[Value, Value]:
        """Lanes of a and b in turn: the vector of the first halves, of the second."""
        low = [i // 2 + WIDTH * (i % 2) for i in range(WIDTH)]
        high = [i + WIDTH // 2 for i in low]
        return self._shuffle(a, b, low), self._shuffle(a, b, high)

    def _shuffle(self, a: Value, b: Value, lanes: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), lanes)
        return self.builder.shuffle_vector(a, b, mask)

    def _pointer(self, address: Value, offset: Value | int, kind: Value) -> Value:
        place = self.add(address, self.mul(offset, FLOAT_BYTES))
        return self.builder.inttoptr(place, kind.as_pointer())

    def _vector(self, value: Value) -> Vector:
        return Vector(self.builder, value)


def _lane(number: int) -> Value:
    return ir.Constant(ir.IntType(32), number)


def emitted(*kinds: types.Type, apart: bool = False) -> Callable[[Emit], Any]:
    """Decorator: a function that emits instructions becomes one that kernels call.

    It is written as f(emitter, argument values ...); *kinds* are the arguments' Numba
    types.  It returns nothing.

    Args:
        apart: whether a kernel has the instructions once, as a function that it calls,
            and not at each call: for those whose compilation takes long.
    """

    def decorate(emit: Emit) -> Any:
        def typed(typingctx, arguments):  # type: ignore[no-untyped-def]
            return types.void(arguments), called(emit, kinds, apart)

        typed.__name__, typed.__doc__ = emit.__name__, emit.__doc__
        return intrinsic(typed)

    return decorate


def called(emit: Emit, kinds: tuple[types.Type, ...], apart: bool) -> Any:
    """Numba's code generator of a function whose last argument is the tuple of those
    of *emit*; see :func:`emitted`."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        values = cgutils.unpack_tuple(builder, args[-1])
        cast = [
            context.cast(builder, value, given, kind)
            for value, given, kind in zip(
                values, signature.args[-1], kinds, strict=True
            )
        ]
        if apart:
            builder.call(_function(builder.module, emit, cast), cast)
        else:
            emit(Emitter(builder), *cast)
        return context.get_dummy_value()

    return codegen


def _function(module: ir.Module, emit: Emit, values: list[Value]) -> ir.Function:
    """The function of a module that consists of what *emit* emits."""
    name = f"{emit.__module__}.{emit.__name__}"
    if name not in module.globals:
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        function = ir.Function(module, kind, name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        builder = ir.IRBuilder(function.append_basic_block())
        emit(Emitter(builder), *function.args)
        builder.ret_void()
    return module.globals[name]


@emitted(types.uintp, types.intp, types.uintp, types.intp, types.intp, apart=True)
def transpose(
    emit: Emitter, rows: Value, step: Value, columns: Value, jump: Value, blocks: Value
) -> None:
    """WIDTH rows of *blocks* vectors, *step* apart, to columns *jump* apart."""
    with emit.loop(blocks) as block:
        at = emit.mul(block, WIDTH)
        taken = [emit.load(rows, emit.add(at, emit.mul(step, i))) for i in range(WIDTH)]
        for i, vector in enumerate(emit.transpose(taken)):
            emit.store(columns, emit.mul(emit.add(at, i), jump), vector)
