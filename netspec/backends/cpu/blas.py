"""SciPy's single-precision matrix product, callable from compiled code.

SciPy exports the addresses of its BLAS.  The product is registered with LLVM under a
name, so that compiled kernels that call it can be cached between runs.
"""

from __future__ import annotations

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from netspec.compiled import njit

NAME = "netspec_sgemm"
FLOAT_BYTES = 4

_address = get_cython_function_address("scipy.linalg.cython_blas", "sgemm")
llvmlite.binding.add_symbol(NAME, _address)


@njit(nogil=True, cache=True)
def product(a, b, c, beta):  # type: ignore[no-untyped-def]
    """c = a b + beta c, for float32 matrices; c has unit column stride, a and b may be
    transposed views of such."""
    rows, inner = a.shape
    columns = b.shape[1]
    if rows == 0 or columns == 0:
        return
    # BLAS counts by columns: it is asked for the transpose, bᵀ aᵀ.
    _sgemm(
        _flag(b), _flag(a), columns, rows, inner, 1.0,
        b.ctypes.data, _pitch(b), a.ctypes.data, _pitch(a),
        beta, c.ctypes.data, _pitch(c),
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _flag(matrix):  # type: ignore[no-untyped-def]
    """BLAS's letter for a matrix: N for rows in memory order, T for columns."""
    return ord("N") if matrix.strides[1] == FLOAT_BYTES else ord("T")


@njit(nogil=True, cache=True)
def _pitch(matrix):  # type: ignore[no-untyped-def]
    """Values from one row (or, transposed, one column) to the next."""
    if matrix.strides[1] == FLOAT_BYTES:
        return max(matrix.strides[0] // FLOAT_BYTES, matrix.shape[1])
    return max(matrix.strides[1] // FLOAT_BYTES, matrix.shape[0])


_INT, _FLOAT, _CHAR = ir.IntType(32), ir.FloatType(), ir.IntType(8)
_POINTER = _CHAR.as_pointer()
# transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc; None: an address.
_ARGUMENTS = (
    _CHAR, _CHAR, _INT, _INT, _INT, _FLOAT, None, _INT, None, _INT, _FLOAT, None, _INT,
)  # fmt: skip
_NUMBA = {_CHAR: types.int64, _INT: types.int64, _FLOAT: types.float32}
_SIGNATURE = types.void(*(_NUMBA.get(kind, types.uintp) for kind in _ARGUMENTS))


@intrinsic
def _sgemm(  # type: ignore[no-untyped-def]
    typingctx, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc
):
    """The Fortran routine: its scalars are put on the stack and passed by address."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        passed = [
            _by_address(builder, value, kind)
            for value, kind in zip(args, _ARGUMENTS, strict=True)
        ]
        kind = ir.FunctionType(ir.VoidType(), [_POINTER] * len(passed))
        function = cgutils.get_or_insert_function(builder.module, kind, NAME)
        builder.call(function, passed)
        return context.get_dummy_value()

    return _SIGNATURE, codegen


def _by_address(builder, value, kind):  # type: ignore[no-untyped-def]
    if kind is None:
        return builder.inttoptr(value, _POINTER)
    if isinstance(kind, ir.IntType):
        value = builder.trunc(value, kind)
    slot = cgutils.alloca_once_value(builder, value)
    return builder.bitcast(slot, _POINTER)
