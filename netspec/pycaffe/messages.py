"""Caffe's messages as arrays, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from netspec.data.datum import pixels
from netspec.data.decode import Channels, decode
from netspec.proto import BlobProto, BlobProtoVector, Datum
from netspec.pycaffe.faults import BadValueError
from netspec.shapes import Shape, count, describe

Array = Any
_LEGACY = ("num", "channels", "height", "width")


def blobproto_to_array(blob: BlobProto, return_diff: bool = False) -> Array:
    """The data of a blob, or its diff: float64, in the shape that the blob gives.

    Raises:
        BadValueError: another number of values than the shape has.
    """
    kind = "diff" if return_diff else "data"
    values = np.array(getattr(blob, f"double_{kind}") or getattr(blob, kind), float)
    shape = _shape(blob)
    if values.size != count(shape):
        raise BadValueError(
            f"a blob of shape {describe(shape)} comes with {values.size} values of "
            f"{kind}.",
            "Set its shape to that of the values.",
        )
    return values.reshape(shape)


def _shape(blob: BlobProto) -> Shape:
    if any(blob.HasField(name) for name in _LEGACY):
        return tuple(getattr(blob, name) for name in _LEGACY)
    return tuple(blob.shape.dim)


def array_to_blobproto(arr: Array, diff: Array | None = None) -> BlobProto:
    """A blob with these values, and this diff of the same shape."""
    blob = BlobProto()
    blob.shape.dim.extend(np.shape(arr))
    blob.data.extend(np.ravel(arr).astype(float).tolist())
    if diff is not None:
        blob.diff.extend(np.ravel(diff).astype(float).tolist())
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[Array]) -> bytes:
    """Several arrays as one serialized message."""
    return BlobProtoVector(
        blobs=[array_to_blobproto(each) for each in arraylist]
    ).SerializeToString()


def blobprotovector_str_to_arraylist(str: bytes) -> list[Array]:  # Caffe's name
    """The arrays in what :func:`arraylist_to_blobprotovector_str` made.

    Raises:
        BadValueError: the bytes are no such message.
    """
    try:
        vector = BlobProtoVector.FromString(str)
    except DecodeError:
        raise BadValueError("the bytes are no BlobProtoVector.") from None
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: Array, label: int | None = None) -> Datum:
    """A record of an array (C, H, W): bytes where it is uint8, floats otherwise.

    Raises:
        BadValueError: another number of axes.
    """
    if arr.ndim != 3:
        raise BadValueError(
            f"a Datum cannot hold an array of {describe(arr.shape)}.",
            "Give one of three axes: channels, height, width.",
        )
    datum = Datum(**dict(zip(("channels", "height", "width"), arr.shape)))
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.ravel().astype(float).tolist())
    if label is not None:
        datum.label = int(label)
    return datum


def datum_to_array(datum: Datum) -> Array:
    """What a record holds, (C, H, W): uint8, or float64 where it holds floats.

    An image file in it is decoded, to blue, green, red.

    Raises:
        DataError: it holds another number of values than its shape has, or its image
            cannot be decoded.
    """
    if datum.encoded:
        return decode(datum.data, Channels.NATIVE).transpose(2, 0, 1).copy()
    values = pixels(datum)
    return values.copy() if values.dtype == np.uint8 else values.astype(float)
