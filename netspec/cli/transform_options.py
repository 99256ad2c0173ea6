"""How pycaffe's Classifier and Detector prepare images: arguments and values."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_transform(parser: argparse.ArgumentParser) -> None:
    """The net, and pycaffe's settings of an image transformer."""
    add = parser.add_argument
    add("--model", "--model_def", required=True, metavar="FILE")
    add("--weights", "--pretrained_model", required=True, metavar="FILE")
    add("--mean", "--mean_file", metavar="M",
        help="numbers as 104,117,123, or a .npy or .binaryproto file, of which the "
        "mean colour is taken")  # fmt: skip
    add("--raw-scale", "--raw_scale", type=float, default=255.0, metavar="F",
        help="factor of an image in 0 to 1; default 255")  # fmt: skip
    add("--input-scale", "--input_scale", type=float, metavar="F",
        help="factor after the mean")  # fmt: skip
    add("--channel-swap", "--channel_swap", default="2,1,0", metavar="I,J,K",
        help="of red, green, blue; default 2,1,0: blue first")  # fmt: skip


def transform_of(args: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of a Classifier or Detector.

    Raises:
        UsageError, DataError: they are not what their help says.
    """
    return {
        "mean": mean_of(args.mean) if args.mean else None,
        "raw_scale": args.raw_scale,
        "input_scale": args.input_scale,
        "channel_swap": [int(n) for n in _numbers("--channel-swap", args.channel_swap)],
    }


def mean_of(text: str) -> Any:
    """A mean colour (C,), from its numbers or from a file."""
    import numpy as np

    from netspec.data.mean import read_mean

    if text.endswith(".npy"):
        mean = _array(Path(text))
    elif text.endswith(".binaryproto"):
        mean = read_mean(Path(text))
    else:
        return np.array(_numbers("--mean", text), np.float32)
    return mean.reshape(len(mean), -1).mean(1, dtype=np.float64).astype(np.float32)


def _array(path: Path) -> Any:
    import numpy as np

    from netspec.errors import DataError

    remedy = "Give a mean image of shape (C, H, W), written by numpy.save."
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror}.", remedy) from None
    except (ValueError, EOFError):
        raise DataError(f"'{path}' is no array of numbers.", remedy) from None
    if array.ndim not in (1, 3) or array.dtype.kind not in "fiu" or not array.size:
        problem = f"'{path}' has shape {array.shape} of {array.dtype}."
        raise DataError(problem, remedy)
    return array


def _numbers(name: str, text: str) -> list[float]:
    from netspec.errors import UsageError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        problem = f"{name} {text!r} is no list of numbers."
        raise UsageError(problem, "Write them with commas between.") from None
