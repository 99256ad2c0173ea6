"""Opening a GPU."""

from __future__ import annotations

from netspec.backends.cuda import CudaOps


def open_cuda(number: int, precision: str) -> CudaOps:
    """The operations of GPU *number*, which is then the calling thread's.

    Another thread calls :meth:`CudaOps.use` first, as passes over a net do.
    """
    ops = CudaOps(precision)
    ops.name, ops.number = f"cuda:{number}", number
    ops.use()
    return ops
