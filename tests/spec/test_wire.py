"""The walk over protobuf's wire format, against protobuf and against broken bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.errors import DataError
from netspec.proto import BlobProto, NetParameter, SolverState
from netspec.spec.wire import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    Message,
    encode_field,
    encode_header,
    encode_varint,
    format_bytes,
    int32,
    int64,
)

REMEDY = (
    "\n  The file is damaged, cut short or of another kind: fetch or make it again."
)


def walked(data: bytes) -> list[tuple[int, int, bytes | int]]:
    message = Message.of(data, "Test", "x.bin")
    return [
        (f.number, f.wire, f.value if f.wire == VARINT else bytes(message.payload(f)))
        for f in message.fields()
    ]


@pytest.mark.smoke
def test_every_wire_type_is_found() -> None:
    data = (
        b"\x08\x96\x01" + b"\x15\x01\x02\x03\x04" + b"\x19abcdefgh" + b"\xa2\x06\x03xyz"
    )
    assert walked(data) == [
        (1, VARINT, 150),
        (2, FIXED32, b"\1\2\3\4"),
        (3, FIXED64, b"abcdefgh"),
        (100, LENGTH, b"xyz"),
    ]


def test_nested_messages_keep_offsets_of_the_whole_buffer() -> None:
    net = NetParameter(name="a")
    net.layer.add(name="conv7", type="Convolution")
    message = Message.of(net.SerializeToString(), "NetParameter")
    layer = message.inside(list(message.fields())[-1], "LayerParameter")
    name = next(layer.fields())
    assert layer.text(name) == "conv7"
    assert bytes(message.buffer[name.start : name.stop]) == b"conv7"


@given(st.integers(0, (1 << 64) - 1))
def test_varints_survive(value: int) -> None:
    data = b"\x08" + encode_varint(value)
    assert walked(data) == [(1, VARINT, value)]


@given(st.integers(-(1 << 31), (1 << 31) - 1))
def test_negative_numbers_are_protobufs(value: int) -> None:
    data = BlobProto(num=value).SerializeToString()
    assert int32(walked(data)[0][2]) == value
    assert data == b"\x08" + encode_varint(value)
    assert int64(walked(data)[0][2]) == value


@given(st.integers(1, (1 << 29) - 1), st.binary(max_size=300))
def test_written_fields_are_read_back(number: int, payload: bytes) -> None:
    data = encode_field(number, payload)
    assert walked(data) == [(number, LENGTH, payload)]
    assert data == encode_header(number, len(payload)) + payload


def test_packed_and_single_integers() -> None:
    message = Message.of(b"\x0a\x04\x03\x80\x01\x05\x08\x07", "BlobShape")
    packed, single = message.fields()
    assert message.varints(packed) == [3, 128, 5]
    assert message.varints(single) == [7]


def test_an_empty_message_has_no_fields() -> None:
    assert walked(b"") == []


BROKEN = {
    "a length beyond the end": (
        b"\x08\x01" + b"\x3a\x80\xd0\xdb\xc3\x0f" + bytes(100),
        "x.bin: byte 2: field 7 of Test claims 4.2 GB, 100 bytes are left.",
    ),
    "one byte left": (
        b"\x12\x02a",
        "x.bin: byte 0: field 2 of Test claims 2 bytes, 1 byte is left.",
    ),
    "a fixed number cut short": (
        b"\x15\x01\x02",
        "x.bin: byte 0: field 2 of Test claims 4 bytes, 2 bytes are left.",
    ),
    "a double cut short": (
        b"\x19",
        "x.bin: byte 0: field 3 of Test claims 8 bytes, 0 bytes are left.",
    ),
    "a varint without end": (
        b"\x08" + b"\xff" * 11,
        "x.bin: byte 1: field 1 of Test is longer than a number may be.",
    ),
    "a varint cut short": (b"\x08\x80", "x.bin: byte 1: Test ends inside field 1."),
    "a tag cut short": (b"\xa2", "x.bin: byte 0: Test ends inside a tag."),
    "a length cut short": (
        b"\x0a\x80",
        "x.bin: byte 1: Test ends inside the length of field 1.",
    ),
    "field 0": (b"\x00\x01", "x.bin: byte 0: Test has no field 0."),
    "a group": (b"\x0b\x0c", "x.bin: byte 0: field 1 of Test has wire type 3."),
    "wire type 7": (b"\x0f", "x.bin: byte 0: field 1 of Test has wire type 7."),
    "a field number too high": (
        b"\xfa\xff\xff\xff\x7f",
        f"x.bin: byte 0: Test has no field {(0x7FFFFFFFA >> 3)}.",
    ),
}


@pytest.mark.parametrize(("data", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_bytes_are_located(data: bytes, message: str) -> None:
    with pytest.raises(DataError) as error:
        walked(data)
    assert str(error.value) == message + REMEDY


def test_text_that_is_not_utf8() -> None:
    message = Message.of(b"\x0a\x02\xff\xfe", "LayerParameter")
    with pytest.raises(DataError, match="byte 2: field 1 of LayerParameter is not UTF"):
        message.text(next(message.fields()))


def test_a_flood_of_fields_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("netspec.spec.wire._MOST_FIELDS", 1000)
    message = Message.of(b"\x08\x01" * 1001, "NetParameter", "flood")
    with pytest.raises(DataError, match=r"byte 2000: .* more than 1,000 fields"):
        sum(1 for _ in message.fields())


@given(st.binary(max_size=200))
def test_any_bytes_end_in_fields_or_a_data_error(data: bytes) -> None:
    try:
        found = walked(data)
    except DataError:
        return
    assert sum(1 for _ in found) <= len(data)


def test_walk_agrees_with_protobuf() -> None:
    state = SolverState(iter=7, learned_net="a.caffemodel", current_step=2)
    state.history.add(data=[1.5, -2.0], num=1)
    data = state.SerializeToString()
    numbers = [number for number, *_ in walked(data)]
    assert numbers == [field.number for field, _ in state.ListFields()]


SIZES = {
    0: "0 bytes",
    1: "1 byte",
    999: "999 bytes",
    1000: "1.0 kB",
    553_432_430: "553.4 MB",
    999_949: "999.9 kB",
    999_951: "1.0 MB",
    4_200_000_000: "4.2 GB",
    (1 << 64) - 1: "18.4 EB",
}


@pytest.mark.parametrize(("size", "text"), SIZES.items())
def test_sizes_in_words(size: int, text: str) -> None:
    assert format_bytes(size) == text


class TestMappedFiles:
    def test_the_file_is_mapped(self, tmp_path) -> None:
        path = tmp_path / "a.bin"
        path.write_bytes(b"\x08\x05")
        message = Message.map(path, "Test")
        assert [f.value for f in message.fields()] == [5]
        assert message.buffer.readonly

    def test_missing(self, tmp_path) -> None:
        with pytest.raises(DataError, match=r"none\.bin: the file does not exist\."):
            Message.map(tmp_path / "none.bin", "Test")

    def test_empty(self, tmp_path) -> None:
        (tmp_path / "a").write_bytes(b"")
        with pytest.raises(DataError, match="the file is empty"):
            Message.map(tmp_path / "a", "Test")

    def test_folder(self, tmp_path) -> None:
        with pytest.raises(DataError, match="cannot be read"):
            Message.map(tmp_path, "Test")
