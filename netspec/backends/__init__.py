"""Devices: each backend implements the operations of :mod:`netspec.backends.base`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from netspec.errors import DeviceError
from netspec.registry import suggest

if TYPE_CHECKING:
    from netspec.backends.numpy_ops import NumpyOps

DEVICES = ("cpu", "numpy", "cuda")
PRECISIONS = ("fp32", "tf32", "fp16")

Device: TypeAlias = "str | NumpyOps"  # its name, or what opening it gave

_CUDA = re.compile(r"(?:cuda|gpu)(?::(\d+))?")


def open_device(device: Device, precision: str = "fp32") -> NumpyOps:
    """The operations of a device.

    ``"cpu"`` is compiled code on all cores, ``"numpy"`` the plain reference, ``"cuda"``
    or ``"cuda:1"`` an NVIDIA GPU, number 0 where none is given; ``"gpu"`` means the
    same.

    Args:
        device: its name; what this function has returned is returned again.
        precision: of a GPU's multipliers: ``"fp32"``, ``"tf32"`` or ``"fp16"``; a CPU
            computes in float32 whatever is asked.

    Raises:
        DeviceError: an unknown device, or a GPU that cannot be used: says what is
            missing and how to install it.
    """
    if not isinstance(device, str):
        return device
    gpu = _CUDA.fullmatch(device)
    if gpu:
        from netspec.backends.cuda_support import require

        number = int(gpu[1] or 0)
        require(number)
        from netspec.backends.cuda.device import open_cuda

        return open_cuda(number, precision)
    return _open_host(device)


def _open_host(name: str) -> NumpyOps:
    if name == "cpu":
        from netspec.backends.cpu import CpuOps

        return CpuOps()
    if name == "numpy":
        from netspec.backends.numpy_ops import NumpyOps

        return NumpyOps()
    raise DeviceError(f"unknown device {name!r}.", suggest(name, DEVICES))


def is_cuda(name: str) -> bool:
    """Whether a device's name is that of a GPU."""
    return bool(_CUDA.fullmatch(name))
