"""The backend's kernels as texts, also where no CuPy is installed."""

from __future__ import annotations

from tests.cudasim.standin import install

with install():  # the backend's package imports CuPy
    from netspec.backends.cuda.source import kernel_files, signatures, source

__all__ = ["kernel_files", "signatures", "source"]
