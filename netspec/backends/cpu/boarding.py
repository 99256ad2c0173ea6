"""How threads board a kernel that runs: the instructions, on words that all see.

A box is an int64 array of these words.  The thread that runs a kernel writes TASKS and
WANTED; its first :func:`claim` opens the kernel; helpers :func:`join` while it is open.

Tasks are claimed from both ends: by the thread that runs the kernel from the first one
on, by the first helper from the last one back, and so on in turn.  What one kernel left
in a worker's cache is then mostly what the same worker needs in the next.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Words that different threads write lie on cache lines apart.
CLAIMED = 0  # tasks claimed from the first on, and BACK times those from the last back
WANTED = 1  # helpers that may join, until the kernel opens
TASKS = 2  # of the kernel
SIDE = 3  # words from the box to here: 0, or WORDS for who claims from the last back
STATE = 8  # free seats, and SEAT times those taken; 0 while closed
CODE = 9  # address of the kernel's entry for helpers
TAKEN = 10  # seats that were taken when it closed
FINISHED = 16  # helpers that have come back
FAILED = 17  # those that came back with an error
SLEPT = 24  # times that a helper went to sleep
ARGUMENTS = 32  # from here on: what the kernel was called with, as helpers may come
WORDS = 1024  # when it has returned; behind them as many that are 0 but for SIDE
ALONE = ARGUMENTS  # words of a box that no helper sees

SEAT = 1 << 16
BACK = 1 << 32

_WORD = ir.IntType(64)
_STATUS = ir.IntType(32)
_DONE, _NONE = 0, -2  # statuses of compiled functions that did not fail
# Numba's names for the data of arrays.
_WORKSPACE, _COUNTER = "arg.workspace.4", "arg.counter.4"

Value = Any  # no argument is larger than a word
Emit = Callable[[Any, Value], Value]  # of a builder and the address of a box


def _on_box(emit: Emit) -> Any:
    """A function of a box, for compiled code, that returns a word or nothing."""

    @intrinsic
    def call(typingctx, box):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            array = context.make_array(signature.args[0])(context, builder, args[0])
            return emit(builder, array.data)

        return types.int64(box), codegen

    return call


def new_box(words: int = 2 * WORDS) -> np.ndarray:
    """An empty box; one of ALONE words is seen by no helper."""
    box = np.zeros(words, np.int64)
    if words > WORDS:
        box[WORDS + SIDE] = WORDS
    return box


def _at(builder: Any, box: Value, index: int) -> Value:
    return builder.gep(box, [_WORD(index)])


def _seen(builder: Any, box: Value, index: int) -> Value:
    return builder.load_atomic(_at(builder, box, index), "acquire", 8)


def _count(
    builder: Any, box: Value, index: int, ordering: str, change: str = "add"
) -> Value:
    return builder.atomic_rmw(change, _at(builder, box, index), _WORD(1), ordering)


@_on_box
def claim(builder: Any, box: Value) -> Value:
    """The number of a task, or that of tasks if none is left.  Opens the kernel that
    calls it, if helpers wait.

    To be called in the kernel itself: (counter, tasks, workspace, ...).
    """
    wanted = builder.load(_at(builder, box, WANTED))
    with builder.if_then(builder.icmp_signed(">", wanted, _WORD(0)), likely=False):
        _open(builder, box, wanted)
    side = builder.load(_at(builder, box, SIDE))
    box = builder.gep(box, [builder.neg(side)])
    is_back = builder.icmp_signed("!=", side, _WORD(0))
    one = builder.select(is_back, _WORD(BACK), _WORD(1))
    place = _at(builder, box, CLAIMED)
    claimed = builder.atomic_rmw("add", place, one, "monotonic")
    front = builder.and_(claimed, _WORD(BACK - 1))
    back = builder.lshr(claimed, _WORD(BACK.bit_length() - 1))
    tasks = builder.load(_at(builder, box, TASKS))
    last = builder.sub(builder.sub(tasks, back), _WORD(1))
    is_left = builder.icmp_signed("<", builder.add(front, back), tasks)
    return builder.select(is_left, builder.select(is_back, last, front), tasks)


def _open(builder: Any, box: Value, seats: Value) -> None:
    """Let helpers into the function that is being emitted."""
    function = builder.function
    assert ARGUMENTS + len(function.args) <= WORDS
    kind = ir.LiteralStructType([each.type for each in function.args])
    held = builder.bitcast(_at(builder, box, ARGUMENTS), kind.as_pointer())
    for i, value in enumerate(function.args):
        builder.store(value, cgutils.gep_inbounds(builder, held, 0, i))
    entry = builder.ptrtoint(_entry(function, kind), _WORD)
    builder.store(entry, _at(builder, box, CODE))
    for index in (WANTED, TAKEN, FINISHED, FAILED):
        builder.store(_WORD(0), _at(builder, box, index))
    builder.store_atomic(seats, _at(builder, box, STATE), "release", 8)


def _entry(function: Value, kind: Any) -> Value:
    """status = entry(arguments, workspace, counter): the function, with those."""
    name = f"{function.name}.entry"
    if name in function.module.globals:
        return function.module.globals[name]
    entry = ir.Function(function.module, ir.FunctionType(_STATUS, [_WORD] * 3), name)
    entry.linkage = "internal"
    builder = ir.IRBuilder(entry.append_basic_block())
    held = builder.inttoptr(entry.args[0], kind.as_pointer())
    values = [
        builder.load(cgutils.gep_inbounds(builder, held, 0, i))
        for i in range(len(kind.elements))
    ]
    for i, each in enumerate(function.args):
        if i < 2:  # where the result and an exception go
            values[i] = builder.bitcast(builder.alloca(_WORD), each.type)
        elif each.name == _WORKSPACE:
            values[i] = builder.inttoptr(entry.args[1], each.type)
        elif each.name == _COUNTER:
            values[i] = builder.inttoptr(entry.args[2], each.type)
        elif _is_owner(each):
            values[i] = each.type(None)
    builder.ret(builder.call(function, values))
    return entry


def _is_owner(argument: Value) -> bool:
    """Whether an argument is the counter of an array's users, or its Python object.

    Those are the caller's, and are gone when the kernel returns to it; arrays without
    them are not counted.
    """
    index = argument.name.rpartition(".")[2]
    return index in ("0", "1") and isinstance(argument.type, ir.PointerType)


@_on_box
def is_open(builder: Any, box: Value) -> Value:
    """Whether a kernel has a free seat."""
    return builder.and_(_seen(builder, box, STATE), _WORD(SEAT - 1))


@intrinsic
def join(typingctx, box, place):  # type: ignore[no-untyped-def]
    """Take a seat, if one is free, and run the kernel.

    Args:
        place: uint64[1], the address of this thread's workspace; read when seated.

    Returns:
        Whether there was one.
    """

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        given = zip(signature.args, args)
        data = [context.make_array(t)(context, builder, a).data for t, a in given]
        return _join(builder, *data)

    return types.boolean(box, place), codegen


def _join(builder: Any, box: Value, place: Value) -> Value:
    state = _seen(builder, box, STATE)
    is_free = builder.icmp_unsigned(
        "!=", builder.and_(state, _WORD(SEAT - 1)), _WORD(0)
    )
    seated = cgutils.alloca_once_value(builder, cgutils.false_bit)
    with builder.if_then(is_free):
        target = builder.add(state, _WORD(SEAT - 1))  # one free less, one taken more
        swap = builder.cmpxchg(
            _at(builder, box, STATE), state, target, "acq_rel", "acquire"
        )
        builder.store(builder.extract_value(swap, 1), seated)
        with builder.if_then(builder.extract_value(swap, 1)):
            _run(builder, box, place, builder.lshr(state, _WORD(SEAT.bit_length() - 1)))
    return builder.load(seated)


def _run(builder: Any, box: Value, place: Value, seat: Value) -> None:
    kind = ir.FunctionType(_STATUS, [_WORD] * 3).as_pointer()
    entry = builder.inttoptr(builder.load(_at(builder, box, CODE)), kind)
    arguments = builder.ptrtoint(_at(builder, box, ARGUMENTS), _WORD)
    is_back = builder.icmp_unsigned("==", builder.and_(seat, _WORD(1)), _WORD(0))
    side = builder.select(is_back, _WORD(WORDS), _WORD(0))
    counter = builder.ptrtoint(builder.gep(box, [side]), _WORD)
    status = builder.call(entry, [arguments, builder.load(place), counter])
    fine = [builder.icmp_signed("==", status, _STATUS(s)) for s in (_DONE, _NONE)]
    with builder.if_then(builder.not_(builder.or_(*fine)), likely=False):
        _count(builder, box, FAILED, "monotonic")
    _count(builder, box, FINISHED, "release")


@_on_box
def close(builder: Any, box: Value) -> Value:
    """Let nobody in any more.  Returns how many came; may be called again."""
    builder.store(_WORD(0), _at(builder, box, WANTED))
    state = builder.atomic_rmw("xchg", _at(builder, box, STATE), _WORD(0), "acq_rel")
    came = builder.lshr(state, _WORD(SEAT.bit_length() - 1))
    before = builder.load(_at(builder, box, TAKEN))
    taken = builder.add(before, came)
    builder.store(taken, _at(builder, box, TAKEN))
    return taken


@_on_box
def finished(builder: Any, box: Value) -> Value:
    """How many helpers have come back."""
    return _seen(builder, box, FINISHED)


@_on_box
def fall_asleep(builder: Any, box: Value) -> Value:
    """Count one sleep more; what is read after this is what was written before."""
    return _count(builder, box, SLEPT, "seq_cst")


@_on_box
def stay_awake(builder: Any, box: Value) -> Value:
    """Take that back."""
    return _count(builder, box, SLEPT, "seq_cst", "sub")


@_on_box
def rest(builder: Any, box: Value) -> Value:
    """Let another thread have this core, if one waits for it."""
    if os.name == "posix":
        kind = ir.FunctionType(ir.IntType(32), [])
        name = "sched_yield"
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
    return _WORD(0)
