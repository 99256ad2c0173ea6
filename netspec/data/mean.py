"""Mean images: reading, writing, and computing them from a database.

A mean image is a binaryproto file, a ``BlobProto`` of 1 x C x H x W, as Caffe's
``compute_image_mean`` writes it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from netspec.errors import DataError
from netspec.proto import BlobProto
from netspec.shapes import describe

Floats = NDArray[np.float32]

_MAKE = "netspec data mean DATABASE -o MEAN.binaryproto makes one."


def read_mean(path: Path) -> Floats:
    """The mean image in a binaryproto file, of shape (C, H, W).

    Raises:
        DataError: no such file, or not one blob of that shape.
    """
    try:
        blob = BlobProto.FromString(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"cannot read mean image '{path}': {error.strerror}.", _MAKE
        ) from None
    except DecodeError:
        raise DataError(f"'{path}' is not a mean image.", _MAKE) from None
    shape = tuple(blob.shape.dim) or (
        blob.num, blob.channels, blob.height, blob.width
    )  # fmt: skip
    values = np.array(blob.data or blob.double_data, np.float32)
    sound = len(shape) == 4 and shape[0] == 1 and min(shape) > 0
    if not sound or values.size != shape[1] * shape[2] * shape[3]:
        raise DataError(
            f"'{path}' holds {values.size} values for the shape {describe(shape)}, "
            "which is not one image.",
            _MAKE,
        )
    return values.reshape(shape[1:])
