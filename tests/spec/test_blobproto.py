"""BlobProto to array and back, against protobuf."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest

from netspec.errors import DataError
from netspec.proto import BlobProto, BlobProtoVector
from netspec.spec.blobproto import (
    Values,
    blob_array,
    blob_pieces,
    pieces_size,
    read_blob,
    write_pieces,
)
from netspec.spec.wire import Message, encode_field, encode_header

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4) * 0.37 - 3
RAW_TYPES = {0: "<f8", 1: "<f4", 2: "<f2", 3: "<i4", 4: "<u4", 5: "?"}


def shape(*dims: int) -> bytes:
    return encode_field(7, encode_field(1, bytes(dims)))


@pytest.mark.smoke
def test_data_is_a_view_of_the_buffer() -> None:
    proto = BlobProto(data=VALUES.ravel(), shape={"dim": VALUES.shape})
    buffer = bytearray(proto.SerializeToString())
    blob = blob_array(memoryview(buffer))
    np.testing.assert_array_equal(blob.array, VALUES)
    assert not blob.legacy
    buffer[buffer.index(VALUES.tobytes()) + 3] ^= 0x80  # the sign of the first value
    assert blob.array.flat[0] == -VALUES.flat[0]


def test_views_of_bytes_cannot_be_written() -> None:
    blob = blob_array(BlobProto(data=[1, 2], shape={"dim": [2]}).SerializeToString())
    assert not blob.array.flags.writeable


def test_double_data_goes_before_data() -> None:
    proto = BlobProto(double_data=[1e300, 2], data=[3, 4], shape={"dim": [2]})
    array = blob_array(proto.SerializeToString()).array
    assert array.dtype == "<f8"
    assert array.tolist() == [1e300, 2]


def test_four_numbers_are_a_legacy_shape_and_go_first() -> None:
    proto = BlobProto(data=range(6), num=1, channels=1, height=2, width=3)
    proto.shape.dim.extend([6])
    blob = blob_array(proto.SerializeToString())
    assert blob.array.shape == (1, 1, 2, 3)
    assert blob.legacy


@pytest.mark.parametrize(("kind", "dtype"), RAW_TYPES.items())
def test_raw_data_of_nvidias_fork(kind: int, dtype: str) -> None:
    values = np.array([[0, 1, 1], [1, 0, 1]], dtype)
    proto = BlobProto(raw_data_type=kind, raw_data=values.tobytes())
    proto.shape.dim.extend(values.shape)
    blob = blob_array(proto.SerializeToString())
    assert blob.array.dtype == dtype
    np.testing.assert_array_equal(blob.array, values)


@pytest.mark.parametrize("number", [5, 8])
@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 700])
def test_unpacked_values(number: int, size: int) -> None:
    """Old writers give every value its own tag; more than one run must be joined."""
    dtype, tag = ("<f4", 0x2D) if number == 5 else ("<f8", 0x41)
    values = np.linspace(-2, 9, size).astype(dtype)
    single = [bytes([tag]) + value.tobytes() for value in values]
    split = len(single) // 3
    legacy = (
        b"\x08\x01\x10\x01\x18\x01\x20" + BlobProto(num=size).SerializeToString()[1:]
    )
    data = b"".join(single[:split]) + legacy + b"".join(single[split:])
    np.testing.assert_array_equal(blob_array(data).array.ravel(), values)
    assert list(
        BlobProto.FromString(data).data or BlobProto.FromString(data).double_data
    )


def test_packed_and_unpacked_values_are_joined_in_order() -> None:
    packed = encode_field(5, np.array([1, 2], "<f4").tobytes())
    single = b"\x2d" + np.float32(3).tobytes()
    data = packed + single + packed + shape(5)
    assert blob_array(data).array.tolist() == [1, 2, 3, 1, 2]
    assert list(BlobProto.FromString(data).data) == [1, 2, 3, 1, 2]


def test_diffs_and_unknown_fields_are_passed_over() -> None:
    proto = BlobProto(data=[1, 2], diff=[3, 4], double_diff=[5], shape={"dim": [2]})
    data = proto.SerializeToString() + encode_field(999, b"?")
    assert blob_array(data).array.tolist() == [1, 2]


def test_a_blob_without_axes_holds_one_value() -> None:
    assert blob_array(BlobProto(data=[5]).SerializeToString()).array.shape == ()


def test_empty_blobs() -> None:
    assert blob_array(shape(0, 3)).array.shape == (0, 3)
    assert blob_array(BlobProto(num=0).SerializeToString()).array.shape == (0, 0, 0, 0)


F4 = np.float32(1).tobytes()
BROKEN = {
    "too few values": (
        encode_field(5, F4 * 5) + shape(2, 3),
        "byte 0: a blob of shape 2x3 comes with 5 values.",
    ),
    "no values": (shape(4), "byte 0: a blob of shape 4 comes with 0 values."),
    "half a value": (
        encode_field(5, F4 + b"\0") + shape(1),
        "byte 2: field 5 of BlobProto has 5 bytes, which is no whole number of "
        "4-byte values.",
    ),
    "a negative axis": (
        BlobProto(data=[1, 2], shape={"dim": [-1, -2]}).SerializeToString(),
        "byte 0: a blob of shape -1x-2 comes with 2 values.",
    ),
    "axes too long for any machine": (
        BlobProto(shape={"dim": [0, 1 << 40, 1 << 40]}).SerializeToString(),
        "byte 0: a blob of shape 0x1099511627776x1099511627776 comes with 0 values.",
    ),
    "too many axes": (
        BlobProto(data=[1], shape={"dim": [1] * 33}).SerializeToString(),
        "byte 0: a blob has 33 axes; the most is 32.",
    ),
    "raw data without its type": (
        BlobProto(raw_data=F4, shape={"dim": [1]}).SerializeToString(),
        "byte 0: raw_data of BlobProto has raw_data_type none, not 0 to 5.",
    ),
    "raw data of an unknown type": (
        b"\x50\x09" + encode_field(12, F4) + shape(1),
        "byte 0: raw_data of BlobProto has raw_data_type 9, not 0 to 5.",
    ),
    "raw data cut short": (
        b"\x50\x01" + encode_field(12, F4 + b"\0") + shape(1),
        "byte 0: raw_data of BlobProto has 5 bytes, no whole number of float32.",
    ),
    "a claim beyond the end": (
        encode_header(5, 4000) + F4,
        "byte 0: field 5 of BlobProto claims 4.0 kB, 4 bytes are left.",
    ),
}


@pytest.mark.parametrize(("data", "problem"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_blobs(data: bytes, problem: str) -> None:
    with pytest.raises(DataError) as error:
        blob_array(data)
    assert error.value.problem == problem


def test_a_flood_of_alternating_values_is_refused() -> None:
    data = (b"\x2d" + F4 + b"\x08\x01") * (1 << 16)
    with pytest.raises(DataError, match="more than 65,536 fields"):
        blob_array(data)


ARRAYS = {
    "float32": VALUES,
    "float64": VALUES.astype(np.float64) / 3,
    "scalar": np.float32(2.5),
    "empty": np.empty((0, 4), np.float32),
    "one axis": VALUES.ravel(),
    "long axis": np.arange(300, dtype=np.float32),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_pieces_are_protobufs_bytes(array: np.ndarray) -> None:
    array = np.asarray(array)
    pieces = blob_pieces(1, array)
    file = io.BytesIO()
    write_pieces(file, pieces)
    proto = BlobProtoVector()
    name = "double_data" if array.dtype == np.float64 else "data"
    blob = proto.blobs.add(shape={"dim": array.shape}, **{name: array.ravel()})
    assert file.getvalue() == proto.SerializeToString()
    assert pieces_size(pieces) == len(file.getvalue())
    np.testing.assert_array_equal(blob_array(blob.SerializeToString()).array, array)


@pytest.mark.parametrize(
    "array",
    [
        VALUES.transpose(2, 0, 1),
        VALUES[:, ::2],
        VALUES.astype(">f4"),
        VALUES.astype(np.float16),
        np.broadcast_to(np.float32(3), (2, 5)),
    ],
    ids=["transposed", "strided", "big-endian", "half", "broadcast"],
)
def test_arrays_of_any_layout_are_written_row_major(array: np.ndarray) -> None:
    file = io.BytesIO()
    write_pieces(file, blob_pieces(1, array))
    message = Message.of(file.getvalue(), "BlobProtoVector")
    blob = read_blob(message.inside(next(message.fields()), "BlobProto"))
    assert blob.array.dtype == "<f4"
    np.testing.assert_array_equal(blob.array, array.astype(np.float32))


def test_writing_needs_no_second_copy() -> None:
    array = np.zeros((3000, 5000), np.float32).T  # 60 MB, not in the order of the file

    class Nowhere(io.RawIOBase):
        def write(self, data) -> int:
            return len(data)

    tracemalloc.start()
    write_pieces(Nowhere(), [Values(array, np.dtype("<f4"))])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16e6
