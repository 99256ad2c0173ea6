"""The CUDA backend: kernels of our own, compiled at first use, launched by CuPy."""

from __future__ import annotations

from netspec.backends.numpy_ops import NumpyOps
from netspec.errors import DeviceError

PRECISIONS = ("fp32", "tf32", "fp16")


class CudaOps(NumpyOps):
    """Operations on CuPy arrays of float32, on the current device and stream.

    Args:
        precision: what convolutions and inner products feed to the multipliers:
            ``"fp32"``, or numbers rounded to ``"tf32"`` or ``"fp16"``. Sums and
            storage are float32 in any case.

    Raises:
        DeviceError: an unknown precision.
    """

    name = "cuda"

    def __init__(self, precision: str = "fp32") -> None:
        if precision not in PRECISIONS:
            raise DeviceError(
                f"precision {precision!r} is unknown.",
                f"Choose one of {', '.join(PRECISIONS)}.",
            )
        self.precision = precision
