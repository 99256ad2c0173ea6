"""Which device a command computes on, and how many of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from netspec.errors import UsageError

if TYPE_CHECKING:
    from netspec.backends.numpy_ops import NumpyOps

EVERY = "all"  # of the machine's GPUs


def add_device(parser: Any, several: bool = False) -> None:
    """``--device``, and Caffe's ``-gpu``; *several*: it may name more than one GPU."""
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="cpu (default), numpy, or a GPU: cuda or cuda:N",
    )
    names = ("--gpu", "-gpu", "--gpus", "-gpus") if several else ("--gpu", "-gpu")
    parser.add_argument(
        *names,
        dest="gpu",
        metavar="N[,N...]" if several else "N",
        help="the same as --device cuda:N"
        + ("; of several GPUs, or all, each becomes a rank" if several else ""),
    )
    if not several:
        parser.add_argument(
            "--precision",
            choices=("fp32", "tf32", "fp16"),
            default="fp32",
            help="of a GPU's multipliers; default: fp32",
        )


def device_of(args: argparse.Namespace, place: int = 0) -> str:
    """The device that the arguments name.

    Args:
        place: number of this process among those of its machine.

    Raises:
        UsageError: --device and --gpu together, or numbers that are none.
        DeviceError: no GPU can be used.
    """
    gpus = gpus_of(args)
    if not gpus:
        return args.device or "cpu"
    if place >= len(gpus):
        raise UsageError(
            f"rank {place} of this machine has no GPU of its own: there are "
            f"{len(gpus)}.",
            "Start as many ranks on each machine as it has GPUs; where the launcher "
            "shows each rank its own alone, say --device cuda.",
        )
    return f"cuda:{gpus[place]}"


def gpus_of(args: argparse.Namespace) -> list[int]:
    """Numbers of the GPUs that the arguments name; none: another device.

    Raises:
        UsageError, DeviceError: as :func:`device_of`.
    """
    if args.gpu is None:
        return []
    if args.device:
        raise UsageError("both --device and --gpu are given.", "Give one of them.")
    if args.gpu == EVERY:
        return _all()
    parts = args.gpu.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UsageError(
            f"--gpu is {args.gpu!r}.",
            "Give a GPU's number, several with commas between, or all; "
            "'netspec devices' lists them.",
        )
    numbers = [int(part) for part in parts]
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"--gpu {args.gpu} names a GPU twice.", "Name each once.")
    return numbers


def one_device(args: argparse.Namespace) -> NumpyOps:
    """The device, opened, for a command that computes on one.

    Raises:
        UsageError: several are named, or a precision that the device does not have.
        DeviceError: no GPU can be used.
    """
    from netspec.backends import is_cuda, open_device

    if len(gpus_of(args)) > 1:
        raise UsageError(
            f"--gpu {args.gpu} names several GPUs, and this command computes on one.",
            "Name one; 'netspec train' divides a batch over several.",
        )
    name = device_of(args)
    if args.precision != "fp32" and not is_cuda(name):
        raise UsageError(
            f"--precision {args.precision} is for GPUs, and the device is {name}.",
            "Name a GPU (--gpu 0), or leave it out.",
        )
    return open_device(name, args.precision)


def _all() -> list[int]:
    from netspec.backends.cuda_support import gpu_count, require

    require(0)
    return list(range(gpu_count()))
