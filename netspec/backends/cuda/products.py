"""Products of matrices of float32: by cuBLAS, or rounded, on tensor cores.

cuBLAS has no way to multiply halves into float32 that CuPy offers, so the rounded ones
are kernels of our own.
"""

from __future__ import annotations

from typing import Any

import cupy

from netspec.backends.cuda.convolution.channels import (
    add_parts,
    slabs_of_part,
    sum_parts,
)
from netspec.backends.cuda.launch import KernelFile, i32

Array = Any

KERNELS = KernelFile("gemm_tensor")
THREADS, ROWS, COLUMNS = 128, 64, 128  # of a tile
SLAB = {"tf32": 16, "fp16": 32}  # elements of the reduction
BLOCKS = 264  # two for each processor of the largest devices
MOST = 2**31 - 1  # elements of a matrix that kernels can address


def multiply(
    a: Array, b: Array, c: Array, which: str, precision: str, add: bool = False
) -> None:
    """c = a b, or a bᵀ, or aᵀ b, or c plus that.

    Args:
        which: "nn"; or "nt", b is transposed; or "tn", a is.
        precision: what is multiplied: "fp32", "tf32" or "fp16".
        add: add to what c holds.
    """
    if not c.size:
        return
    if precision == "fp32" or max(a.size, b.size, c.size) > MOST or not a.size:
        parts = _by_cublas(a, b, c, which, add)
    else:
        parts = _rounded(a, b, c, which, precision)
    if add:
        add_parts(parts, c)
    elif parts is not c:
        sum_parts(parts, c)


def _by_cublas(a: Array, b: Array, c: Array, which: str, add: bool) -> Array:
    """One part; c itself, unless something is to be added to it."""
    left, right = (a.T if which == "tn" else a), (b.T if which == "nt" else b)
    part = cupy.empty((1, *c.shape), cupy.float32) if add else c
    cupy.matmul(left, right, out=part[0] if add else part)
    return part


def _rounded(a: Array, b: Array, c: Array, which: str, precision: str) -> Array:
    """Parts of a number that the shapes alone decide; they are yet to be added."""
    rows, columns = c.shape
    length = a.shape[0 if which == "tn" else 1]
    tiles = -(-columns // COLUMNS), -(-rows // ROWS)
    slabs = -(-length // SLAB[precision])
    each = slabs_of_part(slabs, tiles[0] * tiles[1], BLOCKS)
    count = -(-slabs // each)
    parts = cupy.empty((count, rows, columns), cupy.float32)
    numbers = (rows, columns, length, a.shape[1], b.shape[1], each)
    args = (a, b, parts, *map(i32, numbers))
    name = f"multiply_{precision}_{which}"
    KERNELS.launch(name, (*tiles, count), (THREADS,), args)
    return parts
