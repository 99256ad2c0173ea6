"""Devices: each backend implements the operations of :mod:`netspec.backends.base`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netspec.errors import DeviceError
from netspec.registry import suggest

if TYPE_CHECKING:
    from netspec.backends.numpy_ops import NumpyOps

DEVICES = ("cpu", "numpy")


def open_device(name: str) -> NumpyOps:
    """The operations of a device.

    ``"cpu"`` is compiled code on all cores, ``"numpy"`` the plain reference.

    Raises:
        DeviceError: an unknown device.
    """
    if name == "cpu":
        from netspec.backends.cpu import CpuOps

        return CpuOps()
    if name == "numpy":
        from netspec.backends.numpy_ops import NumpyOps

        return NumpyOps()
    raise DeviceError(f"unknown device {name!r}.", suggest(name, DEVICES))
