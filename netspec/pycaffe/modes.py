"""What pycaffe keeps for the whole process: the device, the seed, solver counts.

A net or solver takes the device and the seed when it is made and keeps them; what is
set later is for those made later.  In every thread the settings are the same.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace

from netspec.backends import open_device
from netspec.errors import DeviceError, UsageError
from netspec.pycaffe.logs import write

# Environment variables.
STAY_ON_CPU = "NETSPEC_PYCAFFE_CPU"
ALLOW_PYTHON = "NETSPEC_PYCAFFE_ALLOW_PYTHON"


@dataclass(frozen=True)
class Settings:
    """The settings at one moment.

    Attributes:
        device: see :class:`netspec.Net`.
        gpu: number that :func:`set_device` gave.
        seed: None: none was set.
        allow_python: whether Python layers may run the code that nets name.
    """

    device: str = "cpu"
    gpu: int = 0
    seed: int | None = None
    allow_python: bool = False


_lock = threading.Lock()


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "") not in ("", "0")


_settings = Settings(allow_python=_is_set(ALLOW_PYTHON))


def settings() -> Settings:
    """What nets and solvers are made with now."""
    return _settings


def _change(**changes: object) -> None:
    global _settings
    with _lock:
        _settings = replace(_settings, **changes)  # type: ignore[arg-type]


def set_mode_cpu() -> None:
    """Make nets and solvers on the CPU from now on."""
    _change(device="cpu")


def set_mode_gpu() -> None:
    """Make nets and solvers on the GPU from now on.

    With NETSPEC_PYCAFFE_CPU=1 in the environment they stay on the CPU, and a warning
    is logged: for scripts that ask for a GPU where there is none.

    Raises:
        DeviceError: no GPU can be used.
    """
    if _is_set(STAY_ON_CPU):
        write("W", f"set_mode_gpu: staying on the CPU, as {STAY_ON_CPU} says.")
        return
    device = f"cuda:{_settings.gpu}"
    try:
        open_device(device)
    except DeviceError as error:
        raise DeviceError(
            f"the GPU cannot be used: {error.problem}",
            f"Call caffe.set_mode_cpu(), or set {STAY_ON_CPU}=1 to run the program as "
            "it is on the CPU.",
        ) from error
    _change(device=device)


def set_device(gpu: int) -> None:
    """Choose which GPU :func:`set_mode_gpu` means."""
    _change(gpu=gpu)
    if _settings.device.startswith("cuda"):
        _change(device=f"cuda:{gpu}")


def set_random_seed(seed: int) -> None:
    """Seed fillers and random layers of nets made from now on.

    A solver whose file has a random_seed keeps that one.
    """
    _change(seed=int(seed))


def allow_python(allowed: bool = True) -> None:
    """Let nets made from now on run the Python layers that they name.

    A prototxt names the module and class of such a layer, so whoever wrote it chooses
    code that runs here: allow it where you trust the file. In the environment at
    import, NETSPEC_PYCAFFE_ALLOW_PYTHON=1 does the same for a program that stays as it
    is; one net or solver is allowed by its argument ``allow_python=True``.
    """
    _change(allow_python=allowed)


def python_allowed(asked: bool | None) -> bool:
    """What a net or solver was told, or where that is None, the whole process."""
    return _settings.allow_python if asked is None else asked


def solver_count() -> int:
    """Solvers that train together: always one; ``netspec train`` has many devices."""
    return 1


def solver_rank() -> int:
    """Number of this process among them."""
    return 0


def set_solver_count(count: int) -> None:
    """Accept one.

    Raises:
        UsageError: another number.
    """
    if count != 1:
        raise _alone(f"{count} solvers are to train together")


def set_solver_rank(rank: int) -> None:
    """Accept 0.

    Raises:
        UsageError: another number.
    """
    if rank != 0:
        raise _alone(f"this is to be solver number {rank}")


def set_multiprocess(together: bool) -> None:
    """Whether solvers of several processes train together: nothing depends on it."""


def has_nccl() -> bool:
    """Whether :class:`NCCL` can be used here: no."""
    return False


def _alone(what: str) -> UsageError:
    return UsageError(
        f"{what}, and a solver in Python trains alone.",
        "Train with the netspec train command, which splits a batch over devices "
        "without changing the result.",
    )


class NCCL:
    """What joins solvers on several GPUs in Caffe; cannot be made here.

    Raises:
        UsageError: always.
    """

    def __init__(self, solver: object, uid: object) -> None:
        raise _alone("NCCL is asked for")

    @staticmethod
    def new_uid() -> bytes:
        """A name for a group of solvers.

        Raises:
            UsageError: always.
        """
        raise _alone("NCCL is asked for")
