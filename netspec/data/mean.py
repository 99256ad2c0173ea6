"""Mean images: reading, writing, and computing them from a database.

A mean image is a binaryproto file, a ``BlobProto`` of 1 x C x H x W, as Caffe's
``compute_image_mean`` writes it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from netspec.data.protocols import PictureSource
from netspec.data.threads import Progress, cores, in_order, silent
from netspec.errors import DataError
from netspec.files import replacing
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


def write_mean(path: Path, image: Floats) -> None:
    """Write a mean image of shape (C, H, W), in the fields that Caffe uses."""
    channels, height, width = image.shape
    blob = BlobProto(num=1, channels=channels, height=height, width=width)
    blob.data.extend(image.ravel().tolist())
    with replacing(path) as temporary:
        temporary.write_bytes(blob.SerializeToString())


def mean_image(
    source: PictureSource, workers: int = 0, progress: Progress = silent
) -> Floats:
    """The mean of all pictures, of shape (C, H, W).

    Caffe adds up in single precision, which is exact for the first 65,000 pictures of
    bytes; here the sum is exact throughout.

    Raises:
        DataError: a bad record, or pictures of different shapes.
    """
    total = len(source)
    shape = source.record(0)[0].shape
    sums = np.zeros(shape, np.float64)
    records = in_order(source.record, range(total), workers or cores())
    for index, (picture, _) in enumerate(records):
        if picture.shape != shape:
            raise DataError(
                f"{source.describe(index)} is {describe(picture.shape)}, and the first "
                f"is {describe(shape)}.",
                "A mean image needs pictures of one size; use mean_value otherwise.",
            )
        sums += picture
        progress(index + 1, total)
    return sums.astype(np.float32) / np.float32(total)
