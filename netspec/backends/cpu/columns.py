"""A few columns of a matrix side by side, as kernels of products take them."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from netspec.backends.cpu.vectors import FLOAT, FLOAT_BYTES, Emitter, Value, emitted


def packer(width: int) -> Any:
    """Copies *width* columns of a matrix, row after row.

    Called with one tuple of: the address of the first value, the matrix's step from row
    to row, the address that they go to, how many rows.
    """
    kind = ir.VectorType(FLOAT, width)

    def pack(
        emit: Emitter, source: Value, step: Value, target: Value, rows: Value
    ) -> None:
        build, pointer = emit.builder, kind.as_pointer()
        with emit.loop(rows) as n:
            skipped = emit.mul(n, emit.mul(step, FLOAT_BYTES))
            place = build.inttoptr(emit.add(source, skipped), pointer)
            values = build.load(place, align=FLOAT_BYTES, typ=kind)
            place = emit.add(target, emit.mul(n, width * FLOAT_BYTES))
            build.store(values, build.inttoptr(place, pointer), align=FLOAT_BYTES)

    pack.__name__ = f"pack_{width}_columns"
    kinds = types.uintp, types.intp, types.uintp, types.intp
    return emitted(*kinds, apart=True)(pack)
