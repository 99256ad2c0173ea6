"""Members of tar archives, as tarfile writes them and as nobody should."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.data.sets.tar import Member, members
from netspec.errors import DataError
from tests.data.sets.making import add, tar_of


def listed(data: bytes, start: int = 0) -> list[Member]:
    return [*members(lambda at, n: data[at : at + n], start, len(data), "a.tar")]


def contents(data: bytes) -> dict[str, bytes]:
    return {m.name: data[m.start : m.start + m.size] for m in listed(data)}


LONG = "d" * 90 + "/" + "n" * 150 + "é.JPEG"
FILES = {"a.JPEG": b"abc", "folder/b.JPEG": bytes(512), LONG: b"x" * 1000, "empty": b""}


@pytest.mark.smoke
@pytest.mark.parametrize(
    "form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]
)
def test_what_tarfile_writes(form):
    files = dict(FILES)
    if form == tarfile.USTAR_FORMAT:  # knows no longer names
        del files[LONG]
        files["p" * 100 + "/" + "n" * 90] = b"y" * 7
    assert contents(tar_of(files, form)) == files


def test_folders_are_no_members_and_an_offset_counts():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add(tar, "folder", b"", type=tarfile.DIRTYPE)
        add(tar, "folder/a", b"12345")
    data = b"before" * 100 + out.getvalue()
    (member,) = listed(data, 600)
    assert (member.name, data[member.start :][:5]) == ("folder/a", b"12345")


@pytest.mark.parametrize(
    ("kind", "unfit"),
    [
        (tarfile.SYMTYPE, "a link"), (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"), (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"), (b"Z", "something unknown"),
    ],
)  # fmt: skip
def test_what_is_no_file_is_told(kind, unfit):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add(tar, "evil.JPEG", b"", type=kind, linkname="/etc/passwd")
        add(tar, "good.JPEG", b"abc")
    found = [(m.name, m.unfit) for m in listed(out.getvalue())]
    assert found == [("evil.JPEG", unfit), ("good.JPEG", "")]


def with_size(data: bytes, field: bytes) -> bytes:
    """The first header's size replaced, with a checksum that is right."""
    header = bytearray(data[:512])
    header[124:136] = field
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


GOOD = tar_of({"a.JPEG": b"abc"})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"x" * 2048, "'a.tar' is not a tar archive."),
        (b"\x1f\x8b" + bytes(range(256)) * 8, "'a.tar' is not a tar archive."),
        (GOOD[:514], "archive 'a.tar' ends within 'a.JPEG'."),
        (with_size(GOOD, b"77777777777\0"), "archive 'a.tar' ends within 'a.JPEG'."),
        (with_size(GOOD, b"\x80" + b"\x7f" * 11), "has a bad size for 'a.JPEG'."),
        (with_size(GOOD, b"zzz\0        "), "has a bad size for 'a.JPEG'."),
        (with_size(GOOD, b"-0000000001\0"), "has a bad size for 'a.JPEG'."),
        (GOOD[:1024] + b"j" * 1024, "archive 'a.tar' has a bad header at byte 1,024."),
        (
            with_size(tar_of({"n" * 200: b""}), b"00000100000\0") + bytes(1 << 16),
            "has an extended header of 32,768 bytes.",
        ),
    ],
)
def test_damage(data, message):
    with pytest.raises(DataError) as raised:
        listed(data)
    assert message in raised.value.problem
    assert raised.value.remedy


@given(st.binary(max_size=1200), st.integers(0, 1400), st.integers(0, 255))
def test_garbage_ends_in_an_error_or_in_members_within_the_file(tail, at, value):
    whole = bytearray(tar_of(FILES, tarfile.PAX_FORMAT))
    whole[at % len(whole)] = value
    for data in (bytes(whole), bytes(whole[:at]) + tail, tail):
        try:
            found = listed(data)
        except DataError:
            continue
        assert all(m.start + m.size <= len(data) for m in found)


@given(st.binary(max_size=60))
def test_hostile_extended_headers(body):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add(tar, "x", body, type=tarfile.XHDTYPE)
        add(tar, "a", b"abc")
    try:
        found = listed(out.getvalue())
    except DataError:
        return
    assert all(m.start + m.size <= len(out.getvalue()) for m in found)


def test_a_size_in_an_extended_header_is_checked_too():
    for size in (b"99999999999999", b"-5", b"1e3", b"9" * 40):
        record = b" size=" + size + b"\n"
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            body = b"%d" % (len(record) + 2) + record
            add(tar, "x", body, type=tarfile.XHDTYPE)
            add(tar, "a", b"abc")
        with pytest.raises(DataError):
            listed(out.getvalue())
