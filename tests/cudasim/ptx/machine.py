"""Runs a kernel: all threads of many blocks at once, one element of an array each.

Threads stand at instructions of their own; those that are furthest behind go on, until
they come to where others wait.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from tests.cudasim.ptx import arithmetic, warps
from tests.cudasim.ptx.memory import Global, Private, PtxError, check_alignment
from tests.cudasim.ptx.parse import Instruction, Program
from tests.cudasim.ptx.types import SIGNED, TYPES, UNSIGNED

Lanes = np.ndarray
Values = np.ndarray

_MOST_LANES = 1 << 15
_ADDRESS = re.compile(r"\[\s*([%\w$.]+)\s*(?:\+\s*(-?\w+))?\s*\]")


class Kernel:
    """One kernel of a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.executed: set[str] = set()  # names of instructions, over all launches

    def __call__(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        args: Sequence[Any],
        shared_mem: int = 0,
    ) -> None:
        """Run the whole grid.

        Args:
            args: NumPy arrays for pointers, NumPy scalars for numbers.

        Raises:
            PtxError: a thread did what it may not; names the instruction.
        """
        grid, block = [*grid, 1, 1][:3], [*block, 1, 1][:3]
        threads, blocks = prod(block), prod(grid)
        memory = Global([a for a in args if isinstance(a, np.ndarray)], self.program)
        at_once = max(1, _MOST_LANES // threads)
        for first in range(0, blocks, at_once):
            numbers = np.arange(first, min(blocks, first + at_once))
            _Run(self, memory, args, grid, block, numbers, shared_mem).run()


class _Run:
    """Some blocks of a launch."""

    def __init__(
        self,
        kernel: Kernel,
        memory: Global,
        args: Sequence[Any],
        grid: Sequence[int],
        block: Sequence[int],
        numbers: np.ndarray,
        shared_mem: int,
    ) -> None:
        self.program, self.executed = kernel.program, kernel.executed
        threads = prod(block)
        self.count = threads * len(numbers)
        self.block = np.repeat(np.arange(len(numbers)), threads)
        self.thread = np.tile(np.arange(threads), len(numbers))
        self.memory = memory
        self.shared = Private("shared", len(numbers), self.program, shared_mem)
        self.local = Private("local", self.count, self.program, 0)
        self.parameters = dict(zip((n for _, n in self.program.parameters), args))
        self.special = _special(self.thread, numbers[self.block], grid, block)
        self.registers: dict[str, Values] = {}
        self.at = np.zeros(self.count, np.int64)
        self.waiting = np.zeros(self.count, bool)
        self.votes: dict[int, Values] = {}
        self.copies: list[tuple[Lanes, Values, Values, int, Values, Values]] = []
        self.groups = np.zeros(self.count, np.int64)

    # -- who goes on

    def run(self) -> None:
        end = len(self.program.code)
        while True:
            able = ~self.waiting & (self.at < end)
            if able.any():
                self._go_on(able, end)
            elif self.waiting.any():
                self._pass_barrier(end)
            else:
                return

    def _pass_barrier(self, end: int) -> None:
        blocks = len(np.unique(self.block))
        arrived = np.bincount(self.block[self.waiting], minlength=blocks)
        live = np.bincount(self.block[self.at < end], minlength=blocks)
        if (arrived != live).any():
            raise PtxError("some threads wait at a barrier, others never come")
        for number in np.unique(self.block[self.waiting]):
            places = np.unique(self.at[self.waiting & (self.block == number)])
            if len(places) > 1:
                raise PtxError("threads of a block wait at different barriers")
        self.waiting[:] = False
        self.at[self.at < end] += 1

    def _go_on(self, able: np.ndarray, end: int) -> None:
        """Run the hindmost threads until they come to others, wait or branch."""
        place = int(self.at[able].min())
        lanes = np.nonzero(able & (self.at == place))[0]
        ahead = self.at[able & (self.at > place)]
        limit = int(ahead.min()) if ahead.size else end
        while place < limit:
            step = self._step(self.program.code[place], lanes, place)
            if step is None:
                return
            place += 1
        self.at[lanes] = place

    def _step(self, own: Instruction, lanes: Lanes, place: int) -> int | None:
        """Run one instruction; None: the lanes' places are set already."""
        active = lanes
        if own.predicate:
            decides = self.register(own.predicate)[lanes]
            active = lanes[decides ^ own.negated]
        self.executed.add(own.name)
        if own.name in ("bra", "brx", "ret", "exit"):
            return self._jump(own, lanes, active, place)
        if own.name in ("bar", "barrier") and "warp" not in own.parts:
            self._arrive(own, lanes, active, place)
            return None
        if active.size:
            try:
                self._execute(own, active)
            except PtxError as error:
                raise PtxError(f"{self.program.name}: {error}: {own.text}") from None
            except (KeyError, ValueError, TypeError) as error:
                text = f"{self.program.name}: not understood ({error!r}): {own.text}"
                raise PtxError(text) from error
        return 1

    def _jump(
        self, own: Instruction, lanes: Lanes, active: Lanes, place: int
    ) -> int | None:
        if not active.size:
            return 1
        self.at[lanes] = place + 1
        if own.name == "brx":
            targets = self.program.targets[own.operands[1]]
            places = np.array([self.program.labels[t] for t in targets])
            self.at[active] = places[self.get(own.operands[0], "u32", active)]
        elif own.name == "bra":
            self.at[active] = self.program.labels[own.operands[0]]
        else:
            self.at[active] = len(self.program.code)
        return None

    def _arrive(
        self, own: Instruction, lanes: Lanes, active: Lanes, place: int
    ) -> None:
        if "red" in own.parts:
            raise PtxError(f"not understood: {own.text}")
        self.at[lanes] = place + 1
        self.at[active] = place
        self.waiting[active] = True

    # -- operands

    def register(self, name: str) -> Values:
        if name not in self.registers:
            self.registers[name] = np.zeros(self.count, self.program.register(name))
        return self.registers[name]

    def get(self, operand: str, kind: str, lanes: Lanes) -> Values:
        """The values of an operand, in a type of PTX."""
        dtype = TYPES[kind]
        if operand in self.special:
            return self.special[operand][lanes].astype(dtype)
        if self._is_register(operand):
            return _seen_as(self.register(operand)[lanes], dtype)
        return np.full(len(lanes), self._constant(operand, dtype), dtype)

    def _is_register(self, operand: str) -> bool:
        names = self.program.registers
        return operand in names or operand.rstrip("0123456789") in names

    def _constant(self, operand: str, dtype: np.dtype) -> Any:
        if operand[:2] in ("0f", "0F", "0d", "0D"):
            is_single = operand[1] in "fF"
            bits = np.array(int(operand[2:], 16), np.uint32 if is_single else np.uint64)
            return bits.view(np.float32 if is_single else np.float64)
        if operand in self.program.arrays:
            return self._symbol(operand)
        whole = UNSIGNED[dtype.itemsize]
        number = int(operand, 0) & (1 << dtype.itemsize * 8) - 1
        return np.array(number, whole).view(dtype)

    def _symbol(self, name: str) -> int:
        space = self.program.arrays[name].space
        if space == "shared":
            return self.shared.addresses[name]
        if space == "local":
            return self.local.addresses[name]
        return self.memory.address(name)

    def set(self, operand: str, values: Values, lanes: Lanes) -> None:
        if operand != "_":
            register = self.register(operand)
            register[lanes] = arithmetic.resized(values, register.dtype)

    def address(self, operand: str, lanes: Lanes) -> Values:
        match = _ADDRESS.match(operand)
        assert match, operand
        offset = int(match[2] or "0", 0)
        if not self._is_register(match[1]):
            return np.full(len(lanes), self._symbol(match[1]) + offset, np.int64)
        wide = self.program.register(match[1]).itemsize == 8
        base = self.get(match[1], "s64" if wide else "s32", lanes)
        return base.astype(np.int64) + offset

    # -- memory

    def load(self, space: str, at: Values, dtype: np.dtype, lanes: Lanes) -> Values:
        if space == "shared":
            return self.shared.load(at, dtype, self.block[lanes])
        if space == "local":
            return self.local.load(at, dtype, lanes)
        return self.memory.load(at, dtype)

    def store(self, space: str, at: Values, values: Values, lanes: Lanes) -> None:
        if space == "shared":
            self.shared.store(at, values, self.block[lanes])
        elif space == "local":
            self.local.store(at, values, lanes)
        else:
            self.memory.store(at, values)

    # -- instructions

    def _execute(self, own: Instruction, lanes: Lanes) -> None:
        method = getattr(self, f"_do_{own.name}", None)
        with np.errstate(all="ignore"):
            if method:
                method(own, lanes)
            elif own.name in arithmetic.COMPUTE:
                self._compute(own, lanes)
            else:
                raise PtxError("not understood")

    def _compute(self, own: Instruction, lanes: Lanes) -> None:
        kinds = arithmetic.OPERANDS.get(own.name, ())
        kinds = [*kinds, *[None] * len(own.operands)]
        values = [
            self.get(operand, kind or own.kind, lanes)
            for operand, kind in zip(own.operands[1:], kinds)
        ]
        if own.name == "mad" and "wide" in own.parts:
            wide = {"u32": "u64", "s32": "s64", "u16": "u32", "s16": "s32"}[own.kind]
            values[2] = self.get(own.operands[3], wide, lanes)
        is_flushed = "ftz" in own.parts and own.kind == "f32"
        if is_flushed:
            values = [arithmetic.flushed(v) for v in values]
        found = arithmetic.COMPUTE[own.name](own.parts, *values)
        if "sat" in own.parts:
            found = np.where(found > 0, np.minimum(found, 1), 0).astype(found.dtype)
        if own.name in arithmetic.RESULTS:
            found = found.astype(TYPES[arithmetic.RESULTS[own.name]])
        self.set(
            own.operands[0], arithmetic.flushed(found) if is_flushed else found, lanes
        )

    def _do_ld(self, own: Instruction, lanes: Lanes) -> None:
        if own.parts[0] == "param":
            value = self.parameters[own.operands[1].strip("[] ")]
            self._load_parameter(own, value, lanes)
            return
        registers = _vector(own.operands[0])
        at, dtype = self.address(own.operands[1], lanes), TYPES[own.kind]
        check_alignment(at, dtype.itemsize * len(registers))
        for number, register in enumerate(registers):
            place = at + number * dtype.itemsize
            self.set(register, self.load(_space(own), place, dtype, lanes), lanes)

    def _load_parameter(self, own: Instruction, value: Any, lanes: Lanes) -> None:
        is_array = isinstance(value, np.ndarray)
        number = np.array(value.ctypes.data if is_array else value)
        dtype = TYPES[own.kind]
        if number.dtype.itemsize != dtype.itemsize:
            number = number.astype(UNSIGNED[dtype.itemsize])
        self.set(own.operands[0], np.full(len(lanes), number.view(dtype)), lanes)

    def _do_st(self, own: Instruction, lanes: Lanes) -> None:
        registers = _vector(own.operands[1])
        at, dtype = self.address(own.operands[0], lanes), TYPES[own.kind]
        check_alignment(at, dtype.itemsize * len(registers))
        for number, register in enumerate(registers):
            values = self.get(register, own.kind, lanes)
            self.store(_space(own), at + number * dtype.itemsize, values, lanes)

    def _do_mov(self, own: Instruction, lanes: Lanes) -> None:
        to, source = own.operands
        if to.startswith("{"):
            self._unpack(_vector(to), source, own.kind, lanes)
        elif source.startswith("{"):
            self._pack(to, _vector(source), own.kind, lanes)
        else:
            self.set(to, self.get(source, own.kind, lanes), lanes)

    def _unpack(self, to: list[str], source: str, kind: str, lanes: Lanes) -> None:
        whole = self.get(source, f"b{TYPES[kind].itemsize * 8}", lanes)
        part = UNSIGNED[TYPES[kind].itemsize // len(to)]
        columns = np.ascontiguousarray(whole).view(part).reshape(-1, len(to))
        for register, column in zip(to, columns.T):
            self.set(register, column, lanes)

    def _pack(self, to: str, parts: list[str], kind: str, lanes: Lanes) -> None:
        size = TYPES[kind].itemsize // len(parts)
        columns = [self.get(part, f"b{size * 8}", lanes) for part in parts]
        whole = np.stack(columns, 1).view(UNSIGNED[TYPES[kind].itemsize])
        self.set(to, whole[:, 0], lanes)

    def _do_cvta(self, own: Instruction, lanes: Lanes) -> None:
        self.set(own.operands[0], self.get(own.operands[1], own.kind, lanes), lanes)

    def _do_cvt(self, own: Instruction, lanes: Lanes) -> None:
        values = [self.get(o, own.kind, lanes) for o in own.operands[1:]]
        if "ftz" in own.parts and own.kind == "f32":
            values = [arithmetic.flushed(v) for v in values]
        if own.parts[-2] == "f16x2":
            high, low = (
                v.astype(np.float16).view(np.uint16).astype(np.uint32) for v in values
            )
            found = high << np.uint32(16) | low
        else:
            found = arithmetic.convert(own.parts, values[0])
        if "ftz" in own.parts and own.parts[-2] == "f32":
            found = arithmetic.flushed(found)
        self.set(own.operands[0], found, lanes)

    def _do_setp(self, own: Instruction, lanes: Lanes) -> None:
        a, b = (self.get(o, own.kind, lanes) for o in own.operands[1:3])
        if "ftz" in own.parts and own.kind == "f32":
            a, b = arithmetic.flushed(a), arithmetic.flushed(b)
        found = arithmetic.compare(own.parts[0], a, b)
        join = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}
        other = own.operands[3] if len(own.operands) > 3 else None
        for register, value in zip(own.operands[0].split("|"), (found, ~found)):
            if other:
                negated, name = other.startswith("!"), other.lstrip("!")
                with_ = self.get(name, "pred", lanes) ^ negated
                value = join[own.parts[1]](value, with_)
            self.set(register, value, lanes)

    def _do_selp(self, own: Instruction, lanes: Lanes) -> None:
        a, b = (self.get(o, own.kind, lanes) for o in own.operands[1:3])
        chosen = np.where(self.get(own.operands[3], "pred", lanes), a, b)
        self.set(own.operands[0], chosen, lanes)

    def _do_testp(self, own: Instruction, lanes: Lanes) -> None:
        a = self.get(own.operands[1], own.kind, lanes)
        tests = {
            "finite": np.isfinite,
            "infinite": np.isinf,
            "notanumber": np.isnan,
            "number": lambda x: ~np.isnan(x),
        }
        self.set(own.operands[0], tests[own.parts[0]](a), lanes)

    def _do_membar(self, own: Instruction, lanes: Lanes) -> None:
        """Memory is in order here."""

    _do_fence = _do_membar

    # -- warps

    def _do_bar(self, own: Instruction, lanes: Lanes) -> None:
        self._check_mask(own.operands[-1], lanes)

    def _check_mask(self, operand: str, lanes: Lanes) -> None:
        """All live lanes of the mask have to be here."""
        here = np.zeros(self.count, bool)
        here[lanes] = True
        masks = self.get(operand, "u32", lanes).astype(np.int64)
        live = self.at < len(self.program.code)
        first = lanes - self.thread[lanes] % warps.WARP
        for lane in range(warps.WARP):
            others = np.minimum(first + lane, self.count - 1)
            is_same = self.block[others] == self.block[lanes]
            is_meant = (masks >> lane & 1).astype(bool) & is_same & live[others]
            if (is_meant & ~here[others]).any():
                raise PtxError("a warp primitive without some lanes of its mask")

    def _do_shfl(self, own: Instruction, lanes: Lanes) -> None:
        self._check_mask(own.operands[4], lanes)
        lane = self.thread[lanes] % warps.WARP
        b, c = (self.get(o, "s64", lanes) for o in own.operands[2:4])
        source, is_inside = warps.shuffle_sources(own.parts[1], lane, b, c)
        value = self._everywhere(own.operands[1])
        to, *predicate = own.operands[0].split("|")
        self.set(to, value[lanes - lane + source], lanes)
        for register in predicate:
            self.set(register, is_inside, lanes)

    def _everywhere(self, operand: str) -> Values:
        return self.get(operand, "b32", np.arange(self.count))

    def _do_vote(self, own: Instruction, lanes: Lanes) -> None:
        self._check_mask(own.operands[2], lanes)
        name = own.operands[1]
        votes = self.get(name.lstrip("!"), "pred", lanes) ^ name.startswith("!")
        ballots = np.zeros(self.count + warps.WARP, np.uint32)
        lane = self.thread[lanes] % warps.WARP
        first = lanes - lane
        np.bitwise_or.at(ballots, first, votes.astype(np.uint32) << lane.astype("u4"))
        mask = self.get(own.operands[2], "u32", lanes)
        ballot = ballots[first] & mask
        results = {"any": ballot != 0, "all": ballot == mask, "ballot": ballot}
        self.set(own.operands[0], results[own.parts[1]], lanes)

    def _do_activemask(self, own: Instruction, lanes: Lanes) -> None:
        lane = self.thread[lanes] % warps.WARP
        masks = np.zeros(self.count + warps.WARP, np.uint32)
        np.bitwise_or.at(masks, lanes - lane, np.uint32(1) << lane.astype("u4"))
        self.set(own.operands[0], masks[lanes - lane], lanes)

    def _words(self, operand: str, lanes: Lanes) -> Values:
        """The registers of a vector: [register][warp, lane]."""
        values = [self.get(r, "b32", lanes) for r in _vector(operand)]
        return np.stack(values).reshape(len(values), -1, warps.WARP)

    def _do_mma(self, own: Instruction, lanes: Lanes) -> None:
        warps.by_warp(lanes, "mma")
        shape = own.parts[2]
        if shape not in ("m16n8k16", "m16n8k8"):
            raise PtxError("not understood")
        a, b, c = (self._words(o, lanes) for o in own.operands[1:])
        sums = warps.multiply(shape, a, b, c.view(np.float32))
        for register, values in zip(_vector(own.operands[0]), sums):
            self.set(register, values.reshape(-1), lanes)

    def _do_ldmatrix(self, own: Instruction, lanes: Lanes) -> None:
        whole = warps.by_warp(lanes, "ldmatrix")
        registers = _vector(own.operands[0])
        at = self.address(own.operands[1], lanes)
        named = np.arange(warps.WARP) < 8 * len(registers)
        kept = np.tile(named, len(whole))
        check_alignment(at[kept], 16)
        rows = np.zeros((len(lanes), 8), np.uint16)
        for i in range(8):
            part = self.load("shared", at[kept] + 2 * i, TYPES["u16"], lanes[kept])
            rows[kept, i] = part
        rows = rows.reshape(-1, warps.WARP, 8)
        words = warps.matrix_words(rows, len(registers), "trans" in own.parts)
        for register, values in zip(registers, words):
            self.set(register, values.reshape(-1), lanes)

    # -- atomic operations, one lane after another

    def _do_atom(self, own: Instruction, lanes: Lanes) -> None:
        self._atomic(own, own.operands[0], own.operands[1], own.operands[2:], lanes)

    def _do_red(self, own: Instruction, lanes: Lanes) -> None:
        self._atomic(own, "_", own.operands[0], own.operands[1:], lanes)

    def _atomic(
        self,
        own: Instruction,
        to: str,
        place: str,
        operands: Sequence[str],
        lanes: Lanes,
    ) -> None:
        at, dtype = self.address(place, lanes), TYPES[own.kind]
        given = [self.get(o, own.kind, lanes) for o in operands]
        for i in range(len(lanes)):
            one, where = lanes[i : i + 1], at[i : i + 1]
            old = self.load(_space(own), where, dtype, one)
            new = _ATOMIC[own.parts[-2]](old, *(g[i : i + 1] for g in given))
            self.store(_space(own), where, new.astype(dtype), one)
            self.set(to, old, one)

    # -- asynchronous copies

    def _do_cp(self, own: Instruction, lanes: Lanes) -> None:
        what = own.parts[1]
        if what == "commit_group":
            self.groups[lanes] += 1
        elif what == "wait_group":
            left = int(own.operands[0])
            self._land(lanes, self.groups[lanes] - left)
        elif what == "wait_all":
            self._land(lanes, self.groups[lanes] + 1)
        else:
            self._copy(own, lanes)

    def _copy(self, own: Instruction, lanes: Lanes) -> None:
        to, source = (self.address(o, lanes) for o in own.operands[:2])
        size = int(own.operands[2], 0)
        check_alignment(to, size)
        check_alignment(source, size)
        read = np.full(len(lanes), size)
        if len(own.operands) > 3:
            read = self.get(own.operands[3], "u32", lanes).astype(np.int64)
        groups = self.groups[lanes].copy()
        self.copies.append((lanes, to, source, size, read, groups))

    def _land(self, lanes: Lanes, before: Values) -> None:
        """The copies of these lanes in groups before those."""
        limit = np.full(self.count, -1, np.int64)
        limit[lanes] = before
        rest = []
        for whose, to, source, size, read, groups in self.copies:
            is_done = groups < limit[whose]
            self._move(
                whose[is_done], to[is_done], source[is_done], size, read[is_done]
            )
            left = ~is_done
            if left.any():
                copy = (whose[left], to[left], source[left], size)
                rest.append((*copy, read[left], groups[left]))
        self.copies = rest

    def _move(
        self, lanes: Lanes, to: Values, source: Values, size: int, read: Values
    ) -> None:
        byte = TYPES["u8"]
        for i in range(size):
            values = np.zeros(len(lanes), np.uint8)
            is_read = read > i
            values[is_read] = self.memory.load(source[is_read] + i, byte)
            self.store("shared", to + i, values, lanes)


_ATOMIC = {
    "add": lambda old, v: old + v,
    "min": np.minimum,
    "max": np.maximum,
    "and": lambda old, v: old & v,
    "or": lambda old, v: old | v,
    "xor": lambda old, v: old ^ v,
    "exch": lambda old, v: v,
    "cas": lambda old, expected, v: np.where(old == expected, v, old),
}


def _vector(operand: str) -> list[str]:
    return [part.strip() for part in operand.strip("{} ").split(",")]


def _space(own: Instruction) -> str:
    for part in own.parts:
        if part.split("::")[0] in ("shared", "local"):
            return part.split("::")[0]
    return "global"


def _seen_as(values: Values, dtype: np.dtype) -> Values:
    """The bits of registers as a type, cut off or extended."""
    if dtype == np.bool_ or values.dtype == np.bool_:
        return values.astype(dtype)
    if values.dtype.itemsize != dtype.itemsize:
        family: Any = SIGNED if dtype.kind == "i" else UNSIGNED
        if values.dtype.itemsize < dtype.itemsize and dtype.kind == "i":
            values = values.view(SIGNED[values.dtype.itemsize])
        values = values.astype(family[dtype.itemsize])
    return values.view(dtype)


def _special(
    thread: Values, block: Values, grid: Sequence[int], size: Sequence[int]
) -> dict[str, Values]:
    """The special registers."""
    found = {
        "%tid.x": thread % size[0],
        "%tid.y": thread // size[0] % size[1],
        "%tid.z": thread // size[0] // size[1],
        "%ctaid.x": block % grid[0],
        "%ctaid.y": block // grid[0] % grid[1],
        "%ctaid.z": block // grid[0] // grid[1],
        "%laneid": thread % warps.WARP,
        "%warpid": thread // warps.WARP,
    }
    for axis, threads, blocks in zip("xyz", size, grid):
        found[f"%ntid.{axis}"] = np.full_like(thread, threads)
        found[f"%nctaid.{axis}"] = np.full_like(thread, blocks)
    return found
