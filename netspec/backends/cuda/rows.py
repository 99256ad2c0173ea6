"""Launches of kernels in which a row of threads has a row of an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.backends.cuda.launch import BLOCK, KernelFile

WARP = 32
LONG = 1024  # columns from which a row is worth a whole block


def over_rows(
    kernels: KernelFile, kernel: str, rows: int, columns: int, arguments: Sequence[Any]
) -> None:
    """Launch a kernel whose row of threads is a warp, or a block for long rows.

    Which it is depends on the columns alone, and with it the order of sums.
    """
    if not rows:
        return
    if columns > LONG:
        kernels.launch(kernel, (rows,), (BLOCK, 1), arguments)
    else:
        warps = BLOCK // WARP
        kernels.launch(kernel, (-(-rows // warps),), (WARP, warps), arguments)
