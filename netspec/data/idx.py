"""MNIST's own files (IDX): images and labels of bytes, gzipped or not.

Two zero bytes, the type of values (8: bytes), the number of axes, each axis as a
big-endian 32-bit number, then the values.  Source: yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netspec.errors import DataError
from netspec.shapes import Shape, describe

Bytes = NDArray[np.uint8]

_GZIP = b"\x1f\x8b"
_GZIP_BITS = 31  # zlib: a gzip header, the largest window
_MOST_BYTES = 1 << 30  # unpacked


def read_images(path: Path) -> Bytes:
    """Images, of shape (n, H, W).

    Raises:
        DataError: missing, damaged, or no images.
    """
    return _read(path, axes=3)


def read_labels(path: Path) -> Bytes:
    """Labels, of shape (n,).

    Raises:
        DataError: missing, damaged, or no labels.
    """
    return _read(path, axes=1)


def _read(path: Path, axes: int) -> Bytes:
    data = _unpacked(path)
    header = 4 + 4 * axes
    if len(data) < header or data[:4] != bytes((0, 0, 8, axes)):
        raise DataError(f"'{path}' is no IDX file with {axes} axes of bytes.", _REMEDY)
    shape: Shape = struct.unpack_from(f">{axes}I", data, 4)
    if len(data) - header != prod(shape) or not prod(shape):
        raise DataError(
            f"'{path}' says it holds {describe(shape)} bytes, and holds "
            f"{len(data) - header}.",
            _REMEDY,
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _unpacked(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        if data[:2] == _GZIP:
            data = zlib.decompressobj(_GZIP_BITS).decompress(data, _MOST_BYTES)
    except (OSError, zlib.error) as error:
        reason = getattr(error, "strerror", error)
        raise DataError(f"cannot read '{path}': {reason}.", _REMEDY) from None
    return data


_REMEDY = "Give MNIST's files as published, images first, gzipped or not."
